//! A place in the cluster that is given away: whether it is this node's, what is
//! known of the others' copies before one is given up, and what a node does that
//! comes back after its place went to another.

use crate::clock::since_boot_ms;
use crate::host::Host;
use crate::identity;
use crate::node::{AGENT_UNIT, ENGINE_SOCKET, ENGINE_UNIT, Effects, MOUNT_UNIT, Node};
use crate::paths::Paths;
use crate::ring::Ring;
use crate::state;
use crate::storage::Storage;
use crate::swarm::Swarm;
use anyhow::{Context, Result};
use ashlar_cluster::{MemberStatus, NodeId, Volume, gives_up_copies};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::timeout;

/// How often a node that does not manage the Swarm asks whether it has its place,
/// in milliseconds,
const ASK_EVERY: u64 = 30_000;

/// and how long the members may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a release before this one would have to know.
const VERSION: u32 = 1;

/// `retired.json`: kept from when a node is told until it has begun anew.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    version: u32,
    /// The id under which it lost its place.
    id: NodeId,
}

/// What others said about places in this cluster.
#[derive(Debug, Default)]
pub(crate) struct Told {
    retired: BTreeSet<NodeId>,
    asked: Option<u64>,
}

/// Gives this node's own place away, because a person says so: it begins anew at
/// its next look.
pub(crate) fn note(paths: &Paths) -> Result<()> {
    let identity = identity::load(paths)?.filter(|_| paths.membership().exists());
    let id = identity.context("this box belongs to no cluster")?.id;
    state::write_json(&paths.retired(), &Note { version: VERSION, id }, 0o600)
}

impl<H: Host, R: Ring, S: Storage, W: Swarm> Node<H, R, S, W> {
    /// Whether this node lost its place: by its own note, or by what a member told
    /// it that it knows by its certificate.
    pub(crate) fn is_retired(&self, id: &NodeId) -> Result<bool> {
        let note: Option<Note> = state::read_json(&self.paths.retired())?;
        let refused = self.trust().is_ok_and(|trust| trust.was_refused());
        Ok(note.is_some_and(|note| note.id == *id)
            || self.told.borrow().retired.contains(id)
            || refused)
    }

    /// Boxes of which others said that they lost their place.
    pub(crate) fn told_retired(&self) -> BTreeSet<NodeId> {
        self.told.borrow().retired.clone()
    }

    /// Asks the other members now and then who lost its place. A manager that sees
    /// its Swarm knows by itself.
    pub(crate) async fn ask_for_place(&self) {
        let now_ms = since_boot_ms();
        let members: Vec<IpAddr> = {
            let sight = self.sight.borrow();
            if sight.sees_swarm() {
                return;
            }
            let (Ok(Some(own)), Ok(me)) = (self.membership(), self.identity()) else { return };
            let kin = sight.members().iter().filter(|m| {
                m.status == MemberStatus::Alive
                    && m.cluster.as_ref() == Some(&own.cluster)
                    && m.id.as_ref() != Some(&me.id)
            });
            kin.map(|m| m.address).collect()
        };
        let due = self.told.borrow().asked.is_none_or(|at| now_ms.saturating_sub(at) >= ASK_EVERY);
        if members.is_empty() || !due {
            return;
        }
        self.told.borrow_mut().asked = Some(now_ms);
        let Ok(trust) = self.trust() else { return };
        match timeout(PATIENCE, trust.places(&members)).await {
            Ok(Ok(retired)) => self.told.borrow_mut().retired.extend(retired),
            Ok(Err(error)) => tracing::debug!("no member tells who has a place: {error:#}"),
            Err(_) => tracing::debug!("no member tells in time who has a place"),
        }
    }

    /// Adds to what the storage daemon says which copies lack something, when one
    /// of them is to be given up: nobody asks before.
    pub(crate) async fn note_copies(&self, storage: &mut ashlar_cluster::Storage) {
        let Some(volume) = &mut storage.volume else { return };
        if volume.bricks.iter().all(|b| b.online) {
            return;
        }
        let due = self.observed().await.is_ok_and(|o| gives_up_copies(&o, &self.wanted));
        if due {
            volume.behind = self.behind(volume).await;
        }
    }

    async fn behind(&self, volume: &Volume) -> Option<BTreeSet<IpAddr>> {
        let own = self.identity().ok()?.address;
        let trust = self.trust().ok()?;
        let online = || volume.bricks.iter().filter(|b| b.online).map(|b| b.address);
        let asked = online().map(async |address| {
            let asked = async {
                if address == own {
                    self.effects.storage.lacking().await
                } else {
                    trust.lacking_by(address).await
                }
            };
            let answer = timeout(PATIENCE, asked).await.context("no answer in time");
            answer.flatten().inspect_err(|error| {
                tracing::debug!("{address} does not tell which copies are whole: {error:#}");
            })
        });
        let answers = futures_util::future::join_all(asked).await;
        let lacking: Vec<_> = answers.into_iter().collect::<Result<_>>().ok()?;
        let lacking: BTreeSet<_> = lacking.into_iter().flatten().collect();
        Some(online().filter(|address| lacking.contains(address)).collect())
    }

