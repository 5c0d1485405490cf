//! Answers that cost something, kept for a while.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The last answer to a question, and when it came.
#[derive(Debug, Default)]
pub(super) struct Kept<T>(Mutex<(Option<Instant>, T)>);

impl<T: Clone> Kept<T> {
    /// The answer, if it came within the time that `age` gives it.
    pub(super) fn within(&self, age: impl FnOnce(&T) -> Duration) -> Option<T> {
        let kept = self.0.lock().ok()?;
        let (at, value) = &*kept;
        at.filter(|at| at.elapsed() < age(value)).map(|_| value.clone())
    }

    /// Keeps an answer that came now; gives the one before, however old.
    pub(super) fn keep(&self, value: T) -> Option<T> {
        let mut kept = self.0.lock().ok()?;
        Some(std::mem::replace(&mut *kept, (Some(Instant::now()), value)).1)
    }

    /// What was answered counts no more.
    pub(super) fn expire(&self) {
        if let Ok(mut kept) = self.0.lock() {
            kept.0 = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_for_its_time_and_until_it_is_known_to_be_old() {
        let kept = Kept::<u8>::default();
        let day = |_: &u8| Duration::from_secs(86_400);
        assert_eq!(kept.within(day), None, "nobody was asked yet");
        assert_eq!(kept.keep(7), Some(0));
        assert_eq!(kept.within(day), Some(7));
        assert_eq!(kept.within(|_| Duration::ZERO), None);
        kept.expire();
        assert_eq!(kept.within(day), None);
        assert_eq!(kept.keep(8), Some(7), "it is known what was answered before");
    }
}
