//! Who has a place in the cluster, for a node that does not see it itself: what the
//! other members say, of whom none is believed alone.

use crate::clock::since_boot_ms;
use crate::host::Host;
use crate::node::Node;
use crate::ring::Ring;
use crate::storage::Storage;
use crate::swarm::Swarm;
use anyhow::{Context, Result};
use ashlar_api::cluster::PlacesAnswer;
use ashlar_cluster::{
    Asked, MemberStatus, NodeId, Observed, RotationStage, Succession, SwarmRole, ToldRotation,
    Word, lost_its_place,
};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::timeout;

/// How often a node that does not manage the Swarm asks whether it has its place,
/// in milliseconds,
const ASK_EVERY: u64 = 30_000;

/// and so often while it is being taken out, and at first when nobody answered, with
/// growing pauses: a box that was away may have to ask for the ring's key;
const ASK_SOON: u64 = 3_000;

/// so many of them, those that manage the Swarm first;
const ASKED: usize = 5;

/// and how long they may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// What others said about places in this cluster.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Boxes that lost theirs.
    pub(crate) retired: BTreeSet<NodeId>,
    /// Those of them that a person took out.
    pub(crate) removed: BTreeSet<NodeId>,
    /// The newest replacement of the ring's key.
    pub(crate) rotation: Option<ToldRotation>,
    /// The newest replacement of the cluster's CA.
    pub(crate) succession: Option<Succession>,
    /// This node is being taken out.
    leaving: bool,
    /// How often in a row nobody who can read the record answered.
    unheard: u32,
    asked: Option<u64>,
    /// Somebody said that there is news. Who is asked may not know of it yet: it is asked
    /// again soon until there is some, or until then.
    news_until: Option<u64>,
    /// How often those were asked who are not seen.
    turn: usize,
}

impl Told {
    /// Takes in what these members said, or did not say.
    fn hear(&mut self, me: &NodeId, members: &[(IpAddr, bool)], said: &[Option<PlacesAnswer>]) {
        type Of = fn(&PlacesAnswer) -> &BTreeSet<String>;
        let agreed = |of: Of| {
            let ids: BTreeSet<_> = said.iter().flatten().flat_map(of).collect();
            let witness = |manages: bool, said: &Option<PlacesAnswer>, id: &String| {
                let word = |said: &PlacesAnswer| Word {
                    lost: of(said).contains(id),
                    by_record: said.by_record,
                };
                Asked { manages, said: said.as_ref().map(word) }
            };
            let believed = |id: &&String| {
                let asked = members.iter().zip(said);
                let asked: Vec<_> = asked.map(|((_, m), said)| witness(*m, said, id)).collect();
                lost_its_place(&asked)
            };
            ids.into_iter().filter(believed).cloned().map(NodeId).collect::<Vec<_>>()
        };
        let known = self.retired.len();
        self.retired.extend(agreed(|said| &said.retired));
        if self.retired.len() > known {
            self.news_until = None;
        }
        self.removed.extend(agreed(|said| &said.removed));
        let heard = said.iter().flatten().any(|said| said.by_record);
        self.unheard = if heard { 0 } else { self.unheard.saturating_add(1) };
        let rotations = members.iter().zip(said).filter_map(|((address, _), said)| {
            let said = said.as_ref().filter(|said| said.by_record)?;
            Some((*address, said.rotation.clone()?))
        });
        for (address, rotation) in rotations {
            match &mut self.rotation {
                Some(told) if told.rotation.is_newer_than(&rotation) => {}
                Some(told) if !rotation.is_newer_than(&told.rotation) => {
                    told.at.insert(address);
                }
                told => *told = Some(ToldRotation { rotation, at: [address].into() }),
            }
        }
        let by_record = said.iter().flatten().filter(|said| said.by_record);
        by_record.filter_map(|said| said.succession.clone()).for_each(|s| self.hear_of_ca(s));
        let leaving = |said: &PlacesAnswer| said.by_record && said.leaving.contains(&me.0);
        self.leaving = said.iter().flatten().any(leaving);
    }

    /// Nobody's word is taken for a CA: the one before must vouch for it.
    fn hear_of_ca(&mut self, succession: Succession) {
        if self.succession.as_ref().is_none_or(|told| succession.is_newer_than(told)) {
            self.succession = Some(succession);
        }
    }

