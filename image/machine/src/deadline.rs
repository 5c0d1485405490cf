//! Waiting for something outside this process, with an end.

use std::time::{Duration, Instant};

/// A moment after which waiting is given up.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    start: Instant,
    allowed: Duration,
}

impl Deadline {
    /// From now on.
    #[must_use]
    pub fn within(allowed: Duration) -> Self {
        Self { start: Instant::now(), allowed }
    }

    /// What is left of it; zero once it has passed.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.allowed.saturating_sub(self.start.elapsed())
    }

    /// It is over.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.left().is_zero()
    }

    /// How much was allowed in all, in seconds.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        self.allowed.as_secs()
    }

    /// Looks until `look` finds something or the deadline has passed. The pause
    /// between looks grows from 5 ms to `longest`: nothing here can be waited
    /// for with a file descriptor.
    pub fn poll<T, E>(
        &self,
        longest: Duration,
        mut look: impl FnMut() -> Result<Option<T>, E>,
    ) -> Result<Option<T>, E> {
        let mut pause = Duration::from_millis(5);
        loop {
            if let Some(found) = look()? {
                return Ok(Some(found));
            }
            if self.passed() {
                return Ok(None);
            }
            std::thread::sleep(pause.min(self.left()));
            pause = (pause * 2).min(longest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Deadline;
    use std::time::Duration;

    #[test]
    fn what_is_there_already_is_found_even_after_the_deadline() {
        let found = Deadline::within(Duration::ZERO)
            .poll(Duration::from_millis(1), || Ok::<_, ()>(Some(7)));
        assert_eq!(found, Ok(Some(7)));
    }

    #[test]
    fn what_never_comes_ends_with_nothing() {
        let found = Deadline::within(Duration::from_millis(10))
            .poll(Duration::from_millis(1), || Ok::<Option<()>, ()>(None));
        assert_eq!(found, Ok(None));
    }
}
