//! All that a plan is made from: the tools, the locked packages and our programs.
//! What waits for the network, what compiles and what unpacks go side by side.

use crate::error::{BuildError, Result};
use crate::events::Events;
use crate::execute::{Build, Timings};
use crate::fetch;
use crate::locking::Locksmith;
use crate::plan::Plan;
use crate::programs::{self, Programs};
use crate::request::Request;
use crate::space::{self, Need};
use crate::stage::Sources;
use crate::step::{self, ALL};
use crate::store::Store;
use crate::tools::Toolbox;
use ashlar_recipe::{Composed, Lock};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const TOOLS_BYTES: u64 = 1_800_000_000;

/// What a plan is made from, besides the recipe.
pub(crate) struct Prepared {
    pub(crate) tools: Toolbox,
    pub(crate) lock: Lock,
    pub(crate) programs: Programs,
}

/// Brings together all that a plan is made from, and says what took how long.
pub(crate) fn prepare(
    request: &Request,
    composed: &Composed,
    store: &Store,
    seconds: &mut BTreeMap<String, f64>,
    events: &dyn Events,
) -> Result<Prepared> {
    let recipes = request.project.recipes();
    let smith = request.locksmith(&recipes, store, events);
    let begun = Instant::now();
    let tools = request.tools()?;
    if Toolbox::found(store, &tools).is_none() {
        space::check(&[Need { place: store.root(), bytes: TOOLS_BYTES }])?;
    }
    let tools = Toolbox::ready(store, &tools, events)?;
    seconds.insert("tools".into(), begun.elapsed().as_secs_f64());

    let given = request.agent_dir.as_deref();
    let at_hand = programs::at_hand(&request.project, given, (&tools, store))?;
    let begun = Instant::now();
    let mut locked = || -> Result<Lock> {
        let lock = smith.load_or_resolve(composed, &tools)?;
        let bytes = fetch::missing(&lock, store).iter().map(|package| package.size).sum();
        space::check(&[Need { place: store.root(), bytes }])?;
        let lock = smith.fetch(lock, composed, &tools)?;
        seconds.insert("lock".into(), begun.elapsed().as_secs_f64());
        Ok(lock)
    };
    let (programs, lock) = match at_hand {
        Some(programs) => (programs, locked()?),
        None => {
            let compile = || -> Result<(Programs, Duration)> {
                let vendor = request.vendor.as_deref();
                let programs =
                    programs::compile(&request.project, (&tools, store), vendor, events)?;
                Ok((programs, begun.elapsed()))
            };
            let (compiled, lock) = std::thread::scope(|scope| {
                let compiling = scope.spawn(compile);
                let ahead = Ahead { request, composed, store, tools: &tools, events };
                let lock = locked().and_then(|lock| ahead.run(&smith, lock));
                let died = || BuildError::Unexpected { what: "compiling panicked".into() };
                (compiling.join().unwrap_or_else(|_| Err(died())), lock)
            });
            let ((lock, ran), (programs, took)) = (lock?, compiled?);
            seconds.extend(ran.into_iter().map(|(id, took)| (id.to_string(), took.as_secs_f64())));
            seconds.insert("compile".into(), took.as_secs_f64());
            (programs, lock)
        }
    };
    seconds.retain(|_, took| *took > 0.1);
    Ok(Prepared { tools, lock, programs })
}

/// The steps that need neither our programs nor what follows from them. They run
/// while these are compiled, which keeps one processor busy and another one seldom.
struct Ahead<'a> {
    request: &'a Request,
    composed: &'a Composed,
    store: &'a Store,
    tools: &'a Toolbox,
    events: &'a dyn Events,
}

impl Ahead<'_> {
    /// Runs them; a package that is damaged in the cache is fetched again, once.
    fn run(&self, smith: &Locksmith<'_>, mut lock: Lock) -> Result<(Lock, Timings)> {
        let mut ran = self.steps(&lock);
        if let Err(BuildError::Damaged { name, .. }) = &ran {
            fetch::again(name, self.events);
            lock = smith.fetch(lock, self.composed, self.tools)?;
            ran = self.steps(&lock);
        }
        Ok((lock, ran?))
    }

    fn steps(&self, lock: &Lock) -> Result<Timings> {
        let stage = self.store.draft("stage")?;
        let sources = Sources {
            composed: self.composed,
            lock: Some(lock),
            programs: None,
            tools: Some(self.tools),
        };
        let staged = step::stage_all(sources, Some(stage.path()))?;
        let plan = Plan::new(&ALL, &staged, "");
        let tools = self.tools.sandbox();
        let build = Build {
            plan: &plan,
            staged: &staged,
            store: self.store,
            tools: &tools,
            toolbox: Some(self.tools),
            version: "",
        };
        let mut pending = build.pending(&self.request.wanted(), Some(self.events))?;
        pending.retain(|id| plan.is_known(*id));
        let (bytes, _) = space::room(lock, &pending, self.request, &self.composed.name, "");
        space::check(&[Need { place: self.store.root(), bytes }])?;
        build.run(pending, self.events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::{BASE, INITRD, MODULES, SYSTEM, StepId};
    use std::path::Path;

    #[test]
    fn what_runs_while_our_programs_are_compiled_needs_none_of_them_and_carries_no_version() {
        let composed = ashlar_recipe::compose(Path::new("../../recipes"), "retail").unwrap();
        let sources = Sources { composed: &composed, lock: None, programs: None, tools: None };
        let mut staged = step::stage_all(sources, None).unwrap();
        // Packages and tools are there by then.
        for staged in staged.values_mut() {
            staged.unknown.retain(|what| what.contains("our programs"));
        }
        let plan = Plan::new(&ALL, &staged, "");
        let ahead: Vec<StepId> =
            ALL.iter().map(|step| step.id()).filter(|id| plan.is_known(*id)).collect();
        assert_eq!(ahead, [BASE, MODULES, INITRD, SYSTEM]);
        assert!(ahead.iter().all(|id| !staged[id].versioned));
    }
}
