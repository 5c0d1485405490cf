//! The wall clock, by which certificates are judged and a grace time is over: what it
//! shows, and whether the clocks of the others let it count.
//!
//! A box whose battery is empty starts years behind, one whose battery was set wrong
//! years ahead. Clocks that a time server set are believed before all others; among
//! equals the majority is. Who is not believed signs nothing and removes nobody, and sets
//! its clock by the others.

use crate::span::span;
use serde::{Deserialize, Serialize};

/// How far two clocks may be apart and show the same time, in seconds: more than answers
/// of a busy ring take, and less than any certificate would mind.
const APART: u64 = 300;

/// The wall clock of this node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// It shows a time before this image was made, which cannot be.
    pub before_build: bool,
    /// A time server has set it in this boot.
    pub synchronised: bool,
    /// What it shows, in seconds since 1970; `None` when that cannot be right.
    #[serde(default)]
    pub unix: Option<u64>,
    /// What live members of the ring showed when they were asked last.
    #[serde(default)]
    pub others: Vec<OtherClock>,
}

/// The clock of another member of the ring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherClock {
    /// The member's name.
    pub name: String,
    /// By how many seconds it is ahead of this node's; below zero, behind.
    pub ahead_s: i64,
    /// A time server has set it since the member was switched on.
    pub synchronised: bool,
}

impl OtherClock {
    /// Whether it shows another time than this node's.
    #[must_use]
    pub const fn differs(&self) -> bool {
        self.ahead_s.unsigned_abs() > APART
    }
}

impl Clock {
    /// The clock of a node that shows `unix` seconds, among these others.
    #[must_use]
    pub fn among(
        unix: Option<u64>,
        before_build: bool,
        synchronised: bool,
        others: Vec<OtherClock>,
    ) -> Self {
        let mut clock = Self { before_build, synchronised, unix, others };
        if clock.cannot_be_right() {
            clock.unix = None;
        }
        clock
    }

    /// Whether nothing may be signed or decided by it.
    #[must_use]
    pub fn cannot_be_right(&self) -> bool {
        self.before_build || !self.outvoted_by().is_empty()
    }

    /// Whether a clock is believed that a time server set, or did not: one that nobody set
    /// may be one of many that start at the same wrong time.
    fn votes(&self) -> impl Fn(bool) -> bool + use<> {
        let set = self.synchronised || self.others.iter().any(|other| other.synchronised);
        move |synchronised| synchronised || !set
    }

    /// Others that are believed before this clock, and show another time; none if it is
    /// believed itself, or if nobody can tell.
    #[must_use]
    pub fn outvoted_by(&self) -> Vec<&OtherClock> {
        let votes = self.votes();
        let others = self.others.iter().filter(|other| votes(other.synchronised));
        let (differ, agree): (Vec<_>, Vec<_>) = others.partition(|other| other.differs());
        let agree = agree.len() + usize::from(votes(self.synchronised));
        if differ.len() > agree { differ } else { Vec::new() }
    }

    /// By how much this clock has to be set to show what more than half of those that are
    /// believed show; `None` while it is right, or while no such time is known. What a
    /// time server set is left to the time server.
    #[must_use]
    pub fn right_by(&self) -> Option<i64> {
        if self.synchronised {
            return None;
        }
        let votes = self.votes();
        let believed = self.others.iter().filter(|other| votes(other.synchronised));
        let mut aheads: Vec<i64> = believed.map(|other| other.ahead_s).collect();
        aheads.extend(votes(self.synchronised).then_some(0));
        // If more than half are within reach of one, that one is in the middle.
        aheads.sort_unstable();
        let middle = *aheads.get(aheads.len() / 2)?;
        let there = aheads.iter().filter(|ahead| ahead.abs_diff(middle) <= APART).count();
        (2 * there > aheads.len() && middle.unsigned_abs() > APART).then_some(middle)
    }

