//! A place in the cluster that is given away: whether it is this node's, what is
//! known of the others' copies before one is given up, and what a node does that
//! comes back after its place went to another.

use crate::clock::since_boot_ms;
use crate::host::Host;
use crate::node::{
    AGENT_UNIT, ENGINE_SOCKET, ENGINE_UNIT, Effects, MOUNT_UNIT, Node, STORAGE_UNIT,
};
use crate::ring::Ring;
use crate::state;
use crate::storage::Storage;
use crate::swarm::Swarm;
use anyhow::{Context, Result};
use ashlar_api::cluster::PlacesAnswer;
use ashlar_cluster::{
    MemberStatus, NodeId, Observed, SwarmRole, Volume, Witness, Word, gives_up_copies,
    lost_its_place,
};
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

/// and so often while it is being taken out;
const ASK_SOON: u64 = 3_000;

/// so many of them, those that manage the Swarm first;
const ASKED: usize = 5;

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

/// What others said about places in this cluster.
#[derive(Debug, Default)]
pub(crate) struct Told {
    retired: BTreeSet<NodeId>,
    /// Those of them that a person took out.
    removed: BTreeSet<NodeId>,
    /// This node is being taken out.
    leaving: bool,
    asked: Option<u64>,
}

/// That a node lost its place, and whether because a person took it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) removed: bool,
}

