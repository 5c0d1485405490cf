//! Runs the steps whose output is not in the cache, side by side where the plan
//! allows it.

use crate::error::{BuildError, Result};
use crate::events::Events;
use crate::plan::StepId;
use crate::steps::Steps;
use crate::store::Draft;
use ashlar_sandbox::interrupt;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long each step took that ran; a step that is not here was in the cache.
pub(crate) type Timings = BTreeMap<StepId, Duration>;

/// The steps that must run: those that are not in the cache, unless all that
/// needs them is.
pub(crate) fn pending(steps: &Steps<'_>, wanted: &[StepId]) -> BTreeSet<StepId> {
    needed(wanted, |id| steps.output(id).is_dir())
}

fn needed(wanted: &[StepId], cached: impl Fn(StepId) -> bool) -> BTreeSet<StepId> {
    let mut queue = wanted.to_vec();
    let mut pending = BTreeSet::new();
    while let Some(id) = queue.pop() {
        if !cached(id) && pending.insert(id) {
            queue.extend(id.needs());
        }
    }
    pending
}

/// Runs all that `wanted` takes.
pub(crate) fn run(steps: &Steps<'_>, wanted: &[StepId], events: &dyn Events) -> Result<Timings> {
    let mut waiting = pending(steps, wanted);
    for id in StepId::ALL.into_iter().filter(|id| !waiting.contains(id)) {
        let place = steps.output(id);
        if place.is_dir() {
            steps.store.touch(&place);
        }
    }
    let mut running = BTreeSet::new();
    let mut timings = Timings::new();
    let mut failure = None;
    let (ended, ends) = mpsc::channel();
    std::thread::scope(|scope| {
        loop {
            if failure.is_none() {
                let blocked = |id: &StepId| {
                    id.needs().iter().any(|need| waiting.contains(need) || running.contains(need))
                };
                let ready: Vec<StepId> =
                    waiting.iter().copied().filter(|id| !blocked(id)).collect();
                for id in ready {
                    waiting.remove(&id);
                    running.insert(id);
                    let ended = ended.clone();
                    scope.spawn(move || {
                        let begun = Instant::now();
                        let result = one(steps, id, events);
                        let _ = ended.send((id, result, begun.elapsed()));
                    });
                }
            }
            if running.is_empty() {
                break;
            }
            let Ok((id, result, took)) = ends.recv() else { break };
            running.remove(&id);
            match result {
                Ok(()) => {
                    events.note(format_args!("  {id:<11} {:>5.1} s", took.as_secs_f64()));
                    timings.insert(id, took);
                }
                Err(error) if failure.is_none() => failure = Some(error),
                Err(_) => {}
            }
        }
    });
    match failure {
        Some(error) => Err(interrupt::check().err().map_or(error, BuildError::from)),
        None if waiting.is_empty() => Ok(timings),
        None => Err(BuildError::Unexpected { what: "the plan has a circle".into() }),
    }
}

fn one(steps: &Steps<'_>, id: StepId, events: &dyn Events) -> Result<()> {
    interrupt::check()?;
    let activity = events.begin(id.about());
    let draft = steps.store.draft(id.as_str());
    let result = draft.and_then(|draft: Draft| {
        steps.run(id, draft.path())?;
        draft.keep(&steps.output(id))
    });
    drop(activity);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_only_by_cached_steps_does_not_run() {
        let cached = |id| id == StepId::Disk;
        let ids: Vec<_> = needed(&[StepId::Compressed], cached).into_iter().collect();
        assert_eq!(ids, [StepId::Compressed]);
    }

    #[test]
    fn what_a_missing_step_reads_runs_first_when_it_was_collected() {
        let cached = |id| id == StepId::Root;
        let ids = needed(&[StepId::Uki], cached);
        let expected = [StepId::Base, StepId::Modules, StepId::Initrd, StepId::Uki];
        assert_eq!(ids, BTreeSet::from(expected));
    }
}
