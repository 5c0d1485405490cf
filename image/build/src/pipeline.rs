//! A whole build, in order.

use crate::error::{At, BuildError, Result};
use crate::events::Events;
use crate::execute::{self, Timings};
use crate::inputs::Sources;
use crate::locking::{self, Locking};
use crate::plan::{Plan, StepId};
use crate::project::Project;
use crate::space::{self, Need};
use crate::steps::Steps;
use crate::store::Store;
use crate::tools::Toolbox;
use crate::{agents, archive, publish};
use ashlar_recipe::{Composed, Lock};
use ashlar_sandbox::SandboxError;
use ashlar_sandbox::interrupt;
use bytesize::ByteSize;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where the recipes are, and where the image goes.
    pub project: Project,
    /// Which recipe.
    pub profile: String,
    /// Whether a stale lock is renewed.
    pub locking: Locking,
    /// A version instead of the one that the contents give.
    pub version: Option<String>,
    /// Where our programs are, instead of compiling them.
    pub agent_dir: Option<PathBuf>,
    /// The cache, instead of the user's.
    pub cache_dir: Option<PathBuf>,
    /// Whether the compressed image is wanted.
    pub compress: bool,
}

impl Request {
    fn wanted(&self) -> &'static [StepId] {
        let all = &[StepId::Uki, StepId::Disk, StepId::Checksum, StepId::Compressed];
        if self.compress { all } else { &all[..3] }
    }
}

/// An image.
#[derive(Clone, Debug, Serialize)]
pub struct Built {
    /// Its recipe.
    pub profile: String,
    /// Its version.
    pub version: String,
    /// `out/<profile>/<version>/`.
    pub directory: PathBuf,
    /// The raw disk image.
    pub image: PathBuf,
    /// Every file in the directory, with its size in bytes.
    pub files: BTreeMap<String, u64>,
    /// Seconds of each part that was not in the cache.
    pub seconds: BTreeMap<String, f64>,
    /// Seconds of the whole.
    pub total_seconds: f64,
}

/// What a build would do.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub profile: String,
    pub version: String,
    /// Packages that would be fetched, and their bytes.
    pub packages: usize,
    pub packages_to_fetch: usize,
    pub bytes_to_fetch: u64,
    pub steps: Vec<StepReport>,
    pub bytes_needed: u64,
}

/// What would happen to one step.
#[derive(Clone, Debug, Serialize)]
pub struct StepReport {
    pub step: StepId,
    pub about: &'static str,
    pub key: String,
    /// Whether its output is in the cache.
    pub cached: bool,
    /// Why not: what changed since the last build of this profile.
    pub changes: Vec<String>,
}

/// Everything that a build knows before its first step.
struct Prepared {
    store: Store,
    tools: Toolbox,
    composed: Composed,
    lock: Lock,
    programs: PathBuf,
    seconds: BTreeMap<String, f64>,
}

/// Builds an image.
pub fn build(request: &Request, events: &dyn Events) -> Result<Built> {
    interrupt::watch();
    let begun = Instant::now();
    let store = Store::open(request.cache_dir.as_deref())?;
    let _lock = store.lock()?;
    let Prepared { store, tools, composed, lock, programs, mut seconds } =
        prepare(request, store, Fetching::Now, events)?;
    let out = request.project.out();

    let sources = Sources { composed: &composed, lock: &lock, programs: &programs, tools: &tools };
    let version = version(request, &sources)?;
    let plan = sources.plan(&version)?;
    let steps = Steps { sources, plan: &plan, store: &store, version: &version };
    let (cache_bytes, out_bytes) = room(&steps, request);
    events.note(format_args!(
        "building {} {version}; it needs about {} of disk",
        composed.name,
        ByteSize(cache_bytes + out_bytes)
    ));
    space::check(&[
        Need { place: store.root(), bytes: cache_bytes },
        Need { place: &out, bytes: out_bytes },
    ])?;

    let timings: Timings = execute::run(&steps, request.wanted(), events)?;
    remember(&store, &composed.name, &plan)?;
    let publishing = Instant::now();
    let published = publish::publish(&steps, &request.project, request.wanted())?;
    seconds.insert("publish".into(), publishing.elapsed().as_secs_f64());
    seconds.extend(timings.iter().map(|(id, took)| (id.to_string(), took.as_secs_f64())));
    let image = published.directory.join(format!("ashlar-{}-{version}.raw", composed.name));
    Ok(Built {
        profile: composed.name.clone(),
        version,
        image,
        directory: published.directory,
        files: published.files,
        seconds,
        total_seconds: begun.elapsed().as_secs_f64(),
    })
}

