//! What the Swarm's managers hold of this node, and for how long.

use crate::clock::since_boot_ms;
use crate::host::Host;
use crate::node::Node;
use crate::ring::Ring;
use crate::storage::Storage;
use crate::swarm::Swarm;
use ashlar_cluster::{MemberStatus, RingMember, SwarmLocal, SwarmNode, SwarmRole};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::timeout;

/// A worker that is taken for up asks so often, in milliseconds,
const ASK_EVERY: u64 = 30_000;

/// and one that is taken for down so often: it is about to be ready.
const ASK_AGAIN: u64 = 2_000;

/// How long all managers together may take for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How this node stands with the Swarm, over time.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    down_since: Option<u64>,
    unheard_since: Option<u64>,
    limbo_since: Option<u64>,
    asked: Option<u64>,
    /// The managers as this one last saw them, and when there was one less.
    managers: BTreeSet<String>,
    less_at: Option<u64>,
}

impl Standing {
    /// Notes at `now_ms` whether the managers take this node for up, or that
    /// nobody could tell: what they held before then counts no more. Says for
    /// how many milliseconds they have taken it for down.
    fn note(&mut self, up: Option<bool>, now_ms: u64) -> u64 {
        self.down_since = match up {
            Some(false) => Some(self.down_since.unwrap_or(now_ms)),
            Some(true) | None => None,
        };
        lasting(self.down_since, now_ms)
    }

    /// Notes who manages at `now_ms`, and says how long ago somebody stopped to.
    fn note_managers(&mut self, nodes: &[SwarmNode], now_ms: u64) -> Option<u64> {
        let managers: BTreeSet<_> =
            nodes.iter().filter(|n| n.manager).map(|n| n.name.clone()).collect();
        if !managers.is_empty() {
            if !self.managers.is_subset(&managers) {
                self.less_at = Some(now_ms);
            }
            self.managers = managers;
        }
        self.less_at.map(|at| now_ms.saturating_sub(at))
    }

    /// The engine was told to report anew: what was held before is over.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Whether it is time to ask again, and notes that it was done.
    fn ask(&mut self, now_ms: u64) -> bool {
        let bad = self.down_since.is_some() || self.unheard_since.is_some();
        let pause = if bad { ASK_AGAIN } else { ASK_EVERY };
        let due = self.asked.is_none_or(|at| now_ms.saturating_sub(at) >= pause);
        if due {
            self.asked = Some(now_ms);
        }
        due
    }
}

/// For how long something has lasted. A moment is longer than none.
fn lasting(since: Option<u64>, now_ms: u64) -> u64 {
    since.map_or(0, |since| now_ms.saturating_sub(since).max(1))
}

impl<H: Host, R: Ring, S: Storage, W: Swarm> Node<H, R, S, W> {
    /// Adds to what the engine says how this node stands with the Swarm, as far
    /// as it can be known.
    pub(crate) async fn note_standing(&self, swarm: &mut ashlar_cluster::Swarm) {
        let now_ms = since_boot_ms();
        {
            let mut standing = self.standing.borrow_mut();
            let limbo = matches!(swarm.local, SwarmLocal::Pending | SwarmLocal::Error);
            standing.limbo_since = limbo.then(|| standing.limbo_since.unwrap_or(now_ms));
            swarm.limbo_ms = lasting(standing.limbo_since, now_ms);
            if swarm.local != SwarmLocal::Active {
                standing.unheard_since = None;
                swarm.disowned_ms = standing.note(None, now_ms);
                return;
            }
            swarm.manager_less_ms = standing.note_managers(&swarm.nodes, now_ms);
            if swarm.manager {
                standing.unheard_since = None;
                // A node that lost power while joining is listed twice.
                let own = self.identity().map(|me| me.name).unwrap_or_default();
                let listed = swarm.nodes.iter().filter(|n| n.name == own).map(|n| n.up);
                let up = listed.reduce(|one, other| one || other);
                swarm.disowned_ms = standing.note(up, now_ms);
                return;
            }
        }
        let due = self.standing.borrow_mut().ask(now_ms);
        if due {
            let up = self.ask_managers().await;
            let mut standing = self.standing.borrow_mut();
            standing.note(up, now_ms);
            standing.unheard_since =
                if up.is_some() { None } else { Some(standing.unheard_since.unwrap_or(now_ms)) };
        }
        let standing = self.standing.borrow();
        swarm.disowned_ms = lasting(standing.down_since, now_ms);
        swarm.unheard_ms = lasting(standing.unheard_since, now_ms);
    }

    async fn ask_managers(&self) -> Option<bool> {
        let manages = |m: &&RingMember| {
            m.status == MemberStatus::Alive && m.swarm == Some(SwarmRole::Manager)
        };
        let via: Vec<IpAddr> = {
            let sight = self.sight.borrow();
            let members = sight.members().iter();
            members.filter(manages).map(|m| m.address).collect()
        };
        let trust = self.trust().ok()?;
        let answer = timeout(PATIENCE, trust.swarm_standing(&via)).await.ok()?;
        answer.inspect_err(|error| tracing::debug!("no manager tells: {error:#}")).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_disowned_since_it_was_first_taken_for_down() {
        let mut standing = Standing::default();
        assert_eq!(standing.note(Some(true), 1_000), 0);
        assert_eq!(standing.note(Some(false), 2_000), 1);
        assert_eq!(standing.note(Some(false), 5_000), 3_000);
        assert_eq!(standing.note(Some(true), 6_000), 0);
        assert_eq!(standing.note(Some(false), 9_000), 1);
    }

    #[test]
    fn what_was_held_before_nobody_could_tell_counts_no_more() {
        let mut standing = Standing::default();
        standing.note(Some(false), 1_000);
        assert_eq!(standing.note(None, 500_000), 0);
        assert_eq!(standing.note(Some(false), 501_000), 1);
    }

    #[test]
    fn a_manager_that_is_none_any_more_is_noted() {
        let manager = |name: &str| SwarmNode {
            id: name.into(),
            name: name.into(),
            address: None,
            up: true,
            manager: true,
            reachable: true,
            leader: false,
            availability: ashlar_cluster::Availability::Active,
            tasks: 0,
        };
        let mut standing = Standing::default();
        assert_eq!(standing.note_managers(&[manager("a")], 1_000), None);
        assert_eq!(standing.note_managers(&[manager("a"), manager("b")], 2_000), None);
        assert_eq!(standing.note_managers(&[], 3_000), None, "without quorum nobody can tell");
        assert_eq!(standing.note_managers(&[manager("a")], 4_000), Some(0));
        assert_eq!(standing.note_managers(&[manager("a"), manager("c")], 9_000), Some(5_000));
    }

    #[test]
    fn a_worker_asks_now_and_then() {
        let mut standing = Standing::default();
        assert!(standing.ask(0));
        assert!(!standing.ask(ASK_EVERY - 1));
        assert!(standing.ask(ASK_EVERY));
        assert!(!standing.ask(ASK_EVERY + ASK_AGAIN));
        standing.note(Some(false), ASK_EVERY + ASK_AGAIN);
        assert!(standing.ask(ASK_EVERY + ASK_AGAIN), "it was taken for down");
    }
}