    /// Sets this node's copy aside, forgets its cluster and its id, and lets the
    /// agent begin as on its first day. Written down first, and done in an order in
    /// which what is left after a power cut is still this node's, and goes on.
    pub(crate) async fn start_anew(&self) -> Result<()> {
        let Effects { host, ring, swarm, storage } = &self.effects;
        let id = self.identity()?.id;
        tracing::warn!("this node lost its place as {id}: it begins anew");
        state::write_json(
            &self.paths.retired(),
            &Note { version: VERSION, id: id.clone() },
            0o600,
        )?;
        if self.wanted.swarm {
            if let Err(error) = swarm.leave().await {
                tracing::debug!("the engine is in no Swarm that it could leave: {error:#}");
            }
            host.stop(ENGINE_SOCKET).await?;
            host.stop(ENGINE_UNIT).await?;
            state::remove_dir(&self.paths.engine_swarm())?;
        }
        if self.wanted.storage {
            host.stop(MOUNT_UNIT).await?;
            if let Some(unit) = storage.unit() {
                host.stop(unit).await?;
                // Bricks outlive a stop of the daemon that started them.
                host.kill_all(unit).await?;
            }
            self.set_brick_aside(&id)?;
            for name in ["vols", "peers", "snaps", "glustershd"] {
                state::remove_dir(&self.paths.glusterd().join(name))?;
            }
            state::remove(&self.paths.glusterd().join("glusterd.info"))?;
        }
        if let Err(error) = ring.leave().await {
            tracing::debug!("the others find out by themselves: {error:#}");
        }
        state::remove(&self.paths.ring().join("snapshot"))?;
        state::remove(&self.paths.shown_certificate())?;
        state::remove_dir(&self.paths.pki())?;
        state::remove(&self.paths.membership())?;
        // From here on there is nobody left who could go on with this.
        state::remove(&self.paths.identity())?;
        state::remove(&self.paths.retired())?;
        host.restart_if_running(AGENT_UNIT).await
    }

    /// The copy stays on the disk, under the name of who this node was.
    fn set_brick_aside(&self, id: &NodeId) -> Result<()> {
        let volume = self.paths.bricks().join(&self.wanted.volume);
        let (from, to) = (volume.join("brick"), volume.join(format!("set-aside-{id}")));
        match fs::rename(&from, &to) {
            Ok(()) => {
                tracing::warn!("this node's copy is set aside as {}", to.display());
                fs::File::open(&volume)?.sync_all()?;
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => {
                Err(error).with_context(|| format!("cannot set {} aside", from.display()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::{Fake, loopback};
    use ashlar_cluster::{Observed, Step};

    #[tokio::test]
    async fn a_node_that_lost_its_place_keeps_its_copy_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let mut fake = Fake::default();
        let node = fake.node(root.path(), loopback(80));
        node.act(&Step::MakeIdentity, &Observed::default()).await.unwrap();
        node.act(&Step::Found, &Observed::default()).await.unwrap();
        let id = node.identity().unwrap().id;
        let brick = node.paths.bricks().join("clusterfs/brick");
        fs::create_dir_all(&brick).unwrap();
        fs::write(brick.join("till"), "takings").unwrap();
        fs::create_dir_all(node.paths.glusterd().join("vols/clusterfs")).unwrap();
        node.act(&Step::StartAnew, &Observed::default()).await.unwrap();
        let aside = node.paths.bricks().join(format!("clusterfs/set-aside-{id}/till"));
        assert_eq!(fs::read_to_string(aside).unwrap(), "takings");
        for gone in [
            brick,
            node.paths.pki(),
            node.paths.membership(),
            node.paths.identity(),
            node.paths.retired(),
            node.paths.glusterd().join("vols"),
        ] {
            assert!(!gone.exists(), "{}", gone.display());
        }
        assert!(node.paths.site().exists(), "it joins the same site again");
        let calls = fake.world().calls.clone();
        let at = |call: &str| calls.iter().position(|c| c == call).unwrap();
        assert!(at("kill all of glusterd.service") > at("stop srv-cluster.mount"));
        assert_eq!(calls.last().unwrap(), "restart ashlar-agent.service");
    }

    #[tokio::test]
    async fn a_person_may_give_the_place_of_a_box_away_that_has_one() {
        let root = tempfile::tempdir().unwrap();
        let mut fake = Fake::default();
        let node = fake.node(root.path(), loopback(82));
        assert!(note(&node.paths).is_err());
        node.act(&Step::MakeIdentity, &Observed::default()).await.unwrap();
        assert!(note(&node.paths).is_err(), "it belongs to no cluster");
        node.act(&Step::Found, &Observed::default()).await.unwrap();
        note(&node.paths).unwrap();
        let observed = node.observe().await.unwrap();
        let steps = ashlar_cluster::plan(&observed, &node.wanted).steps;
        assert!(steps.iter().any(|planned| planned.step == Step::StartAnew), "{steps:?}");
    }

    #[tokio::test]
    async fn power_that_fails_while_it_begins_anew_changes_nothing_about_it() {
        let root = tempfile::tempdir().unwrap();
        let node = Fake::default().node(root.path(), loopback(81));
        node.act(&Step::MakeIdentity, &Observed::default()).await.unwrap();
        let id = node.identity().unwrap().id;
        assert!(!node.is_retired(&id).unwrap());
        let note = Note { version: VERSION, id: id.clone() };
        state::write_json(&node.paths.retired(), &note, 0o600).unwrap();
        assert!(node.is_retired(&id).unwrap());
        assert!(node.observe().await.unwrap().retired);
        assert!(!node.is_retired(&NodeId("another".into())).unwrap());
    }
}
