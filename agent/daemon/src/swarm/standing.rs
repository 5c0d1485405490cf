//! What the Swarm's managers hold of this node, and for how long.

use crate::host::Host;
use crate::node::Node;
use crate::ring::Ring;
use crate::storage::Storage;
use crate::swarm::Swarm;
use ashlar_cluster::{MemberStatus, RingMember, SwarmLocal, SwarmRole};
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::timeout;

/// A worker that is taken for up asks so often, in milliseconds,
const ASK_EVERY: u64 = 30_000;

/// and one that is taken for down so often: it is about to be ready.
const ASK_AGAIN: u64 = 2_000;

/// How long all managers together may take for an answer: everything else that
/// this node does waits for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Since when the managers have taken this node for down.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    down_since: Option<u64>,
    asked: Option<u64>,
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
        self.down_ms(now_ms)
    }

    fn down_ms(&self, now_ms: u64) -> u64 {
        // A moment is longer than none.
        self.down_since.map_or(0, |since| now_ms.saturating_sub(since).max(1))
    }

    /// Whether it is time to ask again, and notes that it was done.
    fn ask(&mut self, now_ms: u64) -> bool {
        let pause = if self.down_since.is_some() { ASK_AGAIN } else { ASK_EVERY };
        let due = self.asked.is_none_or(|at| now_ms.saturating_sub(at) >= pause);
        if due {
            self.asked = Some(now_ms);
        }
        due
    }
}

impl<H: Host, R: Ring, S: Storage, W: Swarm> Node<H, R, S, W> {
    /// For how long the managers have taken this node for down, as far as it
    /// can be known.
    pub(crate) async fn disowned_ms(
        &self,
        swarm: &ashlar_cluster::Swarm,
        name: &str,
        members: &[RingMember],
        now_ms: u64,
    ) -> u64 {
        if swarm.local != SwarmLocal::Active {
            return self.standing.borrow_mut().note(None, now_ms);
        }
        if swarm.manager {
            // A node that lost power while joining is listed twice.
            let listed = swarm.nodes.iter().filter(|n| n.name == name).map(|n| n.up);
            let up = listed.reduce(|one, other| one || other);
            return self.standing.borrow_mut().note(up, now_ms);
        }
        if !self.standing.borrow_mut().ask(now_ms) {
            return self.standing.borrow().down_ms(now_ms);
        }
        let up = self.ask_managers(members).await;
        self.standing.borrow_mut().note(up, now_ms)
    }

    async fn ask_managers(&self, members: &[RingMember]) -> Option<bool> {
        let manages = |m: &&RingMember| {
            m.status == MemberStatus::Alive && m.swarm == Some(SwarmRole::Manager)
        };
        let via: Vec<IpAddr> = members.iter().filter(manages).map(|m| m.address).collect();
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
