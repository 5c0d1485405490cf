//! A place in the cluster that is given away: whether it is this node's, what is
//! known of the others' copies before one is given up, and what a node does that
//! hears that it has its place no more.

use crate::alone;
use crate::data;
use crate::host::{Host, UnitState};
use crate::identity;
use crate::node::{AGENT_UNIT, ENGINE_SOCKET, ENGINE_UNIT, Effects, MOUNT_UNIT, Node};
use crate::paths::Paths;
use crate::ring::Ring;
use crate::state;
use crate::storage::{Storage, copies, directory};
use crate::swarm::Swarm;
use anyhow::{Context, Result};
use ashlar_cluster::{Asked, NodeId, Volume, Word, gives_up_copies, lost_its_place};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::timeout;

/// How long the members may take to say which copies are whole.
const PATIENCE: Duration = Duration::from_secs(3);

/// That a node lost its place, and whether because a person took it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) removed: bool,
}

/// What a release before this one would have to know.
const VERSION: u32 = 1;

/// `retired.json`: kept from when a node is told until it has begun anew.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    version: u32,
    /// The id under which it lost its place.
    id: NodeId,
    /// A person took it out.
    #[serde(default)]
    removed: bool,
}

/// `out.json`: kept while a box is out.
#[derive(Debug, Serialize, Deserialize)]
struct Out {
    version: u32,
    /// The id that it had.
    id: NodeId,
}

/// Gives this node's own place away, because a person says so: it begins anew at
/// its next look.
pub(crate) fn note(paths: &Paths) -> Result<()> {
    let identity = identity::load(paths)?.filter(|_| paths.membership().exists());
    let id = identity.context("this box belongs to no cluster")?.id;
    state::write_json(&paths.retired(), &Note { version: VERSION, id, removed: false }, 0o600)
}

impl<H: Host, R: Ring, S: Storage, W: Swarm> Node<H, R, S, W> {
    /// Whether this node lost its place: by its own note, or by what members told it
    /// that it knows by their certificates.
    pub(crate) fn lost_place(&self, id: &NodeId) -> Result<Option<Lost>> {
        let note: Option<Note> = state::read_json(&self.paths.retired())?;
        if let Some(note) = note.filter(|note| note.id == *id) {
            return Ok(Some(Lost { removed: note.removed }));
        }
        let told = self.told.borrow();
        if told.retired.contains(id) {
            return Ok(Some(Lost { removed: told.removed.contains(id) }));
        }
        let Ok(trust) = self.trust() else { return Ok(None) };
        let refused = trust.refused_by();
        let asked: Vec<_> = self
            .live_kin()
            .into_iter()
            .map(|(address, manages)| {
                let word = refused.contains_key(&address);
                let said = word.then_some(Word { lost: true, by_record: true });
                Asked { manages, said }
            })
            .collect();
        let removed = refused.values().any(|removed| *removed);
        // One that belongs to no cluster any more has nothing that it could lose.
        let nothing_to_lose = !refused.is_empty() && self.membership()?.is_none();
        Ok((nothing_to_lose || lost_its_place(&asked)).then_some(Lost { removed }))
    }

    /// Whether a person took this box out, and none has let it in again.
    pub(crate) fn is_out(&self) -> Result<bool> {
        Ok(state::read_json::<Out>(&self.paths.out())?.is_some())
    }

