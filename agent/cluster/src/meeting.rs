//! Two clusters of one site that meet: what each shows of itself, and which of them
//! goes on. Everybody in sight reads the same tags and comes to the same end.

use crate::situation::Situation;
use crate::{ClusterId, MemberStatus, RingMember, SwarmRole, Wanted};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::{Display, Formatter};
use std::str::FromStr;

/// What a cluster holds, as its leader shows it while another one is in sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Keeps {
    /// Something of a person's is in it: a file in its volume, a service, a config or a
    /// secret that no recipe ships. Without it every box of the cluster is there as well.
    pub data: bool,
    /// How many boxes have a place in it.
    pub boxes: u16,
}

impl Display for Keeps {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", if self.data { "data" } else { "none" }, self.boxes)
    }
}

/// A tag that a release does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`data` or `none`, a slash and a number of boxes were expected")]
pub struct UnknownKeeps;

impl FromStr for Keeps {
    type Err = UnknownKeeps;

    fn from_str(text: &str) -> Result<Self, UnknownKeeps> {
        let (what, boxes) = text.split_once('/').ok_or(UnknownKeeps)?;
        let data = match what {
            "data" => true,
            "none" => false,
            _ => return Err(UnknownKeeps),
        };
        Ok(Self { data, boxes: boxes.parse().map_err(|_| UnknownKeeps)? })
    }
}

/// That this box's cluster dissolves into another one: written on its disk before
/// anything is done about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Yielding {
    /// The cluster that goes on.
    pub into: ClusterId,
    /// A person asked for it: whatever this one holds is set aside or lost.
    pub asked: bool,
}

/// A cluster as its live members show it.
#[derive(Debug, Default)]
pub(crate) struct InSight<'a> {
    pub(crate) members: Vec<&'a RingMember>,
    pub(crate) keeps: Option<Keeps>,
    /// Into which cluster it dissolves.
    pub(crate) yields: Option<&'a ClusterId>,
}

impl InSight<'_> {
    /// Whether somebody there can let a newcomer in.
    pub(crate) fn takes(&self, wanted: &Wanted) -> bool {
        let manages = |m: &&RingMember| m.swarm == Some(SwarmRole::Manager);
        self.members.iter().any(|m| m.ca_key) && (!wanted.swarm || self.members.iter().any(manages))
    }

    /// The host names of its live members.
    pub(crate) fn names(&self) -> String {
        let mut names: Vec<_> = self.members.iter().map(|m| m.name.as_str()).collect();
        names.dedup();
        names.join(", ")
    }

    /// What makes one cluster go on rather than another: data, then boxes.
    fn worth(&self) -> Option<(bool, u16)> {
        self.keeps.map(|keeps| (keeps.data, keeps.boxes))
    }
}