    /// Others that show another time while this clock is believed, or while nobody can
    /// tell which of them is right.
    #[must_use]
    pub fn strays(&self) -> Vec<&OtherClock> {
        if self.cannot_be_right() {
            return Vec::new();
        }
        self.others.iter().filter(|other| other.differs()).collect()
    }
}

/// How far a clock is from another one that is so many seconds behind it: `3 days ahead
/// of`, `2 hours behind`.
pub(crate) fn apart(ahead_s: i64) -> String {
    let side = if ahead_s > 0 { "ahead of" } else { "behind" };
    format!("{} {side}", span(ahead_s.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR: i64 = 31_536_000;

    fn clock(synchronised: bool, others: &[(i64, bool)]) -> Clock {
        let other = |(number, (ahead_s, synchronised)): (usize, &(i64, bool))| OtherClock {
            name: format!("ashlar-{number}"),
            ahead_s: *ahead_s,
            synchronised: *synchronised,
        };
        let others = others.iter().enumerate().map(other).collect();
        Clock::among(Some(1_790_000_000), false, synchronised, others)
    }

    #[test]
    fn a_clock_that_the_majority_contradicts_is_not_believed() {
        assert!(!clock(false, &[]).cannot_be_right());
        assert!(!clock(false, &[(0, false), (299, false)]).cannot_be_right());
        let wrong = clock(false, &[(YEAR, false), (YEAR + 2, false)]);
        assert!(wrong.cannot_be_right());
        assert_eq!(wrong.unix, None);
        assert!(wrong.strays().is_empty(), "who is wrong points at nobody");
        let right = clock(false, &[(-YEAR, false), (1, false)]);
        assert!(!right.cannot_be_right());
        assert_eq!(right.strays().len(), 1);
    }

    #[test]
    fn of_two_that_nobody_set_none_can_be_told_from_the_other() {
        let either = clock(false, &[(YEAR, false)]);
        assert!(!either.cannot_be_right());
        assert_eq!(either.strays().len(), 1);
    }

    #[test]
    fn one_that_a_time_server_set_is_believed_before_any_number_that_none_did() {
        let set = clock(true, &[(-YEAR, false), (-YEAR, false), (-YEAR, false)]);
        assert!(!set.cannot_be_right());
        assert_eq!(set.strays().len(), 3);
        assert!(clock(false, &[(YEAR, true), (0, false), (0, false)]).cannot_be_right());
        assert!(!clock(false, &[(4, true), (YEAR, false), (YEAR, false)]).cannot_be_right());
    }

    #[test]
    fn of_those_that_time_servers_set_the_majority_is_believed() {
        assert!(clock(true, &[(YEAR, true), (YEAR, true)]).cannot_be_right());
        assert!(!clock(true, &[(YEAR, true), (0, true)]).cannot_be_right());
        assert!(!clock(true, &[(YEAR, true)]).cannot_be_right());
    }

    #[test]
    fn a_clock_is_set_to_what_most_of_those_that_are_believed_show() {
        assert_eq!(clock(false, &[(YEAR, false), (YEAR + 9, false)]).right_by(), Some(YEAR));
        assert_eq!(clock(false, &[(-YEAR, true), (0, false), (0, false)]).right_by(), Some(-YEAR));
        assert_eq!(clock(false, &[(0, false), (YEAR, false)]).right_by(), None, "it is right");
        assert_eq!(clock(false, &[(YEAR, false)]).right_by(), None, "of two nobody can tell");
        let three = clock(false, &[(YEAR, false), (-YEAR, false)]);
        assert_eq!(three.right_by(), None, "three times, and no majority");
        assert_eq!(clock(true, &[(YEAR, true), (YEAR, true)]).right_by(), None, "a server's");
    }

    #[test]
    fn what_an_agent_wrote_that_asked_nobody_is_still_read() {
        let clock: Clock =
            serde_json::from_str(r#"{"before_build":false,"synchronised":true}"#).unwrap();
        assert!(clock.others.is_empty());
    }
}
