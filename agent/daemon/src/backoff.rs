//! When a step may be tried again. Each step has its own pauses, which grow
//! with every try and are never quite the same on two nodes.

use ashlar_cluster::Step;
use rand::Rng;
use std::collections::BTreeMap;
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(15);

/// The steps that are planned now and were tried before.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    tried: BTreeMap<String, Tried>,
}

#[derive(Debug)]
struct Tried {
    times: u32,
    due: Duration,
    error: Option<String>,
}

impl Backoff {
    /// Forgets every step that is not planned any more: it did its work.
    pub(crate) fn keep_only<'a>(&mut self, planned: impl Iterator<Item = &'a Step>) {
        let planned: Vec<String> = planned.map(ToString::to_string).collect();
        self.tried.retain(|step, _| planned.contains(step));
    }

    /// Whether the step may be tried at `now`, a time since boot.
    pub(crate) fn allows(&self, step: &Step, now: Duration) -> bool {
        self.tried.get(&step.to_string()).is_none_or(|tried| now >= tried.due)
    }

    /// Notes a try. A step that succeeded counts like one that failed if it is
    /// planned again unchanged: it did not bring about what it was for.
    /// Returns whether the outcome is news.
    pub(crate) fn note(&mut self, step: &Step, error: Option<String>, now: Duration) -> bool {
        let tried =
            self.tried.entry(step.to_string()).or_insert(Tried { times: 0, due: now, error: None });
        let news = tried.times == 0 || tried.error != error;
        let pause = FIRST.saturating_mul(1 << tried.times.min(10)).min(LONGEST);
        tried.due = now + pause.mul_f64(rand::rng().random_range(0.75..1.25));
        tried.times += 1;
        tried.error = error;
        news
    }

    /// When the next step may be tried.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.tried.values().map(|tried| tried.due).min()
    }

    /// The last error of a step that still has to succeed.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.tried
            .iter()
            .find_map(|(step, tried)| tried.error.as_ref().map(|error| format!("{step}: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Step = Step::MountVolume;

    #[test]
    fn a_step_that_fails_waits_longer_each_time_but_never_for_ever() {
        let mut backoff = Backoff::default();
        let mut now = Duration::ZERO;
        let mut last = Duration::ZERO;
        for _ in 0..20 {
            assert!(backoff.allows(&STEP, now));
            backoff.note(&STEP, Some("no".into()), now);
            assert!(!backoff.allows(&STEP, now));
            last = backoff.next_due().unwrap() - now;
            now = backoff.next_due().unwrap();
        }
        assert!(last <= LONGEST.mul_f64(1.25) && last >= LONGEST.mul_f64(0.75), "{last:?}");
    }

    #[test]
    fn the_same_error_is_news_once() {
        let mut backoff = Backoff::default();
        assert!(backoff.note(&STEP, Some("no".into()), Duration::ZERO));
        assert!(!backoff.note(&STEP, Some("no".into()), Duration::ZERO));
        assert!(backoff.note(&STEP, Some("never".into()), Duration::ZERO));
        assert_eq!(backoff.trouble().unwrap(), "mount the volume: never");
    }

    #[test]
    fn a_step_that_is_not_planned_any_more_is_no_trouble() {
        let mut backoff = Backoff::default();
        backoff.note(&STEP, Some("no".into()), Duration::ZERO);
        backoff.keep_only([&Step::StartVolume].into_iter());
        assert!(backoff.trouble().is_none() && backoff.next_due().is_none());
    }
}
