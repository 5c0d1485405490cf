//! `ashlar vendor`: all that locks need, in one directory beside a release.
//!
//! ```text
//! <directory>/<profile>.lock, tools.lock    copies of the locks
//! <directory>/debs/*.deb                    every package that they name
//! <directory>/crates/                       what our programs are compiled from
//! <directory>/SHA256SUMS                    of all of them, for `sha256sum --check`
//! ```

use crate::cargo;
use crate::digest;
use crate::error::{At, BuildError, Result};
use crate::events::Events;
use crate::fetch;
use crate::files::{children, write_whole};
use crate::index;
use crate::locking::{Locking, Locksmith};
use crate::project::Project;
use crate::store::Store;
use crate::tools::{self, ToolsLock};
use ashlar_recipe::{Lock, LockedPackage};
use ashlar_sandbox::Sandbox;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

/// The list of checksums.
const SUMS: &str = "SHA256SUMS";

/// What a directory was filled with.
#[derive(Clone, Debug)]
pub struct Vendored {
    /// The directory.
    pub directory: PathBuf,
    /// The profiles that can be built from it.
    pub profiles: Vec<String>,
    /// How many packages are in it, those of the tools as well.
    pub packages: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// Fills a directory with all that the locks of these profiles need. What is
/// there already is checked and kept; what no lock names any more is removed.
pub fn vendor(
    project: &Project,
    profiles: &[String],
    directory: &Path,
    cache: Option<&Path>,
    events: &dyn Events,
) -> Result<Vendored> {
    if directory.is_dir() && !children(directory)?.is_empty() && !directory.join(SUMS).is_file() {
        let what = format!(
            "{} is not empty, and was not made by `ashlar vendor`: name another directory",
            directory.display()
        );
        return Err(BuildError::Unexpected { what });
    }
    let recipes = project.recipes();
    let store = Store::open(cache)?;
    let _held = store.lock(events)?;
    let tools = ToolsLock::of(Some(project))?;
    tools::fetch_all(&store, &tools, events)?;
    let mut locks = BTreeMap::from([(tools::FILE.to_owned(), tools.lock().clone())]);
    for profile in profiles {
        let composed = ashlar_recipe::compose(&recipes, profile)?;
        let smith = Locksmith {
            recipes: &recipes,
            vendor: None,
            locking: Locking::Refuse,
            store: &store,
            events,
        };
        let lock = smith.current(&composed)?;
        smith.have(&lock, &composed)?;
        locks.insert(format!("{profile}.lock"), lock);
    }
    let filled = Filling { store: &store, directory, events };
    let crates = || {
        let _activity = events.begin("keeping the crates of our programs");
        cargo::vendor(project.root(), directory, events)
    };
    let filled = filled.fill(&locks, crates()?)?;
    Ok(Vendored { profiles: profiles.to_vec(), ..filled })
}

/// Fills a directory from the cache.
pub(crate) struct Filling<'a> {
    /// Has every package.
    pub store: &'a Store,
    /// What is filled.
    pub directory: &'a Path,
    /// May end it.
    pub events: &'a dyn Events,
}