impl Told {
    /// Takes in what these members said, or did not say.
    fn hear(&mut self, me: &NodeId, members: &[(IpAddr, bool)], said: &[Option<PlacesAnswer>]) {
        let ids: BTreeSet<_> = said.iter().flatten().flat_map(|said| &said.retired).collect();
        for id in ids {
            let witness =
                |((_, manages), said): (&(IpAddr, bool), &Option<PlacesAnswer>)| Witness {
                    manages: *manages,
                    said: said.as_ref().map(|said| Word {
                        lost: said.retired.contains(id),
                        by_record: said.by_record,
                    }),
                };
            let asked: Vec<_> = members.iter().zip(said).map(witness).collect();
            if lost_its_place(&asked) {
                self.retired.insert(NodeId(id.clone()));
                if said.iter().flatten().any(|said| said.removed.contains(id)) {
                    self.removed.insert(NodeId(id.clone()));
                }
            }
        }
        let leaving = |said: &&PlacesAnswer| said.by_record && said.leaving.contains(&me.0);
        self.leaving = said.iter().flatten().any(|said| leaving(&said));
    }
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
                Witness { manages, said }
            })
            .collect();
        let removed = refused.values().any(|removed| *removed);
        Ok(lost_its_place(&asked).then_some(Lost { removed }))
    }

    /// Whether a person took this box out, and none has let it in again.
    pub(crate) fn is_out(&self) -> Result<bool> {
        Ok(state::read_json::<Out>(&self.paths.out())?.is_some())
    }

    /// What others said of places in this cluster, for who does not see it itself.
    pub(crate) fn note_places(&self, swarm: &mut ashlar_cluster::Swarm) {
        let told = self.told.borrow();
        swarm.told_retired.clone_from(&told.retired);
        swarm.told_leaving = told.leaving;
    }

    /// Strikes nodes off, and notes which of them a person took out.
    pub(crate) fn strike_off(&self, nodes: &BTreeSet<NodeId>, observed: &Observed) -> Result<()> {
        let record = observed.swarm.as_ref().and_then(|swarm| swarm.record.intent());
        let noted = record.into_iter().flat_map(|intent| &intent.retired);
        let mut removed: BTreeSet<NodeId> =
            noted.filter(|(_, gone)| gone.removed).map(|(id, _)| id.clone()).collect();
        removed.extend(self.told.borrow().removed.iter().cloned());
        self.trust()?.strike_off(nodes, &removed)
    }

    /// The other live members of this node's cluster, and whether they manage the
    /// Swarm: those first.
    fn live_kin(&self) -> Vec<(IpAddr, bool)> {
        let (Ok(Some(own)), Ok(me)) = (self.membership(), self.identity()) else {
            return Vec::new();
        };
        let sight = self.sight.borrow();
        let kin = sight.members().iter().filter(|m| {
            m.status == MemberStatus::Alive
                && m.cluster.as_ref() == Some(&own.cluster)
                && m.id.as_ref() != Some(&me.id)
        });
        let mut kin: Vec<_> =
            kin.map(|m| (m.address, m.swarm == Some(SwarmRole::Manager))).collect();
        kin.sort_by_key(|(address, manages)| (!manages, *address));
        kin.truncate(ASKED);
        kin
    }

    /// Asks the other members now and then who lost its place. A manager that sees
    /// its Swarm knows by itself.
    pub(crate) async fn ask_for_place(&self) {
        let now_ms = since_boot_ms();
        if self.sight.borrow().sees_swarm() {
            return;
        }
        let members = self.live_kin();
        let pause = if self.told.borrow().leaving { ASK_SOON } else { ASK_EVERY };
        let due = self.told.borrow().asked.is_none_or(|at| now_ms.saturating_sub(at) >= pause);
        if members.is_empty() || !due {
            return;
        }
        self.told.borrow_mut().asked = Some(now_ms);
        let (Ok(trust), Ok(me)) = (self.trust(), self.identity()) else { return };
        let asked = members.iter().map(async |(address, _)| {
            let answer =
                timeout(PATIENCE, trust.places(*address)).await.context("no answer in time");
            answer.flatten().inspect_err(|error| {
                tracing::debug!("{address} does not tell who has a place: {error:#}");
            })
        });
        let answers = futures_util::future::join_all(asked).await;
        let answers: Vec<_> = answers.into_iter().map(Result::ok).collect();
        self.told.borrow_mut().hear(&me.id, &members, &answers);
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
    /// agent begin as on its first day; or, if a person took it out, stay out.
    /// Written down first, and done in an order in which what is left after a power
    /// cut is still this node's, and goes on.
    pub(crate) async fn end_membership(&self, removed: bool) -> Result<()> {
        let Effects { host, ring, swarm, .. } = &self.effects;
        let id = self.identity()?.id;
        let then = if removed { "a person took it out" } else { "it begins anew" };
        tracing::warn!("this node lost its place as {id}: {then}");
        state::write_json(
            &self.paths.retired(),
            &Note { version: VERSION, id: id.clone(), removed },
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
            host.stop(STORAGE_UNIT).await?;
            // Bricks outlive a stop of the daemon that started them.
            host.kill_all(STORAGE_UNIT).await?;
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
        node.act(&Step::StayOut, &Observed::default()).await.unwrap();
        assert!(!node.paths.identity().exists() && !node.paths.pki().exists());
        let observed = node.observe().await.unwrap();
        assert!(observed.out && observed.identity.is_none());
        assert!(ashlar_cluster::plan(&observed, &node.wanted).steps.is_empty());
        state::remove(&node.paths.out()).unwrap();
        let plan = ashlar_cluster::plan(&node.observe().await.unwrap(), &node.wanted);
        assert_eq!(plan.steps[0].step, Step::MakeIdentity);
    }

    #[test]
    fn what_one_member_says_of_places_is_believed_only_with_another_or_by_the_record() {
        let me = NodeId("a".into());
        let says = |lost: &str, by_record| {
            let retired: BTreeSet<_> = [lost.to_owned()].into();
            let leaving = ["a".to_owned()].into();
            Some(PlacesAnswer { removed: retired.clone(), retired, leaving, by_record })
        };
        let members = [(loopback(1), true), (loopback(2), false)];
        let mut told = Told::default();
        told.hear(&me, &members, &[None, says("a", true)]);
        assert!(told.retired.is_empty() && told.leaving);
        told.hear(&me, &members, &[says("b", false), says("c", false)]);
        assert!(told.retired.is_empty() && !told.leaving);
        told.hear(&me, &members, &[says("b", true), None]);
        assert_eq!((&told.retired, &told.removed), (&[NodeId("b".into())].into(), &told.retired));
        told.hear(&me, &members[1..], &[says("c", true)]);
        assert_eq!(told.retired.len(), 1, "it manages nothing");
    }
}