/// Says what a build would do, and why.
pub fn explain(request: &Request, events: &dyn Events) -> Result<Report> {
    interrupt::watch();
    let store = Store::open(request.cache_dir.as_deref())?;
    let _lock = store.lock()?;
    let prepared = prepare(request, store, Fetching::Not, events)?;
    let Prepared { store, tools, composed, lock, programs, .. } = &prepared;
    let sources = Sources { composed, lock, programs, tools };
    let version = version(request, &sources)?;
    let plan = sources.plan(&version)?;
    let steps = Steps { sources, plan: &plan, store, version: &version };
    let last = recall(store, &composed.name);
    let pending = execute::pending(&steps, request.wanted());
    let missing = archive::missing(lock, store);
    let reports = StepId::ALL.into_iter().map(|id| StepReport {
        step: id,
        about: id.about(),
        key: plan.key(id).to_owned(),
        cached: !pending.contains(&id),
        changes: if pending.contains(&id) {
            let changes = plan.changes(id, last.as_ref());
            let gone = || vec!["its output is no longer in the cache".to_owned()];
            if changes.is_empty() { gone() } else { changes }
        } else {
            Vec::new()
        },
    });
    let (cache_bytes, out_bytes) = room(&steps, request);
    Ok(Report {
        profile: composed.name.clone(),
        packages: lock.packages.len(),
        packages_to_fetch: missing.len(),
        bytes_to_fetch: missing.iter().map(|package| package.size).sum(),
        steps: reports.collect(),
        bytes_needed: cache_bytes + out_bytes,
        version,
    })
}

/// Whether preparing includes fetching the packages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fetching {
    Now,
    Not,
}

/// Brings together all that a plan is made from. Compiling our programs needs
/// the processor and the rest mostly the network, so they go side by side.
fn prepare(
    request: &Request,
    store: Store,
    fetching: Fetching,
    events: &dyn Events,
) -> Result<Prepared> {
    let composed = ashlar_recipe::compose(&request.project.recipes(), &request.profile)?;
    if request.locking == Locking::Refuse {
        locking::current(&request.project.recipes(), &composed)?;
    }
    let mut seconds = BTreeMap::new();
    let (programs, downloaded) = std::thread::scope(|scope| {
        let compiling = scope.spawn(|| {
            let begun = Instant::now();
            let programs = agents::ready(&request.project, request.agent_dir.as_deref(), events);
            programs.map(|programs| (programs, begun.elapsed()))
        });
        let downloaded = download(request, &composed, &store, fetching, &mut seconds, events);
        (compiling.join().unwrap_or(Err(SandboxError::Interrupted.into())), downloaded)
    });
    let ((tools, lock), (programs, compiling)) = (downloaded?, programs?);
    seconds.insert("compile".into(), compiling.as_secs_f64());
    seconds.retain(|_, took| *took > 0.1);
    Ok(Prepared { store, tools, composed, lock, programs, seconds })
}

/// Tools, lock and packages: all that comes from Debian's archive.
fn download(
    request: &Request,
    composed: &Composed,
    store: &Store,
    fetching: Fetching,
    seconds: &mut BTreeMap<String, f64>,
    events: &dyn Events,
) -> Result<(Toolbox, Lock)> {
    let recipes = request.project.recipes();
    let mut begun = Instant::now();
    let mut lap = |name: &str| {
        seconds.insert(name.to_owned(), begun.elapsed().as_secs_f64());
        begun = Instant::now();
    };
    if !Toolbox::place(store).is_dir() {
        space::check(&[Need { place: store.root(), bytes: TOOLS_BYTES }])?;
    }
    let tools = Toolbox::ready(store, events)?;
    lap("tools");
    let at = (&tools, store);
    let mut lock = locking::load_or_resolve(&recipes, composed, request.locking, at, events)?;
    lap("lock");
    if fetching == Fetching::Now {
        let bytes = archive::missing(&lock, store).iter().map(|package| package.size).sum();
        space::check(&[Need { place: store.root(), bytes }])?;
        lock = locking::fetch(lock, &recipes, composed, request.locking, at, events)?;
        lap("fetch");
    }
    Ok((tools, lock))
}

fn version(request: &Request, sources: &Sources<'_>) -> Result<String> {
    let Some(version) = &request.version else { return sources.version() };
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

const TOOLS_BYTES: u64 = 1_500_000_000;

/// Bytes that the pending steps take at most, in the cache and in `out/`; from
/// measurements of images between 100 and 700 MB.
fn room(steps: &Steps<'_>, request: &Request) -> (u64, u64) {
    let packed: u64 = steps.sources.lock.packages.iter().map(|package| package.size).sum();
    let pending = execute::pending(steps, request.wanted());
    let tenths = |id: &StepId| match id {
        StepId::Base => 65,
        StepId::Modules => 10,
        StepId::Initrd | StepId::Uki => 3,
        StepId::Root => 60,
        StepId::Checksum => 0,
        StepId::Disk => 25,
        StepId::Compressed => 20,
    };
    let cache = pending.iter().map(|id| packed / 10 * tenths(id)).sum();
    let published = publish::place(&request.project, &steps.sources.composed.name, steps.version);
    (cache, if published.is_dir() { 0 } else { packed / 10 * 25 })
}

fn remember(store: &Store, profile: &str, plan: &Plan) -> Result<()> {
    let path = store.last(profile);
    let text = serde_json::to_vec(plan).unwrap_or_default();
    let new = path.with_extension("new");
    std::fs::write(&new, text).at("written", &new)?;
    Ok(std::fs::rename(&new, &path).at("written", path)?)
}

/// The plan of the last build; nothing if there is none, or one that an older
/// program wrote.
fn recall(store: &Store, profile: &str) -> Option<Plan> {
    serde_json::from_slice(&std::fs::read(store.last(profile)).ok()?).ok()
}
