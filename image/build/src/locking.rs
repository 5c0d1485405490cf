//! The lock file of a profile: reading it, and finding out whether it still
//! holds.

use crate::archive::{self, Fetched};
use crate::error::{BuildError, Result};
use crate::events::Events;
use crate::project::Project;
use crate::store::Store;
use crate::tools::Toolbox;
use ashlar_recipe::{Composed, Lock};
use ashlar_sandbox::interrupt;
use std::path::{Path, PathBuf};

/// What may happen to a lock that does not hold any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locking {
    /// It is renewed, visibly.
    Renew,
    /// The build stops.
    Refuse,
}

/// Where the lock of a profile is.
pub(crate) fn path(recipes: &Path, profile: &str) -> PathBuf {
    recipes.join(format!("{profile}.lock"))
}

/// The lock as it is on disk, if it is the recipe's.
pub fn current(recipes: &Path, composed: &Composed) -> Result<Lock> {
    let path = path(recipes, &composed.name);
    let stale = |reason: &str| BuildError::LockStale {
        path: path.clone(),
        reason: reason.into(),
        profile: composed.name.clone(),
    };
    if !path.is_file() {
        return Err(stale("does not exist"));
    }
    let lock = Lock::load(&path)?;
    if lock.inputs != Lock::inputs_of(composed, &archive::suites(&composed.components())) {
        return Err(stale("is not of this recipe: its packages or its kernel were changed since"));
    }
    Ok(lock)
}

/// The lock on disk, or a new one, written to disk, if that one is not the
/// recipe's.
pub(crate) fn load_or_resolve(
    recipes: &Path,
    composed: &Composed,
    locking: Locking,
    (tools, store): (&Toolbox, &Store),
    events: &dyn Events,
) -> Result<Lock> {
    match current(recipes, composed) {
        Ok(lock) => Ok(lock),
        Err(error) if locking == Locking::Refuse => Err(error),
        Err(BuildError::LockStale { reason, path, .. }) => {
            events.note(format_args!("{} {reason}; locking", path.display()));
            let old = Lock::load(&path).ok();
            renew(recipes, composed, old.as_ref(), (tools, store), events)
        }
        Err(error) => Err(error),
    }
}

/// Makes all packages of the lock be in the cache, and gives the lock that this
/// came out with: the same, or, if the archive has moved on, a new one.
pub(crate) fn fetch(
    lock: Lock,
    recipes: &Path,
    composed: &Composed,
    locking: Locking,
    (tools, store): (&Toolbox, &Store),
    events: &dyn Events,
) -> Result<Lock> {
    let sandbox = tools.sandbox();
    let Fetched::Vanished(gone) = archive::fetch(&sandbox, store, &lock, events)? else {
        return Ok(lock);
    };
    let names: Vec<&str> = gone.iter().map(|package| package.name.as_str()).collect();
    if locking == Locking::Refuse {
        let new = archive::resolve(&sandbox, store, composed, events)?;
        let mut diff = lock.diff(&new);
        diff.moved.retain(|moved| names.contains(&moved.from.name.as_str()));
        let gone = names.iter().map(|name| format!("- {name}")).collect::<Vec<_>>().join("\n");
        let changes = if diff.is_empty() { gone } else { diff.to_string() };
        return Err(BuildError::Drift { profile: composed.name.clone(), changes });
    }
    events.warning(format_args!(
        "the archive has no more {} as locked; locking anew",
        names.join(", ")
    ));
    let lock = renew(recipes, composed, Some(&lock), (tools, store), events)?;
    match archive::fetch(&sandbox, store, &lock, events)? {
        Fetched::All => Ok(lock),
        Fetched::Vanished(gone) => Err(BuildError::Fetch {
            name: gone[0].name.clone(),
            version: gone[0].version.clone(),
            reason: "the archive lists it and does not have it; try again in some minutes".into(),
        }),
    }
}

/// The outcome of locking one profile.
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

/// Locks a profile, or, for `check`, only finds out what that would change.
pub fn lock_profile(
    project: &Project,
    profile: &str,
    cache: Option<&Path>,
    check: bool,
    events: &dyn Events,
) -> Result<Locked> {
    interrupt::watch();
    let recipes = project.recipes();
    let composed = ashlar_recipe::compose(&recipes, profile)?;
    let store = Store::open(cache)?;
    let _held = store.lock()?;
    let tools = Toolbox::ready(&store, events)?;
    let new = archive::resolve(&tools.sandbox(), &store, &composed, events)?;
    let path = path(&recipes, profile);
    let old = if path.is_file() { Some(Lock::load(&path)?) } else { None };
    let fresh = old.as_ref() == Some(&new);
    if !check && !fresh {
        new.save(&path)?;
    }
    Ok(Locked {
        packages: new.packages.len(),
        bytes: new.packages.iter().map(|package| package.size).sum(),
        changes: old.map(|old| old.diff(&new).to_string()).unwrap_or_default(),
        path,
        fresh,
    })
}

/// Resolves anew, says what moved, and writes the lock file.
pub(crate) fn renew(
    recipes: &Path,
    composed: &Composed,
    old: Option<&Lock>,
    (tools, store): (&Toolbox, &Store),
    events: &dyn Events,
) -> Result<Lock> {
    let new = archive::resolve(&tools.sandbox(), store, composed, events)?;
    if let Some(old) = old {
        let diff = old.diff(&new);
        if !diff.is_empty() {
            events.warning(format_args!("packages moved since the last lock:\n{diff}"));
        }
    }
    let path = path(recipes, &composed.name);
    new.save(&path)?;
    events.note(format_args!("locked {} packages in {}", new.packages.len(), path.display()));
    Ok(new)
}
