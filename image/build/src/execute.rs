//! Runs the steps whose output is not in the cache, side by side where the plan
//! allows it. What has run is sealed (hashed, brought to the disk, written down)
//! beside the steps that follow it: those may use it before it is safe, and it
//! counts for another build only afterwards.

use crate::contents::Depth;
use crate::error::{BuildError, Result};
use crate::events::Events;
use crate::files::set_mode;
use crate::plan::Plan;
use crate::stage::{Staged, Work};
use crate::step::{self, ALL, Step, StepId};
use crate::store::Store;
use crate::tools::Toolbox;
use ashlar_sandbox::Sandbox;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long each step took that ran; a step that is not here was in the cache.
pub(crate) type Timings = BTreeMap<StepId, Duration>;

/// A build that knows all that it needs.
#[derive(Debug)]
pub(crate) struct Build<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) staged: &'a BTreeMap<StepId, Staged>,
    pub(crate) store: &'a Store,
    pub(crate) tools: &'a Sandbox,
    /// What the tools are; not known when a build is explained before they are there.
    pub(crate) toolbox: Option<&'a Toolbox>,
    pub(crate) version: &'a str,
}

impl Build<'_> {
    /// Where the output of a step is, or will be.
    pub(crate) fn output(&self, id: StepId) -> PathBuf {
        self.store.step(id.as_str(), self.plan.key(id))
    }

    /// The steps that must run: those that are not in the cache, unless all that
    /// needs them is. What is used of the cache is looked at, unless this is only
    /// a forecast; what is damaged must run again.
    pub(crate) fn pending(
        &self,
        wanted: &[StepId],
        events: Option<&dyn Events>,
    ) -> Result<BTreeSet<StepId>> {
        needed(wanted, |id| match events {
            Some(events) => self.store.usable(&self.output(id), Depth::Changed, events),
            None => Ok(self.store.has(&self.output(id))),
        })
    }

    /// Runs the pending steps.
    pub(crate) fn run(&self, pending: BTreeSet<StepId>, events: &dyn Events) -> Result<Timings> {
        let cancel = events.cancel();
        for step in ALL.iter().filter(|step| !pending.contains(&step.id())) {
            let place = self.output(step.id());
            if place.is_dir() {
                self.store.touch(&place);
            }
        }
        let mut waiting = pending;
        let mut running = BTreeSet::new();
        let mut timings = Timings::new();
        let mut failure = None;
        let (ended, ends) = mpsc::channel();
        let sealed = std::thread::scope(|scope| {
            let mut sealing = Vec::new();
            loop {
                if failure.is_none() {
                    let blocked = |step: &&dyn Step| {
                        let mut needs = step.needs().iter();
                        needs.any(|need| waiting.contains(need) || running.contains(need))
                    };
                    let steps = ALL.into_iter().filter(|step| waiting.contains(&step.id()));
                    let ready: Vec<&dyn Step> = steps.filter(|step| !blocked(step)).collect();
                    for step in ready {
                        waiting.remove(&step.id());
                        running.insert(step.id());
                        let ended = ended.clone();
                        scope.spawn(move || {
                            let begun = Instant::now();
                            // A thread that dies without a word would leave the
                            // build waiting for ever.
                            let result = catch_unwind(AssertUnwindSafe(|| self.one(step, events)));
                            let died = || BuildError::Unexpected {
                                what: format!("step {} ended in a panic", step.id()),
                            };
                            let result = result.unwrap_or_else(|_| Err(died()));
                            let _ = ended.send((step.id(), result, begun.elapsed()));
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
                        let place = self.output(id);
                        // Also after Ctrl-C: finished steps are kept.
                        let always = ashlar_sandbox::Cancel::default();
                        sealing.push(scope.spawn(move || self.store.seal(&place, &always)));
                    }
                    Err(error) if failure.is_none() => failure = Some(error),
                    Err(_) => {}
                }
            }
            sealing.into_iter().try_for_each(|seal| {
                let died = || BuildError::Unexpected { what: "sealing a step panicked".into() };
                seal.join().unwrap_or_else(|_| Err(died()))
            })
        });
        match failure {
            Some(error) => Err(cancel.check().err().map_or(error, BuildError::from)),
            None if waiting.is_empty() => sealed.map(|()| timings),
            None => Err(BuildError::Unexpected { what: "the plan has a circle".into() }),
        }
    }

    fn one(&self, step: &dyn Step, events: &dyn Events) -> Result<()> {
        events.cancel().check()?;
        let _activity = events.begin(step.about());
        let missing = || BuildError::Unexpected { what: "a step was not staged".into() };
        let draft = self.store.draft(step.id().as_str())?;
        let work = Work {
            id: step.id(),
            staged: self.staged.get(&step.id()).ok_or_else(missing)?,
            version: self.version,
            outputs: step.needs().iter().map(|need| (*need, self.output(*need))).collect(),
            out: draft.path(),
            sandbox: self.tools,
            store: self.store,
        };
        let result = step.run(&work);
        match result {
            Ok(()) => {
                // Published as links: an editor must not change the cache.
                for artefact in step.artefacts().iter().filter(|artefact| !artefact.own) {
                    set_mode(&draft.path().join(artefact.file), 0o444)?;
                }
                draft.keep(&self.output(step.id()))
            }
            Err(error) => {
                if self.tools.is_traced() && !self.tools.cancel().is_cancelled() {
                    let left = draft.path().display();
                    events.note(format_args!("{left} stays until the next build, for a look"));
                    draft.leave();
                }
                Err(error)
            }
        }
    }
}

/// The steps that are not cached of some, and of all that those need.
pub(crate) fn needed(
    wanted: &[StepId],
    cached: impl Fn(StepId) -> Result<bool>,
) -> Result<BTreeSet<StepId>> {
    let mut queue = wanted.to_vec();
    let (mut seen, mut pending) = (BTreeSet::new(), BTreeSet::new());
    while let Some(id) = queue.pop() {
        if seen.insert(id) && !cached(id)? {
            pending.insert(id);
            queue.extend(step::find(id).map_or(&[] as &[StepId], |step| step.needs()));
        }
    }
    Ok(pending)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::{BASE, COMPRESSED, DISK, INITRD, MODULES, ROOT, UKI};

    #[test]
    fn what_is_needed_only_by_cached_steps_does_not_run() {
        let ids = needed(&[COMPRESSED], |id| Ok(id == DISK)).unwrap();
        assert_eq!(ids, BTreeSet::from([COMPRESSED]));
    }

    #[test]
    fn what_a_missing_step_reads_runs_first_when_it_was_collected() {
        let ids = needed(&[UKI], |id| Ok(id == ROOT)).unwrap();
        assert_eq!(ids, BTreeSet::from([BASE, MODULES, INITRD, UKI]));
    }
}
