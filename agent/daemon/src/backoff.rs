//! When a step may be tried again. Each step has its own pauses, which grow
//! with every try and are never quite the same on two nodes.

use ashlar_cluster::Step;
use rand::Rng;
use std::collections::BTreeMap;
use std::time::Duration;

/// The first and the longest pause of a step, and for how long it must have
/// been out of the plan before its tries are forgotten: a step may be out of it
/// for a moment by its own effect alone.
struct Pace {
    first: Duration,
    longest: Duration,
    memory: Duration,
}

const QUICK: Pace = Pace {
    first: Duration::from_millis(250),
    longest: Duration::from_secs(15),
    memory: Duration::from_secs(30),
};

/// Of a step that takes something away from whatever works here.
const SLOW: Pace = Pace {
    first: Duration::from_secs(60),
    longest: Duration::from_secs(900),
    memory: Duration::from_secs(1800),
};

const fn pace(step: &Step) -> Pace {
    if step.disturbs() { SLOW } else { QUICK }
}

/// The steps that were tried, and are or were planned not long ago.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    tried: BTreeMap<String, Tried>,
}

#[derive(Debug)]
struct Tried {
    step: Step,
    times: u32,
    due: Duration,
    error: Option<String>,
    /// Since when it has not been planned any more.
    unplanned: Option<Duration>,
    /// It is planned again after it was not: what comes of it is news.
    again: bool,
}

impl Backoff {
    /// Notes which steps are planned at `now`, a time since boot, and forgets
    /// those that have not been for long.
    pub(crate) fn keep<'a>(&mut self, planned: impl Iterator<Item = &'a Step>, now: Duration) {
        let planned: Vec<String> = planned.map(ToString::to_string).collect();
        self.tried.retain(|words, tried| {
            if planned.contains(words) {
                tried.again |= tried.unplanned.take().is_some();
                return true;
            }
            let since = *tried.unplanned.get_or_insert(now);
            now.saturating_sub(since) < pace(&tried.step).memory
        });
    }

    /// Whether the step may be tried at `now`, a time since boot.
    pub(crate) fn allows(&self, step: &Step, now: Duration) -> bool {
        self.tried.get(&step.to_string()).is_none_or(|tried| now >= tried.due)
    }

    /// Notes a try. A step that succeeded counts like one that failed if it is
    /// planned again unchanged: it did not bring about what it was for.
    /// Returns whether the outcome is news.
    pub(crate) fn note(&mut self, step: &Step, error: Option<String>, now: Duration) -> bool {
        let tried = self.tried.entry(step.to_string()).or_insert_with(|| Tried {
            step: step.clone(),
            times: 0,
            due: now,
            error: None,
            unplanned: None,
            again: true,
        });
        let news = tried.again || tried.error != error;
        let Pace { first, longest, .. } = pace(step);
        let pause = first.saturating_mul(1 << tried.times.min(10)).min(longest);
        tried.due = now + pause.mul_f64(rand::rng().random_range(0.75..1.25));
        tried.times += 1;
        tried.error = error;
        tried.unplanned = None;
        tried.again = false;
        news
    }

    /// When the next step may be tried.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.planned().map(|tried| tried.due).min()
    }

    /// The last error of each step that still has to succeed.
    pub(crate) fn failing(&self) -> Vec<(Step, String)> {
        let failing = |tried: &Tried| Some((tried.step.clone(), tried.error.clone()?));
        self.planned().filter_map(failing).collect()
    }

    /// The last error of a step that still has to succeed.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.failing().first().map(|(step, error)| format!("{step}: {error}"))
    }

    fn planned(&self) -> impl Iterator<Item = &Tried> {
        self.tried.values().filter(|tried| tried.unplanned.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ashlar_cluster::Daemon;

    const STEP: Step = Step::MountVolume;
    const OTHER: Step = Step::StartVolume;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

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
        let longest = QUICK.longest;
        assert!(last <= longest.mul_f64(1.25) && last >= longest.mul_f64(0.75), "{last:?}");
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
        backoff.keep([&OTHER].into_iter(), s(1));
        assert!(backoff.trouble().is_none() && backoff.next_due().is_none());
    }

    #[test]
    fn a_restart_that_takes_itself_out_of_the_plan_is_remembered_and_paced() {
        for step in [Step::RestartEngine, Step::Restart { daemon: Daemon::Storage }] {
            let mut backoff = Backoff::default();
            let mut pauses = Vec::new();
            let mut now = Duration::ZERO;
            for _ in 0..4 {
                assert!(backoff.note(&step, None, now), "each is news");
                // While it works nothing is known of the engine, so nothing is planned.
                backoff.keep([].into_iter(), now + s(1));
                backoff.keep([&step].into_iter(), now + s(5));
                let due = backoff.next_due().unwrap();
                assert!(!backoff.allows(&step, now + s(5)));
                pauses.push(due - now);
                now = due;
            }
            assert!(pauses[0] >= s(45), "{pauses:?}");
            assert!(pauses.windows(2).all(|p| p[1] > p[0]), "{pauses:?}");
        }
    }

    #[test]
    fn what_has_been_out_of_the_plan_for_long_is_forgotten() {
        let mut backoff = Backoff::default();
        backoff.note(&STEP, None, Duration::ZERO);
        backoff.keep([].into_iter(), s(1));
        backoff.keep([].into_iter(), s(32));
        assert!(backoff.tried.is_empty());
    }
}
