//! A whole build, in order.

use crate::error::{BuildError, Result};
use crate::events::Events;
use crate::execute::{Build, Timings};
use crate::fetch;
use crate::files::write_whole;
use crate::locking::{self, Locking};
use crate::plan::Plan;
use crate::prepare::{Prepared, prepare};
use crate::publish;
use crate::request::Request;
use crate::space::{self, Need};
use crate::stage::{Sources, Staged};
use crate::step::{self, ALL, DISK, StepId};
use crate::store::Store;
use ashlar_recipe::{Composed, Lock};
use bytesize::ByteSize;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

/// An image.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Built {
    /// Its recipe.
    pub profile: String,
    /// Its version.
    pub version: String,
    /// `out/<profile>/<version>/`.
    pub directory: PathBuf,
    /// The disk image, in the first of its forms that there are.
    pub image: PathBuf,
    /// Every file in the directory, with its size in bytes.
    pub files: BTreeMap<String, u64>,
    /// Seconds of each part that was not in the cache.
    pub seconds: BTreeMap<String, f64>,
    /// Seconds of the whole.
    pub total_seconds: f64,
}

/// Builds an image. Others that use the same cache are waited for.
///
/// # Errors
///
/// With what is to be done about it; what has finished by then is kept.
pub fn build(request: &Request, events: &dyn Events) -> Result<Built> {
    let begun = Instant::now();
    let composed = ashlar_recipe::compose(&request.project.recipes(), &request.profile)?;
    if request.locking == Locking::Refuse && request.vendor.is_none() {
        locking::current(&request.project.recipes(), &composed)?;
    }
    let store = Store::open(request.cache_dir.as_deref())?;
    let _lock = store.lock(events)?;
    let mut seconds = BTreeMap::new();
    let Prepared { tools, mut lock, programs } =
        prepare(request, &composed, &store, &mut seconds, events)?;

    let stage = store.draft("stage")?;
    let mut built = None;
    // Twice, if a package in the cache turns out to be damaged.
    for fresh in [true, false] {
        let sources = Sources {
            composed: &composed,
            lock: Some(&lock),
            programs: Some(&programs),
            tools: Some(&tools),
        };
        let staged =
            step::stage_all(sources, Some(&stage.path().join(if fresh { "1" } else { "2" })))?;
        let version = version(request, &staged)?;
        let plan = Plan::new(&ALL, &staged, &version);
        let sandbox = tools.sandbox();
        let build = Build {
            plan: &plan,
            staged: &staged,
            store: &store,
            tools: &sandbox,
            toolbox: Some(&tools),
            version: &version,
        };
        let targets = publish::joined(request, &composed.name, &version);
        let request = &Request { targets, ..request.clone() };
        if let Some(published) = publish::untouched(&build, request, &composed)? {
            built = Some((version, published, Timings::new()));
            break;
        }
        match run(request, &composed, &lock, &build, events) {
            Ok((published, timings)) => {
                built = Some((version, published, timings));
                break;
            }
            Err(BuildError::Damaged { name, .. }) if fresh => {
                fetch::again(&name, events);
                let recipes = request.project.recipes();
                lock =
                    request.locksmith(&recipes, &store, events).fetch(lock, &composed, &tools)?;
            }
            Err(error) => return Err(placed(error, &composed)),
        }
    }
    let Some((version, published, timings)) = built else {
        return Err(BuildError::Unexpected { what: "packages were damaged twice".into() });
    };
    seconds.extend(timings.iter().map(|(id, took)| (id.to_string(), took.as_secs_f64())));
    seconds.extend(published.seconds.map(|took| ("publish".to_owned(), took)));
    Ok(Built {
        profile: composed.name.clone(),
        version,
        image: published.image,
        directory: published.directory,
        files: published.files,
        seconds,
        total_seconds: begun.elapsed().as_secs_f64(),
    })
}

/// Runs what must run and publishes it.
fn run(
    request: &Request,
    composed: &Composed,
    lock: &Lock,
    build: &Build<'_>,
    events: &dyn Events,
) -> Result<(publish::Published, Timings)> {
    let wanted = request.wanted();
    publish::may_take(request, composed, build)?;
    let pending = build.pending(&wanted, Some(events))?;
    let (cache_bytes, out_bytes) =
        space::room(lock, &pending, request, &composed.name, build.version);
    events.note(format_args!(
        "building {} {}; it needs about {} of disk",
        composed.name,
        build.version,
        ByteSize(cache_bytes + out_bytes)
    ));
    space::check(&[
        Need { place: build.store.root(), bytes: cache_bytes },
        Need { place: &request.project.out(), bytes: out_bytes },
    ])?;
    let timings = build.run(pending, events)?;
    remember(build.store, &composed.name, build.plan)?;
    let published = publish::publish(build, request, composed, lock, events)?;
    Ok((published, timings))
}

/// Where a recipe asks for a module that its kernel does not have.
fn placed(error: BuildError, composed: &Composed) -> BuildError {
    let BuildError::NoSuchModules { names, kernel } = error else { return error };
    let place = |name: &String| {
        for file in &composed.sources {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            let names = |line: &str| {
                let words = line.split('#').next().unwrap_or_default();
                let mut words = words.split(|c: char| c.is_whitespace() || "\"',[]".contains(c));
                words.any(|word| word == name)
            };
            if let Some(line) = text.lines().position(names) {
                return format!("{name} ({}:{})", file.display(), line + 1);
            }
        }
        name.clone()
    };
    BuildError::NoSuchModules { names: names.iter().map(place).collect(), kernel }
}

/// The version that is asked for, or the one that the contents give: equal for
/// equal disks, whatever targets are made from them.
pub(crate) fn version(request: &Request, staged: &BTreeMap<StepId, Staged>) -> Result<String> {
    let Some(version) = &request.version else {
        let key = Plan::new(&ALL, staged, "").key(DISK)[..8].to_owned();
        return Ok(format!("{}-{key}", env!("CARGO_PKG_VERSION")));
    };
    // It becomes a file name on FAT, and `+` starts systemd-boot's counters.
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-~^".contains(c);
    if version.is_empty() || version.len() > 64 || !version.chars().all(allowed) {
        return Err(BuildError::Unexpected {
            what: format!(
                "{version:?} is no version: write letters, digits and . _ - ~ ^, such as 1.4.2"
            ),
        });
    }
    Ok(version.clone())
}

fn remember(store: &Store, profile: &str, plan: &Plan) -> Result<()> {
    write_whole(&store.last(profile), &serde_json::to_vec(plan).unwrap_or_default())
}

/// The plan of the last build; nothing if there is none, or one that an older
/// program wrote.
pub(crate) fn recall(store: &Store, profile: &str) -> Option<Plan> {
    serde_json::from_slice(&std::fs::read(store.last(profile)).ok()?).ok()
}
