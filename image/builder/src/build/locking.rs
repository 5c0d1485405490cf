//! The lock file of a profile: reading it, and finding out whether it still
//! holds.

use crate::build::archive::{self, Fetched};
use crate::build::error::{BuildError, Result};
use crate::build::interrupt;
use crate::build::store::Store;
use crate::build::tools::Toolbox;
use crate::output::Output;
use crate::project::Project;
use ashlar_recipe::{Composed, Lock};
use std::path::{Path, PathBuf};

/// What may happen to a lock that does not hold any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Locking {
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
pub(crate) fn current(recipes: &Path, composed: &Composed) -> Result<Lock> {
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
    if lock.inputs != Lock::inputs_of(composed, &archive::suites(composed.components())) {
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
    output: &Output,
) -> Result<Lock> {
    match current(recipes, composed) {
        Ok(lock) => Ok(lock),
        Err(error) if locking == Locking::Refuse => Err(error),
        Err(BuildError::LockStale { reason, path, .. }) => {
            output.note(format_args!("{} {reason}; locking", path.display()));
            let old = Lock::load(&path).ok();
            renew(recipes, composed, old.as_ref(), (tools, store), output)
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
    output: &Output,
) -> Result<Lock> {
    let sandbox = tools.sandbox();
    let Fetched::Vanished(gone) = archive::fetch(&sandbox, store, &lock, output)? else {
        return Ok(lock);
    };
    let names: Vec<&str> = gone.iter().map(|package| package.name.as_str()).collect();
    if locking == Locking::Refuse {
        let new = archive::resolve(&sandbox, store, composed, output)?;
        let mut diff = lock.diff(&new);
        diff.moved.retain(|moved| names.contains(&moved.from.name.as_str()));
        let gone = names.iter().map(|name| format!("- {name}")).collect::<Vec<_>>().join("\n");
        let changes = if diff.is_empty() { gone } else { diff.to_string() };
        return Err(BuildError::Drift { profile: composed.name.clone(), changes });
    }
    output.warning(format_args!(
        "the archive has no more {} as locked; locking anew",
        names.join(", ")
    ));
    let lock = renew(recipes, composed, Some(&lock), (tools, store), output)?;
    match archive::fetch(&sandbox, store, &lock, output)? {
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
pub(crate) struct Locked {
    /// The lock file.
    pub(crate) path: PathBuf,
    /// How many packages.
    pub(crate) packages: usize,
    /// Their bytes, packed.
    pub(crate) bytes: u64,
    /// What moved, one line a package.
    pub(crate) changes: String,
    /// Whether the file was up to date already.
    pub(crate) fresh: bool,
}

/// Locks a profile, or, for `check`, only finds out what that would change.
pub(crate) fn lock_profile(
    project: &Project,
    profile: &str,
    cache: Option<&Path>,
    check: bool,
    output: &Output,
) -> Result<Locked> {
    interrupt::watch();
    let recipes = project.recipes();
    let composed = ashlar_recipe::compose(&recipes, profile)?;
    let store = Store::open(cache)?;
    let _held = store.lock()?;
    let tools = Toolbox::ready(&store, output)?;
    let new = archive::resolve(&tools.sandbox(), &store, &composed, output)?;
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
    output: &Output,
) -> Result<Lock> {
    let new = archive::resolve(&tools.sandbox(), store, composed, output)?;
    if let Some(old) = old {
        let diff = old.diff(&new);
        if !diff.is_empty() {
            output.warning(format_args!("packages moved since the last lock:\n{diff}"));
        }
    }
    let path = path(recipes, &composed.name);
    new.save(&path)?;
    output.note(format_args!("locked {} packages in {}", new.packages.len(), path.display()));
    Ok(new)
}