/// How this box's cluster stands to the others in sight.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Meeting<'a> {
    /// None is in sight.
    Alone,
    /// It goes on; the others dissolve.
    Stands,
    /// It dissolves into that one.
    Yields(&'a ClusterId),
    /// Both hold data: a person has to say which of the two goes on.
    BothHold(&'a ClusterId),
    /// It cannot be told yet; until what.
    Unsettled(String),
}

/// For how many settle times the picture must have been the same before a cluster
/// dissolves.
const STEADY: u64 = 3;

impl<'a> Situation<'a> {
    /// Every cluster with a live member in sight, this node's own included.
    pub(crate) fn clusters(&self) -> BTreeMap<&'a ClusterId, InSight<'a>> {
        let mut all: BTreeMap<_, InSight<'a>> = BTreeMap::new();
        for member in self.live().filter(|m| m.id.is_some()) {
            let Some(cluster) = &member.cluster else { continue };
            let found = all.entry(cluster).or_default();
            found.members.push(member);
            // Of two leaders, one of whom does not know yet that it is none.
            found.keeps = found.keeps.max(member.keeps);
            found.yields = found.yields.or(member.yields.as_ref());
        }
        all
    }

    /// Whether the ring has been the same for long enough to judge by it.
    pub(crate) fn is_steady(&self) -> bool {
        let quiet = self.observed.ring.as_ref().map_or(0, |ring| ring.quiet_ms);
        quiet >= self.wanted.settle_ms.saturating_mul(STEADY)
    }

    /// Whether who is not there has been away for longer than a boot takes.
    pub(crate) fn is_quiet_for_long(&self) -> bool {
        self.observed.ring.as_ref().is_some_and(|ring| ring.quiet_ms >= self.wanted.grace_ms)
    }

    /// Whether this box was let into its cluster and got no further: it has no copy and no
    /// seat, and nobody is there who would give it one.
    pub(crate) fn never_got_in(&self) -> bool {
        let outside = self.observed.membership.as_ref().is_some_and(|m| !m.founder && !m.swarm);
        let volume = self.observed.storage.as_ref().is_some_and(|s| s.volume.is_some());
        outside && !volume && self.live_kin().next().is_none()
    }

    /// What of a person's is in this cluster, as far as this box can see: its files, and
    /// what its Swarm runs if it manages that.
    ///
    /// # Errors
    /// What must come about before that can be said.
    pub(crate) fn found_here(&self) -> Result<Vec<String>, String> {
        let mut found = Vec::new();
        let mut unseen = None;
        if self.wanted.storage {
            match self.observed.files {
                Some(true) => found.push(format!("files in {}", self.wanted.volume)),
                Some(false) => {}
                None => unseen = Some(format!("{} can be looked into", self.wanted.volume)),
            }
        }
        if self.wanted.swarm {
            match &self.observed.swarm {
                Some(swarm) if !swarm.manager => {}
                Some(swarm) if swarm.of_people.is_some() => {
                    found.extend(swarm.of_people.iter().flatten().cloned());
                }
                _ => unseen = Some("the Swarm tells what it runs".into()),
            }
        }
        match unseen {
            Some(until) if found.is_empty() => Err(until),
            _ => Ok(found),
        }
    }

    /// What this node shows of its cluster, if it leads it and another one is in sight.
    pub(crate) fn shown_keeps(&self) -> Option<Keeps> {
        self.strangers().next()?;
        self.keeps().ok().filter(|_| self.authority())
    }

    /// What this node's cluster holds, as its leader can tell.
    fn keeps(&self) -> Result<Keeps, String> {
        let known = self.observed.intent().map_or(0, |intent| intent.boxes.len());
        let boxes = known.max(1 + self.kin().count());
        let boxes = u16::try_from(boxes).unwrap_or(u16::MAX);
        if !self.found_here()?.is_empty() {
            return Ok(Keeps { data: true, boxes });
        }
        // A box that is away may hold what nobody here knows of.
        let away = self.kin().find(|m| m.status != MemberStatus::Alive).map(|m| &m.name);
        let unseen = self.unseen().next().map(|known| &known.name);
        if let Some(name) = away.or(unseen) {
            return Err(format!("{name} is back, or has lost its place"));
        }
        Ok(Keeps { data: false, boxes })
    }

    /// How this node's cluster stands to the others in sight.
    pub(crate) fn meeting(&self) -> Meeting<'a> {
        let Some(own) = self.observed.membership.as_ref().map(|m| &m.cluster) else {
            return Meeting::Alone;
        };
        let mut clusters = self.clusters();
        let here = clusters.remove(own).unwrap_or_default();
        if clusters.is_empty() {
            return Meeting::Alone;
        }
        clusters.retain(|_, other| other.yields.is_none());
        if clusters.is_empty() {
            return Meeting::Stands;
        }
        let found = if self.never_got_in() { Some((false, 0)) } else { here.worth() };
        let Some((data, boxes)) = found else {
            let why = self.keeps().err().filter(|_| self.authority());
            return Meeting::Unsettled(
                why.unwrap_or_else(|| "whoever leads this cluster shows what it holds".into()),
            );
        };
        let worth = |id: &ClusterId, worth: (bool, u16)| (worth, Reverse(id.clone()));
        let known = clusters.iter().filter_map(|(id, o)| Some((worth(id, o.worth()?), *id, o)));
        let best = known.max_by(|a, b| a.0.cmp(&b.0));
        let unknown = clusters.iter().find(|(_, other)| other.keeps.is_none());
        match (best, unknown) {
            (Some((theirs, id, _)), _) if data && theirs.0.0 => Meeting::BothHold(id),
            (Some((theirs, id, other)), _) if !data && theirs > worth(own, (data, boxes)) => {
                if other.takes(self.wanted) {
                    Meeting::Yields(id)
                } else {
                    Meeting::Unsettled(format!("somebody in cluster {id} can let boxes in"))
                }
            }
            (_, Some((id, _))) => {
                Meeting::Unsettled(format!("whoever leads cluster {id} shows what it holds"))
            }
            _ => Meeting::Stands,
        }
    }

    /// Whether this box may leave its cluster now, which is to dissolve.
    ///
    /// # Errors
    /// What must come about first.
    pub(crate) fn may_dissolve(&self, yielding: &Yielding) -> Result<(), String> {
        let own = self.observed.membership.as_ref().map(|m| &m.cluster);
        let clusters = self.clusters();
        let lets_in = |other: &InSight<'_>| other.yields.is_none() && other.takes(self.wanted);
        let into = &yielding.into;
        match clusters.get(into) {
            Some(other) if lets_in(other) => {}
            Some(_) => return Err(format!("somebody in cluster {into} can let this box in")),
            // It may have dissolved itself meanwhile.
            None => {
                let mut others = clusters.iter().filter(|(id, _)| Some(**id) != own);
                if !(self.is_steady() && others.any(|(_, other)| lets_in(other))) {
                    return Err(format!("cluster {into} is in sight"));
                }
            }
        }
        // One that is gone may know and have left; or it says what it knows when it is back.
        let gone = |m: &RingMember| m.status != MemberStatus::Alive;
        let away = !yielding.asked && !self.is_quiet_for_long();
        let mut undecided = self.kin().filter(|m| m.yields.is_none() && (away || !gone(m)));
        if let Some(member) = undecided.next() {
            return Err(format!("{} knows that this cluster dissolves", member.name));
        }
        // Of a cluster that others have left already, no box may see the whole.
        match self.found_here() {
            Err(until) if !(yielding.asked || self.is_steady()) => Err(until),
            _ => Ok(()),
        }
    }

    /// The cluster that a newcomer goes to: the one that it was sent to, or the one that
    /// goes on. Everybody chooses the same.
    ///
    /// # Errors
    /// What it waits for.
    pub(crate) fn cluster_to_join(&self) -> Result<Option<(&'a ClusterId, InSight<'a>)>, String> {
        let mut clusters = self.clusters();
        if let Some(sent) = self.observed.yields.as_ref()
            && let Some(found) = clusters.remove_entry(&sent.into)
        {
            return Ok(Some(found));
        }
        let ends = clusters.iter().find(|(_, found)| found.yields.is_some()).map(|(id, _)| *id);
        clusters.retain(|_, found| found.yields.is_none());
        if let Some(ends) = ends.filter(|_| clusters.is_empty()) {
            return Err(format!("waiting for the cluster that {ends} dissolves into"));
        }
        if clusters.len() > 1 && !self.is_steady() {
            return Err("waiting to see which of two clusters of this site goes on".into());
        }
        Ok(clusters.into_iter().min_by_key(|(id, found)| {
            (Reverse(found.worth()), Reverse(found.members.len()), (*id).clone())
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_cluster_keeps_travels_as_a_tag_and_no_other_tag_is_taken_for_one() {
        for keeps in [Keeps { data: true, boxes: 1 }, Keeps { data: false, boxes: 300 }] {
            assert_eq!(keeps.to_string().parse(), Ok(keeps));
        }
        for other in ["", "none", "none/", "some/3", "data/-1", "data/3/4"] {
            assert_eq!(other.parse::<Keeps>(), Err(UnknownKeeps), "{other}");
        }
    }

    #[test]
    fn data_counts_for_more_than_boxes() {
        assert!(Keeps { data: true, boxes: 1 } > Keeps { data: false, boxes: 9 });
    }
}