impl Filling<'_> {
    /// `sums` is of what is there besides.
    pub(crate) fn fill(
        &self,
        locks: &BTreeMap<String, Lock>,
        mut sums: BTreeMap<String, String>,
    ) -> Result<Vendored> {
        let debs = self.directory.join("debs");
        std::fs::create_dir_all(&debs).at("made", &debs)?;
        let mut files: BTreeMap<String, &LockedPackage> = BTreeMap::new();
        for (name, package) in
            locks.iter().flat_map(|(name, lock)| lock.packages.iter().map(move |it| (name, it)))
        {
            let file = package.file_name();
            if files
                .insert(file.clone(), package)
                .is_some_and(|other| other.sha256 != package.sha256)
            {
                let what = format!(
                    "{name} and another lock have two packages that would both be called {file}: \
                     lock both anew, or give each a directory of its own"
                );
                return Err(BuildError::Unexpected { what });
            }
        }
        for (file, package) in &files {
            self.events.cancel().check()?;
            let place = debs.join(file);
            if !place.is_file() || digest::file(&place)? != package.sha256 {
                self.put(package, &place)?;
            }
            sums.insert(format!("debs/{file}"), package.sha256.clone());
        }
        for old in children(&debs)? {
            let named = old.file_name().and_then(|name| name.to_str());
            if !named.is_some_and(|name| files.contains_key(name)) {
                std::fs::remove_file(&old).at("removed", &old)?;
            }
        }
        for (name, lock) in locks {
            let path = self.directory.join(name);
            lock.save(&path)?;
            sums.insert(name.clone(), digest::file(&path)?);
        }
        for old in children(self.directory)? {
            let lock = old.extension().is_some_and(|extension| extension == "lock");
            let named = old.file_name().and_then(|name| name.to_str());
            if lock && !named.is_some_and(|name| locks.contains_key(name)) {
                std::fs::remove_file(&old).at("removed", &old)?;
            }
        }
        let text: String = sums.iter().map(|(name, sum)| format!("{sum}  {name}\n")).collect();
        write_whole(&self.directory.join(SUMS), text.as_bytes())?;
        sync(&debs)?;
        sync(self.directory)?;
        Ok(Vendored {
            directory: self.directory.to_owned(),
            profiles: Vec::new(),
            packages: files.len(),
            bytes: files.values().map(|package| package.size).sum(),
        })
    }

    /// A copy, and not a link: it must outlive whatever happens to the cache.
    fn put(&self, package: &LockedPackage, place: &Path) -> Result<()> {
        let draft = place.with_extension("part");
        let _ = std::fs::remove_file(&draft);
        let whole = self.store.draft("vendor")?;
        let from = whole.path().join("package.deb");
        fetch::link(self.store, package, &from)?;
        std::fs::copy(&from, &draft).at("copied", &draft)?;
        sync(&draft)?;
        Ok(std::fs::rename(&draft, place).at("made", place)?)
    }
}

fn sync(path: &Path) -> Result<()> {
    Ok(File::open(path).and_then(|file| file.sync_all()).at("written", path)?)
}

/// Makes of a lock's packages, as a vendored directory has them, an archive that
/// another builder's apt takes. `tools` is where `dpkg-deb` runs.
pub fn archive(tools: &Sandbox, directory: &Path, lock: &Lock, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).at("made", to)?;
    for package in &lock.packages {
        let name = package.file_name();
        let from = directory.join("debs").join(&name);
        std::fs::copy(&from, to.join(name)).at("read", from)?;
    }
    index::make(tools, to).map(drop)
}

/// Reads a vendored directory from end to end: whether everything that its locks
/// name is there, and is what they name.
pub fn check_vendored(directory: &Path, events: &dyn Events) -> Result<Vendored> {
    let mut profiles = Vec::new();
    let mut wrong = cargo::check(directory, events)?;
    let mut seen = BTreeMap::new();
    if !directory.join(tools::FILE).is_file() {
        wrong.insert(tools::FILE.to_owned(), "is not there");
    }
    let locks = children(directory)?;
    for path in locks.iter().filter(|path| path.extension().is_some_and(|it| it == "lock")) {
        let lock = Lock::load(path)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if path.file_name().is_some_and(|name| name != tools::FILE) {
            profiles.push(name);
        }
        for package in lock.packages {
            seen.insert(package.file_name(), package);
        }
    }
    for (file, package) in &seen {
        events.cancel().check()?;
        let place = directory.join("debs").join(file);
        if !place.is_file() {
            wrong.insert(format!("debs/{file}"), "is not there");
        } else if digest::file(&place)? != package.sha256 {
            wrong.insert(format!("debs/{file}"), "is damaged: it is not what the lock names");
        }
    }
    if !wrong.is_empty() {
        let lines = wrong.iter().map(|(name, why)| format!("- {name} {why}"));
        return Err(BuildError::NotVendored {
            profile: if profiles.is_empty() { "tools".into() } else { profiles.join(", ") },
            directory: directory.to_owned(),
            packages: lines.collect::<Vec<_>>().join("\n"),
        });
    }
    Ok(Vendored {
        directory: directory.to_owned(),
        profiles,
        packages: seen.len(),
        bytes: seen.values().map(|package| package.size).sum(),
    })
}
