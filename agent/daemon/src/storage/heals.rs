//! How much awaits healing. The question goes to every box and into every file that is
//! not known to be whole: where somebody writes much it takes a minute, and nothing else
//! that is known of the storage shall be as old as that. So it is asked beside the rest,
//! and for a while the last answer is the answer.

use super::cli::must;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// It starts a client of its own: seldom while there is nothing to heal.
const OPEN_AGE: Duration = Duration::from_secs(15);
const WHOLE_AGE: Duration = Duration::from_secs(60);

/// How long the question may take.
const PATIENCE: Duration = Duration::from_secs(75);

/// How long a look at the storage waits for it, if there is no answer yet.
const GLANCE: Duration = Duration::from_secs(10);

/// What was asked so long ago is not known any more.
const GONE: Duration = Duration::from_secs(90);

/// The last answer to the question.
#[derive(Debug, Default)]
struct Last {
    /// When the question was put to which this is the answer.
    put: Option<Instant>,
    pending: Option<u64>,
    /// When one ended, whatever came of it, and whether it is that nothing heals.
    ended: Option<Instant>,
    whole: bool,
}

impl Last {
    /// `told` is `None` if nobody answered; what was known before is known still.
    fn note(&mut self, put: Instant, ended: Instant, told: Option<Option<u64>>) {
        (self.ended, self.whole) = (Some(ended), told == Some(Some(0)));
        if let Some(pending) = told {
            (self.put, self.pending) = (Some(put), pending);
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        let age = if self.whole { WHOLE_AGE } else { OPEN_AGE };
        self.ended.is_none_or(|ended| now.saturating_duration_since(ended) >= age)
    }

    fn pending(&self, now: Instant) -> Option<u64> {
        self.put.filter(|put| now.saturating_duration_since(*put) < GONE)?;
        self.pending
    }
}

/// Asks, one question at a time.
#[derive(Debug, Default)]
pub(super) struct Heals {
    last: watch::Sender<Last>,
    under_way: Mutex<Option<AbortHandle>>,
}

impl Heals {
    fn under_way(&self) -> MutexGuard<'_, Option<AbortHandle>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was answered counts no more, nor what is being answered.
    pub(super) fn expire(&self) {
        if let Some(question) = self.under_way().take() {
            question.abort();
        }
        self.last.send_replace(Last::default());
    }

    /// Entries that await healing as far as is known; `None` if a brick could not say.
    pub(super) async fn pending(&self, volume: &str) -> Option<u64> {
        let mut last = self.last.subscribe();
        if last.borrow_and_update().is_due(Instant::now()) {
            self.ask(volume);
        }
        if last.borrow().ended.is_none() {
            let _ = timeout(GLANCE, last.changed()).await;
        }
        last.borrow().pending(Instant::now())
    }

    /// The same, by a question that is put now.
    pub(super) async fn asked_now(&self, volume: &str) -> Option<u64> {
        self.expire();
        told(volume).await.flatten()
    }

    fn ask(&self, volume: &str) {
        let mut under_way = self.under_way();
        if under_way.as_ref().is_some_and(|question| !question.is_finished()) {
            return;
        }
        let (last, volume, put) = (self.last.clone(), volume.to_owned(), Instant::now());
        let question = tokio::spawn(async move {
            let told = told(&volume).await;
            last.send_modify(|last| last.note(put, Instant::now(), told));
        });
        *under_way = Some(question.abort_handle());
    }
}

async fn told(volume: &str) -> Option<Option<u64>> {
    let answer = must(&["volume", "heal", volume, "info", "summary"], PATIENCE).await;
    let answer = answer.inspect_err(|error| tracing::debug!("what heals is not told: {error:#}"));
    answer.ok().map(|output| output.pending_heals())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_while_the_next_one_takes_its_time_and_not_for_ever() {
        let (mut last, start) = (Last::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(last.is_due(start));
        last.note(at(0), at(5), Some(Some(0)));
        assert_eq!((last.pending(at(6)), last.is_due(at(64))), (Some(0), false));
        assert!(last.is_due(at(65)));
        last.note(at(65), at(85), None);
        assert_eq!(last.pending(at(89)), Some(0), "nobody answered");
        assert!(last.is_due(at(100)));
        assert_eq!(last.pending(at(90)), None, "that was too long ago");
        last.note(at(100), at(101), Some(Some(7)));
        assert_eq!((last.pending(at(101)), last.is_due(at(116))), (Some(7), true));
        last.note(at(116), at(117), Some(None));
        assert_eq!(last.pending(at(117)), None, "a brick could not say");
    }

    #[tokio::test]
    async fn what_is_being_answered_counts_no_more_once_something_changed() {
        let heals = Heals::default();
        let question = tokio::spawn(std::future::pending::<()>());
        *heals.under_way() = Some(question.abort_handle());
        heals.last.send_modify(|last| last.note(Instant::now(), Instant::now(), Some(Some(0))));
        assert_eq!(heals.pending("clusterfs").await, Some(0));
        heals.expire();
        assert!(question.await.unwrap_err().is_cancelled());
        assert!(heals.last.borrow().is_due(Instant::now()));
    }
}
