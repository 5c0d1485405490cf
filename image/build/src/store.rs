//! The cache: outputs of finished steps by the hash of their inputs, and
//! packages by the hash of their contents.
//!
//! ```text
//! <cache>/steps/<step>/<key>/…    finished; renamed here whole, never changed
//! <cache>/debs/<sha256>.deb       packages
//! <cache>/apt/                    apt's lists
//! <cache>/last/<profile>.json     the inputs of the last build, for --explain
//! <cache>/tmp/                    what is being made; emptied when a build starts
//! <cache>/build.lock              held by the one running build
//! ```

use crate::error::{At, BuildError, Result};
use ashlar_sandbox::Sandbox;
use nix::fcntl::{Flock, FlockArg};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The cache directory.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// Held while a build runs.
#[derive(Debug)]
pub struct BuildLock(#[expect(dead_code, reason = "held")] Flock<File>);

/// A finished step in the cache.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The step's name.
    pub step: String,
    /// The hash of its inputs.
    pub key: String,
    /// Where it is.
    pub path: PathBuf,
    /// When a build last used it.
    pub used: SystemTime,
}

impl Store {
    /// Where the cache is: `named`, or `$XDG_CACHE_HOME/ashlar`, or
    /// `~/.cache/ashlar`. Nothing is made.
    pub fn place(named: Option<&Path>) -> Result<PathBuf> {
        let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let root = match (named, from("XDG_CACHE_HOME"), from("HOME")) {
            (Some(named), ..) => named.to_owned(),
            (None, Some(cache), _) => PathBuf::from(cache).join("ashlar"),
            (None, None, Some(home)) => PathBuf::from(home).join(".cache/ashlar"),
            (None, None, None) => {
                let what = "no place for the cache: set HOME, or give --cache-dir".into();
                return Err(BuildError::Unexpected { what });
            }
        };
        Ok(std::path::absolute(&root).at("found", &root)?)
    }

    /// Opens the cache in its [place](Self::place), and makes it.
    pub fn open(named: Option<&Path>) -> Result<Self> {
        let root = Self::place(named)?;
        for directory in ["steps", "debs", "apt/lists/partial", "apt/state", "last", "tmp"] {
            let path = root.join(directory);
            std::fs::create_dir_all(&path).at("made", path)?;
        }
        Ok(Self { root })
    }

    /// The cache directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes this the only build that uses the cache, and removes what a killed
    /// one left half-written.
    pub fn lock(&self) -> Result<BuildLock> {
        let path = self.root.join("build.lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .at("opened", &path)?;
        let mut lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((mut file, _)) => {
                let mut pid = String::new();
                let _ = file.read_to_string(&mut pid);
                let pid = pid.trim();
                let holder =
                    if pid.is_empty() { String::new() } else { format!(" (process {pid})") };
                return Err(BuildError::Busy { holder, cache: self.root.clone() });
            }
        };
        lock.set_len(0).and_then(|()| lock.rewind()).at("written", &path)?;
        writeln!(lock, "{}", std::process::id()).at("written", &path)?;
        for leftover in children(&self.root.join("tmp"))? {
            Sandbox::remove(&leftover)?;
        }
        Ok(BuildLock(lock))
    }

    /// Where the output of a step is, or will be.
    pub fn step(&self, step: &str, key: &str) -> PathBuf {
        self.root.join("steps").join(step).join(key)
    }

    /// Where a package is, or will be.
    pub fn deb(&self, sha256: &str) -> PathBuf {
        self.root.join("debs").join(format!("{sha256}.deb"))
    }

    /// apt's own directory.
    pub fn apt(&self) -> PathBuf {
        self.root.join("apt")
    }

    /// The inputs of the last build of a profile.
    pub fn last(&self, profile: &str) -> PathBuf {
        self.root.join("last").join(format!("{profile}.json"))
    }

    /// A directory to work in; removed when dropped, unless kept.
    pub fn draft(&self, name: &str) -> Result<Draft> {
        let tmp = self.root.join("tmp");
        let made = tempfile::Builder::new()
            .prefix(&format!("{name}."))
            .tempdir_in(&tmp)
            .at("made", &tmp)?;
        // Others must be able to enter: tools drop to users of their own.
        let path = made.keep();
        set_mode(&path, 0o755)?;
        Ok(Draft { path: Some(path) })
    }

