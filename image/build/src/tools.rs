//! The tools root: a small Debian 13 with every program that makes or runs an
//! image. It is made of exactly the packages of `recipes/tools.lock`, once, so
//! that all hosts use the same tools.

use crate::contents::Depth;
use crate::error::{BuildError, Result};
use crate::events::{Events, Silent};
use crate::fetch::{self, Places};
use crate::project::Project;
use crate::store::Store;
use crate::{bootstrap, digest};
use ashlar_recipe::{Archives, Lock, Wanted};
use ashlar_sandbox::Sandbox;
use ashlar_sandbox::host;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What is in it, each with its reason: `data/tools.list`.
const LIST: &str = include_str!("../data/tools.list");

/// The lock of this program's own list, for a project that has none.
const LOCK: &str = include_str!("../../../recipes/tools.lock");

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

    /// The same, with other contents of one package.
    #[cfg(test)]
    pub(crate) fn with(&self, name: &str, sha256: &str) -> Self {
        let mut other = self.clone();
        let mut packages = other.lock.packages.iter_mut();
        packages.find(|package| package.name == name).unwrap().sha256 = sha256.to_owned();
        other
    }

    /// Hash of all packages, libraries among them, and of how the root is made.
    fn key(&self) -> String {
        let sums = self.lock.packages.iter().map(|package| format!("{}\n", package.sha256));
        digest::text(format!("{}\n{}", sums.collect::<String>(), bootstrap::how()))
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
    key: String,
    versions: BTreeMap<String, String>,
}

impl Toolbox {
    /// Where it is, or will be.
    pub fn place(store: &Store, lock: &ToolsLock) -> PathBuf {
        store.step("tools", &lock.key()[..32])
    }

    /// Looks at it by the same rule as at a finished step, and makes it if it is not
    /// there, or is not what was made. Needs the network only then, and only for
    /// packages that are not in the cache.
    pub fn ready(store: &Store, lock: &ToolsLock, events: &dyn Events) -> Result<Self> {
        let place = Self::place(store, lock);
        host::check(&["bwrap"])?;
        whole(store, &place, events, &|| {
            host::check(&["mmdebstrap", "dpkg-deb"])?;
            let make = || {
                fetch_all(store, lock, events)?;
                let _activity = events.begin("making the tools root (once)");
                bootstrap::bootstrap(store, &lock.lock, &place, events)
            };
            match make() {
                Err(BuildError::Damaged { name, .. }) => {
                    fetch::again(&name, events);
                    make()
                }
                made => made,
            }
        })?;
        store.touch(&place);
        Ok(Self::at(&place, lock, store, events))
    }

    /// The tools, if they are there, as far as can be told without looking at them.
    /// Writes nothing.
    pub fn found(store: &Store, lock: &ToolsLock) -> Option<Self> {
        let place = Self::place(store, lock);
        store.has(&place).then(|| Self::at(&place, lock, store, &Silent))
    }

    /// What this host has.
    #[cfg(test)]
    pub(crate) fn of_host() -> Self {
        Self { sandbox: Sandbox::host(), key: String::new(), versions: BTreeMap::new() }
    }

    #[cfg(test)]
    pub(crate) fn unlooked(store: &Store, lock: &ToolsLock) -> Self {
        Self::at(&Self::place(store, lock), lock, store, &Silent)
    }

    fn at(place: &Path, lock: &ToolsLock, store: &Store, events: &dyn Events) -> Self {
        let packages = lock.lock.packages.iter();
        let versions = packages.map(|it| (it.name.clone(), it.version.clone())).collect();
        let sandbox = Sandbox::new(&place.join("root"))
            .until(events.cancel())
            .logging_to(store.logs())
            .traced(events.trace());
        Self { sandbox, key: lock.key(), versions }
    }

    /// Where tools are run.
    pub fn sandbox(&self) -> Sandbox {
        self.sandbox.clone()
    }

    /// Hash of all that is in it. What a tool makes depends on its libraries, its
    /// interpreter and theirs as well, so there is none of a single tool.
    pub(crate) fn digest(&self) -> &str {
        &self.key
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

/// Makes a root, unless it is there and is what was made.
fn whole(
    store: &Store,
    place: &Path,
    events: &dyn Events,
    make: &dyn Fn() -> Result<()>,
) -> Result<()> {
    if store.damage(place, Depth::Changed, &events.cancel())?.is_none() {
        return Ok(());
    }
    let _held = store.hold("tools", events)?;
    // Another process may have made it in the meantime.
    if store.usable(place, Depth::Changed, events)? { Ok(()) } else { make() }
}

/// Brings the packages of the tools into the cache.
pub(crate) fn fetch_all(store: &Store, tools: &ToolsLock, events: &dyn Events) -> Result<()> {
    let archives = wanted(&tools.recipes)?.archives;
    let places =
        Places { vendor: tools.vendor.as_deref(), recipes: &tools.recipes, archives: &archives };
    let lost = fetch::fetch(&places, store, &tools.lock, events)?;
    if lost.is_empty() {
        return Ok(());
    }
    Err(fetch::refusal("tools", &lost, tools.vendor.as_deref(), String::new()))
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
    fn the_key_of_a_tools_root_follows_from_the_contents_of_its_packages_and_how_it_is_made() {
        let own = ToolsLock::of(None).unwrap();
        let mut moved = own.clone();
        for archive in &mut moved.lock.archives {
            archive.date = "2030-01-01T00:00:00Z".into();
        }
        assert_eq!(moved.key(), own.key());
        assert_ne!(own.with("libzstd1", &"f".repeat(64)).key(), own.key());
        let how = bootstrap::how();
        assert!(how.contains("--variant=apt") && how.contains("Codename") && how.contains("TZ="));
    }

    #[test]
    fn a_flipped_byte_in_the_tools_is_noticed_and_they_are_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(Some(dir.path())).unwrap();
        let lock = ToolsLock::of(None).unwrap();
        let place = Toolbox::place(&store, &lock);
        let tool = place.join("root/usr/bin/mkfs.erofs");
        let made = std::cell::Cell::new(0);
        let lay = || {
            std::fs::create_dir_all(tool.parent().unwrap()).unwrap();
            std::fs::write(&tool, "packs").unwrap();
        };
        let ready = || {
            whole(&store, &place, &Silent, &|| {
                lay();
                made.set(made.get() + 1);
                store.seal(&place, &Silent.cancel())
            })
            .unwrap();
            made.get()
        };
        // As a power cut may leave it.
        lay();
        assert!(Toolbox::found(&store, &lock).is_none());
        assert_eq!((ready(), ready()), (1, 1));
        assert!(Toolbox::found(&store, &lock).is_some());

        std::fs::write(&tool, "pacKs").unwrap();
        assert_eq!((ready(), ready()), (2, 2));
        assert!(store.check(&Silent).unwrap().is_empty());
        std::fs::write(&tool, "pacKs").unwrap();
        let key = place.file_name().unwrap().to_string_lossy();
        assert_eq!(store.check(&Silent).unwrap(), [format!("tools/{key}")]);
    }
}
