//! The ring of the model: every change reaches every reachable member, late,
//! or, if the message is lost, later.

use super::world::View;
use super::{Event, Simulation};
use crate::{MemberStatus, Tags};
use std::collections::BTreeMap;

/// How long news take, in milliseconds.
const NEWS: (u64, u64) = (20, 800);
/// How long they take when the message was lost.
const LATE: (u64, u64) = (3_000, 15_000);
/// How long it takes a node that starts to find the others.
pub(super) const DISCOVERY: (u64, u64) = (300, 5_000);
/// How long it takes to notice that a member does not answer.
pub(super) const DETECTION: (u64, u64) = (5_000, 8_000);

impl Simulation {
    pub(super) fn ring_up(&mut self, node: usize) {
        let observed = self.observe(node);
        let Some(tags) = Tags::wanted(&observed) else { return };
        let changed_at = self.now;
        if let Some(run) = &mut self.nodes[node].run {
            run.ring = Some(View { tags, others: BTreeMap::new(), changed_at });
        }
        for other in (0..self.nodes.len()).filter(|n| *n != node) {
            let found = self.random.between(DISCOVERY.0, DISCOVERY.1);
            let there = found + self.delay();
            let back = found + self.delay();
            self.at(self.now + there, Event::Hear { to: other, about: node });
            self.at(self.now + back, Event::Hear { to: node, about: other });
        }
    }

    fn delay(&mut self) -> u64 {
        let (low, high) = if self.random.permille(self.settings.loss) { LATE } else { NEWS };
        self.random.between(low, high)
    }

    /// Tells the others of this node's new tags.
    pub(super) fn announce(&mut self, node: usize, tags: Tags) {
        if let Some(view) = self.nodes[node].run.as_mut().and_then(|run| run.ring.as_mut()) {
            if (&view.tags.cluster, view.tags.keeps) != (&tags.cluster, tags.keeps) {
                view.changed_at = self.now;
            }
            view.tags = tags;
        }
        for to in (0..self.nodes.len()).filter(|n| *n != node) {
            let delay = self.delay();
            self.at(self.now + delay, Event::Hear { to, about: node });
        }
    }

    /// A message about a member arrives: what it says is where that member
    /// stands now.
    pub(super) fn hear(&mut self, to: usize, about: usize) {
        if !self.reach(to, about) || !self.nodes[to].rings() || !self.understand(to, about) {
            return;
        }
        let Some(tags) =
            self.nodes[about].run.as_ref().and_then(|r| r.ring.as_ref()).map(|v| v.tags.clone())
        else {
            return;
        };
        self.enter(to, about, MemberStatus::Alive, tags);
    }

    fn enter(&mut self, at: usize, about: usize, status: MemberStatus, tags: Tags) {
        let now = self.now;
        let Some(view) = self.nodes[at].run.as_mut().and_then(|run| run.ring.as_mut()) else {
            return;
        };
        let shown = (tags.cluster.clone(), tags.keeps);
        let old = view.others.insert(about, (status, tags));
        if old.is_none_or(|(was, had)| was != status || (had.cluster, had.keeps) != shown) {
            view.changed_at = now;
        }
        if let Some(run) = &mut self.nodes[at].run {
            run.settled = false;
            if run.next_wake > now + 500 {
                self.wake_in(at, (100, 500));
            }
        }
    }

    /// Lets the others notice that a node is gone.
    pub(super) fn miss(&mut self, node: usize) {
        for by in (0..self.nodes.len()).filter(|n| *n != node) {
            self.after(DETECTION, Event::Miss { by, about: node });
        }
    }

    pub(super) fn missed(&mut self, by: usize, about: usize) {
        if self.nodes[about].rings() && self.reach(by, about) && self.understand(by, about) {
            return;
        }
        let view = self.nodes[by].run.as_ref().and_then(|run| run.ring.as_ref());
        let known = view.and_then(|v| v.others.get(&about));
        if let Some((MemberStatus::Alive, tags)) = known {
            let tags = tags.clone();
            self.enter(by, about, MemberStatus::Failed, tags);
        }
    }
}
