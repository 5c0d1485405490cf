//! What a build would do, and why: a forecast that writes nothing.

use crate::error::{BuildError, Result};
use crate::events::Events;
use crate::execute::{Build, needed};
use crate::locking::Locking;
use crate::pipeline::{recall, version};
use crate::plan::Plan;
use crate::request::Request;
use crate::space::room;
use crate::stage::Sources;
use crate::step::{self, ALL, DISK, StepId};
use crate::store::Store;
use crate::tools::Toolbox;
use crate::{fetch, programs, publish};
use serde::Serialize;

/// What a build would do.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Report {
    /// The recipe.
    pub profile: String,
    /// The version, if all that it is made from is known.
    pub version: Option<String>,
    /// Packages that the image consists of; none if they are not locked.
    pub packages: usize,
    /// Those that would be fetched.
    pub packages_to_fetch: usize,
    /// Their bytes.
    pub bytes_to_fetch: u64,
    /// Each step.
    pub steps: Vec<StepReport>,
    /// Bytes that the build would take.
    pub bytes_needed: u64,
    /// What cannot be known without doing a part of the build, and so what
    /// follows from it cannot either.
    pub not_known: Vec<String>,
}

/// What would happen to one step.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StepReport {
    /// Which.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub step: StepId,
    /// What it does.
    pub about: &'static str,
    /// The hash of its inputs, if they are known.
    pub key: Option<String>,
    /// Whether its output is in the cache.
    pub cached: bool,
    /// Why not: what changed since the last build of this profile.
    pub changes: Vec<String>,
}

/// Says what a build would do, and why. Nothing is written, fetched or compiled:
/// what cannot be known without that is named.
///
/// # Errors
///
/// When the recipe has a fault, or the cache cannot be read.
pub fn explain(request: &Request, events: &dyn Events) -> Result<Report> {
    let recipes = request.project.recipes();
    let composed = ashlar_recipe::compose(&recipes, &request.profile)?;
    let store = Store::open(request.cache_dir.as_deref())?;
    let tools = Toolbox::found(&store, &request.tools()?);
    let lock = match request.locksmith(&recipes, &store, events).current(&composed) {
        Ok(lock) => Some(lock),
        Err(BuildError::LockStale { .. })
            if request.locking == Locking::Renew && request.vendor.is_none() =>
        {
            None
        }
        Err(error) => return Err(error),
    };
    let agents = request.agent_dir.as_deref();
    let programs = programs::known(&request.project, agents, tools.as_ref(), &store)?;
    let sources = Sources {
        composed: &composed,
        lock: lock.as_ref(),
        programs: programs.as_ref(),
        tools: tools.as_ref(),
    };
    let staged = step::stage_all(sources, None)?;
    let version = version(request, &staged)?;
    let plan = Plan::new(&ALL, &staged, &version);
    let known = |id| plan.is_known(id);
    let sandbox = ashlar_sandbox::Sandbox::host();
    let build = Build {
        plan: &plan,
        staged: &staged,
        store: &store,
        tools: &sandbox,
        toolbox: tools.as_ref(),
        version: &version,
    };
    let targets = publish::joined(request, &composed.name, &version);
    let request = &Request { targets, ..request.clone() };
    let last = recall(&store, &composed.name);
    let wanted = request.wanted();
    let pending = build.pending(&wanted, None)?;
    let needed = needed(&wanted, |_| Ok(false))?;
    let cached = |id: StepId| known(id) && !pending.contains(&id);
    let reports = ALL.into_iter().filter(|step| needed.contains(&step.id())).map(|step| {
        let id = step.id();
        let mut changes = Vec::new();
        if !cached(id) {
            changes = plan.changes(step, last.as_ref());
            if changes.is_empty() {
                changes.push("its output is no longer in the cache".to_owned());
            }
        }
        StepReport {
            step: id,
            about: step.about(),
            key: known(id).then(|| plan.key(id).to_owned()),
            cached: cached(id),
            changes,
        }
    });
    let steps: Vec<StepReport> = reports.collect();
    let missing = lock.as_ref().map_or(Vec::new(), |lock| fetch::missing(lock, &store));
    let pending = steps.iter().filter(|step| !step.cached).map(|step| step.step).collect();
    let bytes = lock
        .as_ref()
        .map(|lock| room(lock, &pending, request, &composed.name, &version))
        .map_or(0, |(cache, out)| cache + out);
    let unknown = plan.step(DISK).map(|step| step.unknown.clone()).unwrap_or_default();
    Ok(Report {
        profile: composed.name.clone(),
        version: (unknown.is_empty() || request.version.is_some()).then_some(version),
        packages: lock.as_ref().map_or(0, |lock| lock.packages.len()),
        packages_to_fetch: missing.len(),
        bytes_to_fetch: missing.iter().map(|package| package.size).sum(),
        steps,
        bytes_needed: bytes,
        not_known: unknown.into_iter().collect(),
    })
}
