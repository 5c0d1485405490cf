//! Lamport clocks: an order of what happened that needs no common time.
//!
//! Source: Lamport, *Time, Clocks, and the Ordering of Events* (1978);
//! hashicorp/serf, `serf/lamport.go`.

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

    /// Something happened at `seen`: now is later.
    pub(crate) fn witness(&mut self, seen: u64) {
        // A hostile time at the end of all times would stop the clock.
        if seen < u64::MAX / 2 {
            self.0 = self.0.max(seen.saturating_add(1));
        }
    }
}