    /// All finished steps, the longest unused first.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        let mut all = Vec::new();
        for step in children(&self.root.join("steps"))? {
            for path in children(&step)? {
                let used = std::fs::metadata(&path).and_then(|data| data.modified());
                all.push(Entry {
                    step: name_of(&step),
                    key: name_of(&path),
                    used: used.at("read", &path)?,
                    path,
                });
            }
        }
        all.sort_by_key(|entry: &Entry| entry.used);
        Ok(all)
    }

    /// Notes that a build used this entry just now, for `cache gc`.
    pub fn touch(&self, entry: &Path) {
        if let Ok(directory) = File::open(entry) {
            let _ = directory.set_modified(SystemTime::now());
        }
    }

    /// Removes steps and packages that no build used for this long; their bytes.
    pub fn collect(&self, unused: Duration) -> Result<u64> {
        let now = SystemTime::now();
        let old = |used: SystemTime| {
            now.duration_since(used).is_ok_and(|unused_for| unused_for >= unused)
        };
        let mut freed = 0;
        for entry in self.entries()?.iter().filter(|entry| old(entry.used)) {
            freed += size_of(&entry.path);
            Sandbox::remove(&entry.path)?;
        }
        for deb in children(&self.root.join("debs"))? {
            let data = std::fs::metadata(&deb).at("read", &deb)?;
            if data.modified().is_ok_and(old) {
                freed += data.len();
                std::fs::remove_file(&deb).at("removed", &deb)?;
            }
        }
        Ok(freed)
    }
}

/// A directory being filled.
#[derive(Debug)]
pub struct Draft {
    path: Option<PathBuf>,
}

impl Draft {
    /// Where it is.
    pub fn path(&self) -> &Path {
        self.path.as_deref().unwrap_or(Path::new(""))
    }

    /// Makes it final: whole, or not at all.
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
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // What cannot be removed now is removed when the next build starts.
            let _ = Sandbox::remove(path);
        }
    }
}

/// The entries of a directory, sorted.
pub(crate) fn children(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(directory).at("read", directory)?;
    let mut paths: Vec<PathBuf> =
        entries.filter_map(|entry| entry.ok().map(|e| e.path())).collect();
    paths.sort();
    Ok(paths)
}

/// Sets the permission bits of a file.
pub(crate) fn set_mode(path: &Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).at("changed", path)?)
}

/// Bytes on disk below a path, as far as they can be seen.
pub fn size_of(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let files = walkdir::WalkDir::new(path).into_iter().filter_map(std::result::Result::ok);
    files.filter_map(|file| file.metadata().ok()).map(|data| data.blocks() * 512).sum()
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_build_is_refused_and_told_who_runs() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(Some(dir.path())).unwrap();
        let held = store.lock().unwrap();
        let error = store.lock().unwrap_err();
        assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
        drop(held);
        store.lock().unwrap();
    }

    #[test]
    fn a_draft_that_was_not_kept_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(Some(dir.path())).unwrap();
        let draft = store.draft("base").unwrap();
        std::fs::write(draft.path().join("half"), "x").unwrap();
        drop(draft);
        assert_eq!(children(&dir.path().join("tmp")).unwrap(), Vec::<PathBuf>::new());
        assert!(store.entries().unwrap().is_empty());
    }

    #[test]
    fn what_a_killed_build_left_is_removed_by_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(Some(dir.path())).unwrap();
        std::mem::forget(store.draft("base").unwrap());
        store.lock().unwrap();
        assert_eq!(children(&dir.path().join("tmp")).unwrap(), Vec::<PathBuf>::new());
    }

    #[test]
    fn gc_removes_what_is_unused_and_keeps_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(Some(dir.path())).unwrap();
        for key in ["old", "new"] {
            let draft = store.draft("base").unwrap();
            draft.keep(&store.step("base", key)).unwrap();
        }
        let old = File::open(store.step("base", "old")).unwrap();
        old.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
        store.collect(Duration::from_secs(60)).unwrap();
        let left: Vec<String> = store.entries().unwrap().into_iter().map(|e| e.key).collect();
        assert_eq!(left, ["new"]);
    }
}
