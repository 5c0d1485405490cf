//! The tools root: a small Debian 13 with every program that makes or runs an
//! image. It is made of exactly the packages of `recipes/tools.lock`, once, so
//! that all hosts use the same tools.

use crate::error::{BuildError, Result};
use crate::events::{Events, Silent};
use crate::fetch::{self, Places};
use crate::project::Project;
use crate::store::{Store, sync};
use crate::{digest, index, layer, locking};
use ashlar_recipe::{Archives, Lock, RELEASE, Wanted};
use ashlar_sandbox::host;
use ashlar_sandbox::{Cancel, Sandbox};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What is in it, each with its reason: `data/tools.list`.
const LIST: &str = include_str!("../data/tools.list");

/// The lock of this program's own list, for a project that has none.
const LOCK: &str = include_str!("../../../recipes/tools.lock");

/// Counts changes of how the root is made.
const REVISION: u32 = 3;

/// What the lock of the tools is called, beside the recipes.
pub(crate) const FILE: &str = "tools.lock";

/// The packages that the tools root is made of, and where they are.
#[derive(Clone, Debug)]
pub struct ToolsLock {
    lock: Lock,
    recipes: PathBuf,
    vendor: Option<PathBuf>,
}

impl ToolsLock {
    /// `recipes/tools.lock` of a project; this program's own without a project,
    /// or if the project has none.
    pub fn of(project: Option<&Project>) -> Result<Self> {
        let recipes = project.map(Project::recipes).unwrap_or_default();
        let path = recipes.join(FILE);
        let lock = if project.is_some() && path.is_file() {
            let lock = Lock::load(&path)?;
            if lock.inputs != wanted(&recipes)?.digest() {
                return Err(BuildError::LockStale {
                    path,
                    reason: "is not of this program's tools".into(),
                    command: "ashlar lock --tools".into(),
                });
            }
            lock
        } else {
            Lock::parse(LOCK, Path::new(FILE))?
        };
        Ok(Self { lock, recipes, vendor: None })
    }

    /// The one in a directory that `ashlar vendor` filled, with its packages.
    pub fn vendored(directory: &Path) -> Result<Self> {
        let lock = Lock::load(&directory.join(FILE))?;
        Ok(Self { lock, recipes: PathBuf::new(), vendor: Some(directory.to_owned()) })
    }

    /// The packages.
    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    fn key(&self) -> String {
        let sums = self.lock.packages.iter().map(|package| format!("{}\n", package.sha256));
        digest::text(format!("{REVISION}\n{}", sums.collect::<String>()))
    }
}

/// What the tools' lock is asked for.
pub(crate) fn wanted(recipes: &Path) -> Result<Wanted> {
    let mut packages: Vec<String> = packages().map(str::to_owned).collect();
    packages.push("apt".into());
    packages.sort();
    packages.dedup();
    let archives = Archives::read(recipes)?.debian(&["main"])?;
    Ok(Wanted { packages, debs: Vec::new(), archives })
}

/// A ready tools root.
#[derive(Clone, Debug)]
pub struct Toolbox {
    sandbox: Sandbox,
    versions: BTreeMap<String, String>,
}

impl Toolbox {
    /// Where it is, or will be.
    pub fn place(store: &Store, lock: &ToolsLock) -> PathBuf {
        store.step("tools", &lock.key()[..32])
    }

    /// Makes it if it is not there yet. Needs the network only then, and only
    /// for packages that are not in the cache.
    pub fn ready(
        store: &Store,
        lock: &ToolsLock,
        cancel: &Cancel,
        events: &dyn Events,
    ) -> Result<Self> {
        let place = Self::place(store, lock);
        host::check(&["bwrap"])?;
        let held = if place.is_dir() { None } else { Some(store.hold("tools", events)?) };
        // Another process may have made it in the meantime.
        if !place.is_dir() {
            host::check(&["mmdebstrap", "dpkg-deb"])?;
            fetch_all(store, lock, cancel, events)?;
            let activity = events.begin("making the tools root (once)");
            let made = bootstrap(store, &lock.lock, &place, (cancel, events));
            drop(activity);
            made?;
        }
        drop(held);
        store.touch(&place);
        Ok(Self::at(&place, store, lock, (cancel, events)))
    }

    /// The tools, if they are there. Writes nothing.
    pub(crate) fn found(store: &Store, lock: &ToolsLock) -> Option<Self> {
        let place = Self::place(store, lock);
        let nobody = (&Cancel::default(), &Silent as &dyn Events);
        place.is_dir().then(|| Self::at(&place, store, lock, nobody))
    }

