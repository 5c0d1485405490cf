//! Where things are made before they are in their place: a directory for each
//! process, which is locked for as long as the process lives, so that whatever a
//! killed one left is told from what others are making.

use crate::error::{At, Result};
use crate::files::{children, set_mode};
use ashlar_sandbox::Sandbox;
use nix::fcntl::{Flock, FlockArg};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The drafts of one process; clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Drafts {
    /// The directory of all processes.
    tmp: PathBuf,
    /// That of this one, from the first draft on.
    session: Arc<Mutex<Option<Session>>>,
}

/// A directory of drafts that belongs to one process.
#[derive(Debug)]
struct Session {
    path: PathBuf,
    /// The directory itself, locked: whoever finds it unlocked may remove it.
    _lock: Flock<File>,
}

impl Drop for Session {
    fn drop(&mut self) {
        // Stays if a draft was kept for a look at it.
        let _ = std::fs::remove_dir(&self.path);
    }
}

impl Drafts {
    /// Below this directory, which is made when it is needed.
    pub(crate) fn below(tmp: PathBuf) -> Self {
        Self { tmp, session: Arc::default() }
    }

    /// A directory to work in.
    pub(crate) fn make(&self, name: &str) -> Result<Draft> {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let session = match &mut *session {
            Some(session) => session,
            none => none.insert(Session::begin(&self.tmp)?),
        };
        let path = make_directory(&session.path, name)?;
        Ok(Draft { path: Some(path), _drafts: self.clone() })
    }

    /// Removes the drafts of processes that are gone.
    pub(crate) fn sweep(&self) -> Result<()> {
        let tmp = &self.tmp;
        let mut left = Vec::new();
        {
            let _alone = lock_directory(tmp, FlockArg::LockExclusive)?;
            for path in children(tmp)? {
                if !path.is_dir() {
                    left.push((path, None));
                } else if let Ok(lock) = lock_directory(&path, FlockArg::LockExclusiveNonblock) {
                    left.push((path, Some(lock)));
                }
            }
        }
        for (path, _lock) in &left {
            Sandbox::remove(path)?;
        }
        Ok(())
    }
}

impl Session {
    fn begin(tmp: &Path) -> Result<Self> {
        std::fs::create_dir_all(tmp).at("made", tmp)?;
        // Nobody sweeps between making the directory and locking it.
        let _shared = lock_directory(tmp, FlockArg::LockShared)?;
        let path = make_directory(tmp, &std::process::id().to_string())?;
        let lock = lock_directory(&path, FlockArg::LockExclusive)?;
        Ok(Self { path, _lock: lock })
    }
}

fn make_directory(parent: &Path, name: &str) -> Result<PathBuf> {
    let made = tempfile::Builder::new().prefix(&format!("{name}.")).tempdir_in(parent);
    let path = made.at("made", parent)?.keep();
    // Others must be able to enter: tools drop to users of their own.
    set_mode(&path, 0o755)?;
    Ok(path)
}

fn lock_directory(path: &Path, how: FlockArg) -> Result<Flock<File>> {
    let file = File::open(path).at("opened", path)?;
    let locked = Flock::lock(file, how).map_err(|(_, error)| std::io::Error::from(error));
    Ok(locked.at("locked", path)?)
}

/// A directory being filled.
#[derive(Debug)]
pub struct Draft {
    path: Option<PathBuf>,
    /// Keeps the directory of this process's drafts.
    _drafts: Drafts,
}

impl Draft {
    /// Where it is.
    pub fn path(&self) -> &Path {
        self.path.as_deref().unwrap_or(Path::new(""))
    }

    /// Puts it in its place.
    ///
    /// # Errors
    ///
    /// When it cannot be renamed.
    pub fn keep(mut self, at: &Path) -> Result<()> {
        let Some(path) = self.path.take() else { return Ok(()) };
        if let Some(parent) = at.parent() {
            std::fs::create_dir_all(parent).at("made", parent)?;
        }
        let renamed = std::fs::rename(&path, at).at("made", at);
        if renamed.is_err() {
            self.path = Some(path);
        }
        Ok(renamed?)
    }

    /// Leaves it where it is, until the next build, for a look at it.
    pub(crate) fn leave(mut self) {
        self.path = None;
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // What cannot be removed now is removed when the next build starts.
            let _ = Sandbox::remove(path);
        }
    }
}