    /// Somebody says that there is news.
    fn look_now(&mut self, now_ms: u64) {
        self.asked = None;
        self.news_until = Some(now_ms + ASK_EVERY);
    }

    /// Whether it is time to ask. `changes`: the ring's key does.
    fn is_due(&self, changes: bool, now_ms: u64) -> bool {
        let expects = self.news_until.is_some_and(|until| now_ms < until);
        let pause = self.pause(changes || expects);
        self.asked.is_none_or(|at| now_ms.saturating_sub(at) >= pause)
    }

    /// For how many milliseconds nobody is asked again. `changes`: there is news to hear.
    fn pause(&self, changes: bool) -> u64 {
        match self.unheard {
            _ if self.leaving || changes => ASK_SOON,
            0 => ASK_EVERY,
            unheard => ASK_EVERY.min(ASK_SOON << (unheard - 1).min(4)),
        }
    }
}

impl<H: Host, R: Ring, S: Storage, W: Swarm> Node<H, R, S, W> {
    /// What others said of places in this cluster, for who does not see it itself.
    pub(crate) fn note_places(&self, swarm: &mut ashlar_cluster::Swarm) {
        let mut told = self.told.borrow_mut();
        // Should this node cease to read the record, it knows what it said last.
        if let Some(rotation) = swarm.record.intent().and_then(|intent| intent.ring.clone())
            && told.rotation.as_ref().is_none_or(|told| rotation.is_newer_than(&told.rotation))
        {
            told.rotation = Some(ToldRotation { rotation, at: BTreeSet::new() });
        }
        if let Some(succession) = swarm.record.intent().and_then(|intent| intent.ca.clone()) {
            told.hear_of_ca(succession);
        }
        swarm.told_retired.clone_from(&told.retired);
        swarm.told_leaving = told.leaving;
    }

    /// Strikes nodes off, and notes which of them a person took out.
    pub(crate) fn strike_off(&self, nodes: &BTreeSet<NodeId>, observed: &Observed) -> Result<()> {
        let record = observed.intent();
        let noted = record.into_iter().flat_map(|intent| &intent.retired);
        let mut removed: BTreeSet<NodeId> =
            noted.filter(|(_, gone)| gone.removed).map(|(id, _)| id.clone()).collect();
        removed.extend(self.told.borrow().removed.iter().cloned());
        self.trust()?.strike_off(nodes, &removed)
    }

    /// The other live members of this node's cluster, and whether they manage the
    /// Swarm: those first.
    pub(crate) fn live_kin(&self) -> Vec<(IpAddr, bool)> {
        let (Ok(Some(own)), Ok(me)) = (self.membership(), self.identity()) else {
            return Vec::new();
        };
        // Who was struck off may be there still: its word counts for nothing.
        let struck_off = self.trust().and_then(|trust| trust.struck_off()).unwrap_or_default();
        let sight = self.sight.borrow();
        let kin = sight.members().iter().filter(|m| {
            m.id.as_ref().is_none_or(|id| !struck_off.contains(id))
                && m.status == MemberStatus::Alive
                && m.cluster.as_ref() == Some(&own.cluster)
                && m.id.as_ref() != Some(&me.id)
        });
        let mut kin: Vec<_> =
            kin.map(|m| (m.address, m.swarm == Some(SwarmRole::Manager))).collect();
        kin.sort_by_key(|(address, manages)| (!manages, *address));
        kin.truncate(ASKED);
        kin
    }

    /// Other boxes that may be of this cluster and are not seen alive: a few, each time
    /// other ones.
    fn further_kin(&self, seen: &[(IpAddr, bool)]) -> Vec<(IpAddr, bool)> {
        let mut all = self.remembered();
        all.retain(|address| seen.iter().all(|(other, _)| other != address));
        let mut told = self.told.borrow_mut();
        told.turn = told.turn.wrapping_add(1);
        let from = told.turn.wrapping_mul(ASKED).checked_rem(all.len()).unwrap_or(0);
        all.rotate_left(from);
        all.truncate(ASKED);
        all.into_iter().map(|address| (address, false)).collect()
    }

