//! The lock file of a profile: reading it, finding out whether it still holds,
//! and having its packages.

use crate::digest;
use crate::error::{BuildError, Result};
use crate::events::Events;
use crate::fetch::{self, Lost, Places};
use crate::project::Project;
use crate::resolve::{self, Question};
use crate::store::Store;
use crate::tools::{self, Toolbox, ToolsLock};
use ashlar_recipe::{Composed, Fault, Lock};
use ashlar_sandbox::{Sandbox, host};
use std::path::{Path, PathBuf};

/// What may happen to a lock that does not hold any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locking {
    /// It is renewed, visibly.
    Renew,
    /// The build stops.
    Refuse,
}

/// What handling the lock of a profile takes.
#[derive(Clone, Copy)]
pub(crate) struct Locksmith<'a> {
    /// The folder of the recipes.
    pub recipes: &'a Path,
    /// A directory that `ashlar vendor` filled: its locks and its packages are
    /// taken, and no other.
    pub vendor: Option<&'a Path>,
    /// What may happen to a lock that does not hold.
    pub locking: Locking,
    /// Where packages are kept.
    pub store: &'a Store,
    /// Is told what happens, and may end it.
    pub events: &'a dyn Events,
}

/// Where the lock of a profile is.
pub(crate) fn path(recipes: &Path, profile: &str) -> PathBuf {
    recipes.join(format!("{profile}.lock"))
}

/// The lock as it is on disk, if it is the recipe's.
pub fn current(recipes: &Path, composed: &Composed) -> Result<Lock> {
    current_at(path(recipes, &composed.name), recipes, composed)
}

fn current_at(path: PathBuf, recipes: &Path, composed: &Composed) -> Result<Lock> {
    let stale = |reason: String| BuildError::LockStale {
        path: path.clone(),
        reason,
        command: format!("ashlar lock --profile {}", composed.name),
    };
    if !path.is_file() {
        return Err(stale("does not exist".into()));
    }
    let lock = match Lock::load(&path) {
        Err(error) if matches!(error.fault, Fault::OldLock { .. }) => {
            return Err(stale(format!("is of an older form: {}", error.fault)));
        }
        other => other?,
    };
    if lock.inputs != composed.wanted().digest() {
        let reason = "is not of this recipe: its packages, its kernel or its archives were \
                      changed since";
        return Err(stale(reason.into()));
    }
    for package in lock.packages.iter().filter(|package| package.archive.is_none()) {
        let file = recipes.join(&package.filename);
        if file.is_file() && digest::file(&file)? != package.sha256 {
            return Err(stale(format!("has another {} than there is", package.filename)));
        }
    }
    Ok(lock)
}

impl Locksmith<'_> {
    /// The lock that is to be built from, wherever that is.
    pub(crate) fn current(&self, composed: &Composed) -> Result<Lock> {
        let at = path(self.vendor.unwrap_or(self.recipes), &composed.name);
        current_at(at, self.recipes, composed)
    }

    /// The lock on disk, or a new one, written to disk, if that one is not the
    /// recipe's.
    pub(crate) fn load_or_resolve(&self, composed: &Composed, tools: &Toolbox) -> Result<Lock> {
        match self.current(composed) {
            Err(BuildError::LockStale { reason, path, .. }) if self.may_renew() => {
                self.events.note(format_args!("{} {reason}; locking", path.display()));
                let old = Lock::load(&path).ok();
                self.renew(composed, old.as_ref(), tools)
            }
            other => other,
        }
    }

    fn may_renew(&self) -> bool {
        self.locking == Locking::Renew && self.vendor.is_none()
    }

    /// Makes all packages of the lock be in the cache, and gives the lock that
    /// this came out with: the same, or, if the archive has moved on and no other
    /// place has what was locked, a new one.
    pub(crate) fn fetch(&self, lock: Lock, composed: &Composed, tools: &Toolbox) -> Result<Lock> {
        let lost = self.lost(&lock, composed)?;
        if lost.is_empty() {
            return Ok(lock);
        }
        let gone = lost.iter().any(|lost| lost.gone);
        if !gone || !self.may_renew() {
            // What a new lock would have instead helps to decide; if the
            // archives cannot be asked, the names alone must do.
            let new = (gone && self.vendor.is_none()).then(|| self.resolve(composed, tools));
            let changes = new.and_then(Result::ok).map(|new| instead(&lock, &new, &lost));
            let changes = changes.unwrap_or_default();
            return Err(fetch::refusal(&composed.name, &lost, self.vendor, changes));
        }
        let names: Vec<&str> = lost.iter().map(|lost| lost.package.name.as_str()).collect();
        self.events.warning(format_args!(
            "no archive has {} any more as locked; locking anew",
            names.join(", ")
        ));
        let lock = self.renew(composed, Some(&lock), tools)?;
        self.have(&lock, composed)?;
        Ok(lock)
    }

    fn lost(&self, lock: &Lock, composed: &Composed) -> Result<Vec<Lost>> {
        let places =
            Places { vendor: self.vendor, recipes: self.recipes, archives: &composed.archives };
        fetch::fetch(&places, self.store, lock, self.events)
    }

    /// Makes all packages of a lock be in the cache, or names those that cannot.
    pub(crate) fn have(&self, lock: &Lock, composed: &Composed) -> Result<()> {
        let lost = self.lost(lock, composed)?;
        if lost.is_empty() {
            return Ok(());
        }
        Err(fetch::refusal(&composed.name, &lost, self.vendor, String::new()))
    }

    fn resolve(&self, composed: &Composed, tools: &Toolbox) -> Result<Lock> {
        let place_of = |name: &str| {
            let lists = ["packages", "firmware.packages"];
            let item =
                lists.iter().find_map(|list| composed.origins.get(&format!("{list}[{name:?}]")));
            let at = item.or_else(|| {
                let kernel = composed.recipe.kernel.package.as_deref() == Some(name);
                composed.origins.get("kernel.package").filter(|_| kernel)
            });
            at.map(ToString::to_string)
        };
        let question = Question {
            name: &composed.name,
            wanted: &composed.wanted(),
            recipes: self.recipes,
            place_of: &place_of,
        };
        let apt = tools.sandbox();
        resolve::resolve(&apt, self.store, &question, self.events)
    }

    /// Resolves anew, says what moved, and writes the lock file.
    fn renew(&self, composed: &Composed, old: Option<&Lock>, tools: &Toolbox) -> Result<Lock> {
        let new = self.resolve(composed, tools)?;
        if let Some(old) = old {
            let diff = old.diff(&new);
            if !diff.is_empty() {
                let text = "packages moved since the last lock";
                self.events.warning(format_args!("{text}:\n{diff}"));
            }
        }
        let path = path(self.recipes, &composed.name);
        new.save(&path)?;
        let count = new.packages.len();
        self.events.note(format_args!("locked {count} packages in {}", path.display()));
        Ok(new)
    }
}