    /// Adds to what the storage daemon says which copies lack something, when one of them
    /// is to be given up, lost all that it held, or may have lost parts of it, or goes on
    /// alone beside a witness: nobody asks before.
    pub(crate) async fn note_copies(&self, storage: &mut ashlar_cluster::Storage) {
        let Some(volume) = &mut storage.volume else { return };
        let data = data::look(&self.paths).unwrap_or_default();
        if volume.bricks.iter().all(|b| b.online) {
            if data.is_doubted() && volume.replicas > 2 {
                volume.behind = self.behind(volume).await;
            }
            // Not by what awaits healing: that is asked of every box, and seldom.
            if volume.started && volume.replicas > 1 {
                volume.torn = self.effects.storage.torn().await.unwrap_or_default();
            }
            return;
        }
        let given_up = self.observed().await.is_ok_and(|o| gives_up_copies(&o, &self.wanted));
        let own = volume.emptied || data.is_gone() || data.is_doubted();
        if given_up || own || volume.lone().is_some() {
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
    /// agent begin as on its first day; or, if a person took it out, stay out.
    /// Written down first, and done in an order in which what is left after a power
    /// cut is still this node's, and goes on.
    pub(crate) async fn end_membership(&self, removed: bool) -> Result<()> {
        let Effects { host, ring, swarm, storage } = &self.effects;
        let id = self.identity()?.id;
        let then = if removed { "a person took it out" } else { "it begins anew" };
        tracing::warn!("this node lost its place as {id}: {then}");
        state::write_json(
            &self.paths.retired(),
            &Note { version: VERSION, id: id.clone(), removed },
            0o600,
        )?;
        if self.wanted.swarm {
            // To ask one that is stopped would start it, and in a copied disk it would
            // speak as the node that was copied.
            let runs = host.unit(ENGINE_UNIT).await? == UnitState::Active;
            if runs && let Err(error) = swarm.leave().await {
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
        alone::forget(&self.paths)?;
        if removed {
            let out = Out { version: VERSION, id: id.clone() };
            state::write_json(&self.paths.out(), &out, 0o600)?;
        }
        state::remove(&self.paths.membership())?;
        // From here on there is nobody left who could go on with this.
        state::remove(&self.paths.identity())?;
        state::remove(&self.paths.retired())?;
        host.restart_if_running(AGENT_UNIT).await
    }

    /// The copy stays on the disk, under the name of who this node was; so does whatever
    /// lies beside it.
    fn set_brick_aside(&self, id: &NodeId) -> Result<()> {
        let volume = &self.wanted.volume;
        let dir = self.paths.bricks().join(volume);
        let own = copies::own_brick(&self.paths, volume, self.identity()?.address);
        if let Ok(Some(brick)) = own {
            directory::set_aside(&dir, &brick, id)?;
        }
        directory::clear_beside(&dir, None, id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::{Fake, loopback};
    use ashlar_cluster::{Observed, Step};
    use std::fs;

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
        assert_eq!(node.lost_place(&id).unwrap(), None);
        let note = Note { version: VERSION, id: id.clone(), removed: true };
        state::write_json(&node.paths.retired(), &note, 0o600).unwrap();
        assert_eq!(node.lost_place(&id).unwrap(), Some(Lost { removed: true }));
        let observed = node.observe().await.unwrap();
        assert!(observed.retired && observed.removed);
        assert_eq!(node.lost_place(&NodeId("another".into())).unwrap(), None);
    }

    #[tokio::test]
    async fn a_box_that_a_person_took_out_does_nothing_until_it_is_let_in() {
        let root = tempfile::tempdir().unwrap();
        let node = Fake::default().node(root.path(), loopback(82));
        node.act(&Step::MakeIdentity, &Observed::default()).await.unwrap();
        node.act(&Step::Found, &Observed::default()).await.unwrap();
        let id = node.identity().unwrap().id;
        node.act(&Step::StayOut, &Observed::default()).await.unwrap();
        let noted = fs::read_to_string(node.paths.out()).unwrap();
        let noted: serde_json::Value = serde_json::from_str(&noted).unwrap();
        assert_eq!(noted, serde_json::json!({ "version": 1, "id": id }));
        assert!(!node.paths.identity().exists() && !node.paths.pki().exists());
        let observed = node.observe().await.unwrap();
        assert!(observed.out && observed.identity.is_none());
        assert!(ashlar_cluster::plan(&observed, &node.wanted).steps.is_empty());
        state::remove(&node.paths.out()).unwrap();
        let plan = ashlar_cluster::plan(&node.observe().await.unwrap(), &node.wanted);
        assert_eq!(plan.steps[0].step, Step::MakeIdentity);
    }
}