    /// Whether the ring's key is being replaced, as far as can be told from here: not all
    /// that are seen have the same keys, or the last word was that it is not over.
    fn key_changes(&self) -> bool {
        let sight = self.sight.borrow();
        let live = sight.members().iter().filter(|m| m.status == MemberStatus::Alive);
        let mut keys = live.filter_map(|m| m.keys.as_ref()).peekable();
        let first = keys.peek().copied();
        let told = self.told.borrow();
        let told = told.rotation.as_ref().is_some_and(|t| t.rotation.stage != RotationStage::Only);
        told || keys.any(|keys| Some(keys) != first)
    }

    /// The same of the cluster's CA.
    fn ca_changes(&self) -> bool {
        let sight = self.sight.borrow();
        let live = sight.members().iter().filter(|m| m.status == MemberStatus::Alive);
        let two = live.filter_map(|m| m.cas.as_ref()).any(|cas| !cas.also.is_empty());
        let told = self.told.borrow();
        two || told.succession.as_ref().is_some_and(|told| told.stage != RotationStage::Only)
    }

    /// Asks the other members now and then who lost its place. A manager that sees
    /// its Swarm knows by itself.
    pub(crate) async fn ask_for_place(&self) {
        let now_ms = since_boot_ms();
        if self.sight.borrow().sees_swarm() {
            return;
        }
        let (Ok(trust), Ok(me)) = (self.trust(), self.identity()) else { return };
        let changes = self.key_changes() || self.ca_changes();
        if trust.take_news() {
            self.told.borrow_mut().look_now(now_ms);
        }
        if !self.told.borrow().is_due(changes, now_ms) {
            return;
        }
        let mut members = self.live_kin();
        if members.is_empty() || self.told.borrow().unheard > 0 {
            // Who was away while the ring's key was replaced is seen by nobody.
            members.extend(self.further_kin(&members));
        }
        if members.is_empty() {
            return;
        }
        self.told.borrow_mut().asked = Some(now_ms);
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::loopback;

    #[test]
    fn what_one_member_says_of_places_is_believed_only_with_another_or_by_the_record() {
        let me = NodeId("a".into());
        let says = |lost: &str, by_record| {
            let retired: BTreeSet<_> = [lost.to_owned()].into();
            let leaving = ["a".to_owned()].into();
            Some(PlacesAnswer {
                removed: retired.clone(),
                retired,
                leaving,
                by_record,
                rotation: None,
                succession: None,
            })
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

    #[test]
    fn who_is_told_of_news_before_others_know_of_it_asks_again_soon() {
        let (me, members) = (NodeId("a".into()), [(loopback(1), true), (loopback(2), true)]);
        let says = |retired: &[&str]| {
            let retired = retired.iter().map(|id| (*id).to_owned()).collect();
            Some(PlacesAnswer { retired, by_record: true, ..PlacesAnswer::default() })
        };
        let mut told = Told { asked: Some(1_000), ..Told::default() };
        assert!(!told.is_due(false, 5_000));
        told.look_now(5_000);
        assert!(told.is_due(false, 5_000), "at once");
        // One of the two has not read the record yet.
        told.asked = Some(5_000);
        told.hear(&me, &members, &[says(&["b"]), says(&[])]);
        assert!(told.retired.is_empty());
        assert!(!told.is_due(false, 7_000) && told.is_due(false, 5_000 + ASK_SOON));
        told.asked = Some(8_000);
        told.hear(&me, &members, &[says(&["b"]), says(&["b"])]);
        assert_eq!(told.retired.len(), 1);
        assert!(!told.is_due(false, 8_000 + ASK_SOON), "it has heard it");
        told.look_now(50_000);
        told.asked = Some(50_000 + ASK_EVERY);
        assert!(!told.is_due(false, 50_000 + ASK_EVERY + ASK_SOON), "not for ever");
    }

    #[test]
    fn who_is_answered_by_nobody_asks_again_soon_and_then_more_seldom() {
        let (me, members) = (NodeId("a".into()), [(loopback(1), false)]);
        let mut told = Told::default();
        assert_eq!(told.pause(false), ASK_EVERY);
        let pauses: Vec<_> = (0..6)
            .map(|_| {
                told.hear(&me, &members, &[None]);
                told.pause(false) / 1000
            })
            .collect();
        assert_eq!(pauses, [3, 6, 12, 24, 30, 30]);
        assert_eq!(told.pause(true), ASK_SOON);
        let by_record = PlacesAnswer { by_record: true, ..PlacesAnswer::default() };
        told.hear(&me, &members, &[Some(by_record)]);
        assert_eq!(told.pause(false), ASK_EVERY);
    }
}
