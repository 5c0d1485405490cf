//! Saying goodbye, so that others know the difference from failing.
//!
//! Source: hashicorp/serf, `serf/serf.go` (`Leave`, `forceLeave`).

use super::{Node, Timer, Topic};
use crate::event::Status;
use crate::output::Output;
use crate::time::Time;
use crate::wire::serf::{Leave, kind};
use std::time::Duration;

/// Each goodbye is told within so long, or never.
const TELLING: Duration = Duration::from_secs(5);

/// Afterwards others still probe us for a while.
const PROPAGATION: Duration = Duration::from_secs(1);

/// Marks the two goodbyes among the rumours.
const INTENT: u64 = 1;
const DEATH: u64 = 2;

/// How far a goodbye is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    /// Serf's is being told.
    Intent,
    /// Membership's is being told.
    Death,
    /// Both were told; others may not have heard yet.
    Propagating,
    /// It is over.
    Done,
}

impl Node {
    /// Leaves the ring; [`Output::Left`] says when others know.
    pub fn leave(&mut self, now: Time) {
        if self.leaving.is_some() {
            return;
        }
        self.leaving = Some(Leaving::Intent);
        let alone = !self.has_company();
        let leave =
            Leave { ltime: self.clock.tick(), node: self.swim.name.to_string(), prune: false };
        self.leave_intent(now, &leave);
        if alone {
            self.swim.leave(now, DEATH);
            self.leaving = Some(Leaving::Done);
            self.swim.output.push_back(Output::Left);
        } else {
            self.broadcast(Topic::Intent, kind::LEAVE, &leave, Some(INTENT));
            self.timers.insert((now + TELLING, Timer::Leave));
        }
        self.settle(now);
    }

    /// Whether this node is leaving or has left.
    pub const fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }

    fn has_company(&self) -> bool {
        let own = self.name();
        self.members().any(|member| *member.name != *own && member.status == Status::Alive)
    }

    /// A goodbye was told (`told`), or its time is over.
    pub(super) fn leave_on(&mut self, now: Time, told: Option<u64>) {
        let next = match (self.leaving, told) {
            (Some(Leaving::Intent), None | Some(INTENT)) => Leaving::Death,
            (Some(Leaving::Death), None | Some(DEATH)) => Leaving::Propagating,
            (Some(Leaving::Propagating), None) => Leaving::Done,
            _ => return,
        };
        self.leaving = Some(next);
        self.timers.retain(|(_, timer)| *timer != Timer::Leave);
        match next {
            Leaving::Death => {
                self.swim.leave(now, DEATH);
                self.timers.insert((now + TELLING, Timer::Leave));
            }
            Leaving::Propagating => {
                self.timers.insert((now + PROPAGATION, Timer::Leave));
            }
            Leaving::Intent | Leaving::Done => self.swim.output.push_back(Output::Left),
        }
    }

    /// Takes a failed member for left, so that nobody asks it back any more;
    /// `prune` forgets it at once. Whether there is such a member.
    pub fn force_leave(&mut self, now: Time, name: &str, prune: bool) -> bool {
        let known = self.member(name).is_some();
        let leave = Leave { ltime: self.clock.tick(), node: name.to_owned(), prune };
        self.leave_intent(now, &leave);
        if self.has_company() {
            self.broadcast(Topic::Intent, kind::LEAVE, &leave, None);
        }
        self.settle(now);
        known
    }
}
