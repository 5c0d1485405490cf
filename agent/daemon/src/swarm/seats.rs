//! Seats in Raft that were promised: a manager's token that was handed out and
//! not used yet counts like a manager, or two who ask at the same time get one
//! seat.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long a seat is kept for whoever got its token: the engine tries to join
/// for a third of this, and the agent asks for another token after that.
const KEPT: Duration = Duration::from_secs(60);

/// The seats that this node promised.
#[derive(Debug, Default)]
pub(crate) struct Seats {
    promised: Mutex<Vec<Instant>>,
}

impl Seats {
    /// Promises a seat at `now`, if beside `taken` ones there is one left of
    /// `most`. Those that came in the meantime are in both counts for a while:
    /// rather a worker too many, whom the leader promotes.
    pub(super) fn promise(&self, taken: usize, most: usize, now: Instant) -> bool {
        let Ok(mut promised) = self.promised.lock() else { return false };
        promised.retain(|at| now.saturating_duration_since(*at) < KEPT);
        let free = taken.saturating_add(promised.len()) < most;
        if free {
            promised.push(now);
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_who_ask_at_the_same_time_do_not_get_the_same_seat() {
        let (seats, now) = (Seats::default(), Instant::now());
        assert!(seats.promise(2, 3, now));
        assert!(!seats.promise(2, 3, now));
        assert!(!seats.promise(3, 3, now + KEPT * 2), "nobody gets a fourth");
        assert!(seats.promise(2, 3, now + KEPT * 2), "the first one never came");
    }
}
