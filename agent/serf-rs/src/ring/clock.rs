//! Lamport clocks: an order of what happened that needs no common time.
//!
//! Source: Lamport, *Time, Clocks, and the Ordering of Events* (1978);
//! hashicorp/serf, `serf/lamport.go`.

/// Nothing happens so many ticks after everything else: a message that says so
/// lies. Whoever believed it would be deaf to all that happens before that time.
const AHEAD: u64 = 1 << 32;

/// One clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clock(u64);

impl Clock {
    /// A clock later than everything up to `seen`. It begins at one: a time of
    /// zero would be taken for a missing one.
    pub(crate) const fn after(seen: u64) -> Self {
        Self(seen.saturating_add(1))
    }

    pub(crate) const fn time(self) -> u64 {
        self.0
    }

    /// The time now; it is another one afterwards.
    pub(crate) const fn tick(&mut self) -> u64 {
        let now = self.0;
        self.0 = self.0.saturating_add(1);
        now
    }

    /// Something happened at `seen`: now is later. False: it cannot have.
    pub(crate) const fn witness(&mut self, seen: u64) -> bool {
        if seen > self.0.saturating_add(AHEAD) {
            return false;
        }
        if seen >= self.0 {
            self.0 = seen.saturating_add(1);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_at_the_end_of_all_times_is_not_believed() {
        let mut clock = Clock::after(7);
        assert!(!clock.witness(u64::MAX));
        assert!(!clock.witness(u64::MAX / 2));
        assert_eq!(clock.time(), 8);
        assert!(clock.witness(1_000_000), "a young node meets an old ring");
        assert_eq!(clock.tick(), 1_000_001);
    }

    #[test]
    fn what_is_past_does_not_turn_the_clock_back() {
        let mut clock = Clock::after(7);
        assert!(clock.witness(3));
        assert_eq!(clock.time(), 8);
        let mut last = Clock::after(u64::MAX);
        assert!(last.witness(u64::MAX));
        assert_eq!((last.tick(), last.tick()), (u64::MAX, u64::MAX), "it does not begin again");
    }
}