/// What a new lock would have in the place of what is lost.
fn instead(old: &Lock, new: &Lock, lost: &[Lost]) -> String {
    let mut diff = old.diff(new);
    diff.added.clear();
    diff.removed.clear();
    diff.moved.retain(|moved| lost.iter().any(|lost| lost.package.name == moved.from.name));
    if diff.is_empty() { String::new() } else { format!("\nThe archives have now:\n{diff}") }
}

/// The outcome of making one lock.
#[derive(Clone, Debug)]
pub struct Locked {
    /// The lock file.
    pub path: PathBuf,
    /// How many packages.
    pub packages: usize,
    /// Their bytes, packed.
    pub bytes: u64,
    /// What moved, one line a package.
    pub changes: String,
    /// Whether the file was up to date already.
    pub fresh: bool,
}

impl Locked {
    /// Compares a new lock with the file, and, unless it is only to be checked,
    /// puts it there.
    fn put(new: &Lock, path: PathBuf, check: bool) -> Result<Self> {
        let old = match path.is_file().then(|| Lock::load(&path)) {
            Some(Ok(old)) => Some(old),
            // A lock of an older form is not compared, and replaced.
            Some(Err(error)) if matches!(error.fault, Fault::OldLock { .. }) => None,
            Some(Err(error)) => return Err(error.into()),
            None => None,
        };
        let diff = old.as_ref().map(|old| old.diff(new));
        // The date of an archive alone makes no lock out of date.
        let fresh = old.as_ref().is_some_and(|old| old.inputs == new.inputs)
            && diff.as_ref().is_some_and(ashlar_recipe::LockDiff::is_empty);
        if !check && !fresh {
            new.save(&path)?;
        }
        Ok(Self {
            packages: new.packages.len(),
            bytes: new.packages.iter().map(|package| package.size).sum(),
            changes: diff.map(|diff| diff.to_string()).unwrap_or_default(),
            path,
            fresh,
        })
    }
}

/// Locks a profile, or, for `check`, only finds out what that would change.
pub fn lock_profile(
    project: &Project,
    profile: &str,
    cache: Option<&Path>,
    check: bool,
    events: &dyn Events,
) -> Result<Locked> {
    let recipes = project.recipes();
    let composed = ashlar_recipe::compose(&recipes, profile)?;
    let store = Store::open(cache)?;
    let _held = store.lock(events)?;
    let tools = Toolbox::ready(&store, &ToolsLock::of(Some(project))?, events)?;
    let smith = Locksmith {
        recipes: &recipes,
        vendor: None,
        locking: Locking::Renew,
        store: &store,
        events,
    };
    let new = smith.resolve(&composed, &tools)?;
    Locked::put(&new, path(&recipes, profile), check)
}

/// Locks the tools. Their own root is asked if there is one, and else this
/// host's apt: without a lock there can be no root.
pub fn lock_tools(
    project: &Project,
    cache: Option<&Path>,
    check: bool,
    events: &dyn Events,
) -> Result<Locked> {
    let recipes = project.recipes();
    let store = Store::open(cache)?;
    let _held = store.lock(events)?;
    let known = ToolsLock::of(Some(project)).ok();
    let apt = match known.and_then(|lock| Toolbox::found(&store, &lock)) {
        Some(tools) => tools.sandbox(),
        None => {
            host::check(&["bwrap", "apt-get", "dpkg-deb"])?;
            Sandbox::host()
        }
    };
    let question = Question {
        name: "tools",
        wanted: &tools::wanted(&recipes)?,
        recipes: &recipes,
        place_of: &|_| None,
    };
    let apt = apt.until(events.cancel()).logging_to(store.logs()).traced(events.trace());
    let new = resolve::resolve(&apt, &store, &question, events)?;
    Locked::put(&new, recipes.join(tools::FILE), check)
}

#[cfg(test)]
mod tests;