    fn at(
        place: &Path,
        store: &Store,
        lock: &ToolsLock,
        (cancel, events): (&Cancel, &dyn Events),
    ) -> Self {
        let packages = lock.lock.packages.iter();
        let versions = packages.map(|it| (it.name.clone(), it.version.clone())).collect();
        let sandbox = Sandbox::new(&place.join("root"))
            .until(cancel.clone())
            .logging_to(store.logs())
            .traced(events.trace());
        Self { sandbox, versions }
    }

    /// Where tools are run.
    pub fn sandbox(&self) -> Sandbox {
        self.sandbox.clone()
    }

    /// Hash over the versions of these tools, which decide about a step's events.
    pub fn digest_of(&self, packages: &[&str]) -> String {
        let lines = packages.iter().map(|name| {
            format!("{name} {}\n", self.versions.get(*name).map_or("", String::as_str))
        });
        digest::text(lines.collect::<String>())
    }

    /// The versions of the tools that were asked for by name.
    pub fn named_versions(&self) -> BTreeMap<String, String> {
        let version = |name: &str| self.versions.get(name).cloned();
        packages().filter_map(|name| Some((name.to_owned(), version(name)?))).collect()
    }
}

fn packages() -> impl Iterator<Item = &'static str> {
    LIST.lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|name| !name.is_empty())
}

/// Brings the packages of the tools into the cache.
pub(crate) fn fetch_all(
    store: &Store,
    tools: &ToolsLock,
    cancel: &Cancel,
    events: &dyn Events,
) -> Result<()> {
    let archives = wanted(&tools.recipes)?.archives;
    let places =
        Places { vendor: tools.vendor.as_deref(), recipes: &tools.recipes, archives: &archives };
    let lost = fetch::fetch(&places, store, &tools.lock, cancel, events)?;
    if lost.is_empty() {
        return Ok(());
    }
    Err(locking::refusal("tools", &lost, tools.vendor.as_deref(), String::new()))
}

/// The host's mmdebstrap unpacks them, from a directory and without a network;
/// the packages themselves do the rest.
fn bootstrap(
    store: &Store,
    lock: &Lock,
    place: &Path,
    (cancel, events): (&Cancel, &dyn Events),
) -> Result<()> {
    let repository = store.draft("tools-repository")?;
    for package in &lock.packages {
        fetch::link(store, package, &repository.path().join(package.file_name()))?;
    }
    let host =
        Sandbox::host().until(cancel.clone()).logging_to(store.logs()).traced(events.trace());
    index::make(&host, repository.path())?;
    let draft = store.draft("tools")?;
    let root = draft.path().join("root");
    let include: Vec<&str> = lock.packages.iter().map(|package| package.name.as_str()).collect();
    host.command("making the tools root", "mmdebstrap")
        .mounting()
        .args(["--mode=root", "--variant=apt", "--format=directory", "--architectures=amd64"])
        .arg("--dpkgopt=force-unsafe-io")
        .arg("--aptopt=APT::Install-Recommends false")
        .arg(format!("--include={}", include.join(",")))
        .args([RELEASE, "/run/out/root", "deb [trusted=yes] copy:/run/repo ./"])
        .read(repository.path(), "repo")
        .write(draft.path(), "out")
        .run()?;
    // What mmdebstrap copied from the host would end up in images.
    for name in ["etc/resolv.conf", "etc/hosts", "etc/hostname"] {
        layer::put(&root, name, b"", 0o644)?;
    }
    sync(draft.path())?;
    draft.keep(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_tools_has_no_comments_or_blanks_left_in_its_names() {
        let names: Vec<_> = packages().collect();
        assert!(names.contains(&"mmdebstrap"));
        assert!(names.iter().all(|name| !name.contains([' ', '#'])));
    }

    #[test]
    fn the_lock_of_the_tools_is_of_the_list_of_the_tools() {
        let own = ToolsLock::of(None).unwrap();
        let wanted = wanted(Path::new("/nonexistent")).unwrap();
        assert_eq!(
            own.lock.inputs,
            wanted.digest(),
            "image/build/data/tools.list was changed: run `ashlar lock --tools`"
        );
        for name in packages() {
            assert!(own.lock.packages.iter().any(|it| it.name == name), "{name} is not locked");
        }
    }

    #[test]
    fn the_key_of_a_tools_root_follows_from_the_contents_of_its_packages_alone() {
        let own = ToolsLock::of(None).unwrap();
        let mut moved = own.clone();
        for archive in &mut moved.lock.archives {
            archive.date = "2030-01-01T00:00:00Z".into();
        }
        assert_eq!(moved.key(), own.key());
        moved.lock.packages[0].sha256 = "f".repeat(64);
        assert_ne!(moved.key(), own.key());
    }
}
