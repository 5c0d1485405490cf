//! What the cache has, for people who look into it or want room.

use crate::contents::Depth;
use crate::error::{At, Result};
use crate::events::Events;
use crate::files::{children, size_of};
use crate::store::Store;
use ashlar_sandbox::Sandbox;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

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
    /// All finished steps, the longest unused first.
    ///
    /// # Errors
    ///
    /// When the cache cannot be read.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        let mut all = Vec::new();
        for step in children_or_none(&self.root().join("steps"))? {
            for path in children(&step)?.into_iter().filter(|path| path.is_dir()) {
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

    /// Reads every byte of every finished step and of the tools, and removes those
    /// that are not what was written; their names.
    ///
    /// # Errors
    ///
    /// When the cache cannot be read.
    pub fn check(&self, events: &dyn Events) -> Result<Vec<String>> {
        // Somebody may be making the tools, whom no build's lock holds up.
        let _held = self.hold("tools", events)?;
        let mut damaged = Vec::new();
        for entry in self.entries()? {
            if !self.usable(&entry.path, Depth::All, events)? {
                damaged.push(format!("{}/{}", entry.step, entry.key));
            }
        }
        Ok(damaged)
    }

    /// Removes steps and packages that no build used for this long, but for those
    /// that `keep` wants; their bytes.
    ///
    /// # Errors
    ///
    /// When something cannot be removed.
    pub fn collect(&self, unused: Duration, keep: impl Fn(&Path) -> bool) -> Result<u64> {
        let now = SystemTime::now();
        let old = |used: SystemTime| {
            now.duration_since(used).is_ok_and(|unused_for| unused_for >= unused)
        };
        let mut freed = 0;
        let entries = self.entries()?;
        let steps = entries.iter().filter(|entry| old(entry.used)).map(|entry| &entry.path);
        for path in steps.filter(|path| !keep(path)) {
            freed += size_of(path);
            self.remove(path)?;
        }
        let debs = children_or_none(&self.root().join("debs"))?;
        for path in debs.into_iter().chain(children_or_none(&self.root().join("programs"))?) {
            let data = std::fs::metadata(&path).at("read", &path)?;
            if data.modified().is_ok_and(old) && !keep(&path) {
                freed += size_of(&path);
                Sandbox::remove(&path)?;
            }
        }
        Ok(freed)
    }
}

fn children_or_none(directory: &Path) -> Result<Vec<PathBuf>> {
    if directory.is_dir() { children(directory) } else { Ok(Vec::new()) }
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn gc_removes_what_is_unused_and_keeps_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(Some(dir.path())).unwrap();
        for key in ["old", "older", "new"] {
            let draft = store.draft("base").unwrap();
            draft.keep(&store.step("base", key)).unwrap();
        }
        for key in ["old", "older"] {
            let old = File::open(store.step("base", key)).unwrap();
            old.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
        }
        store.collect(Duration::from_secs(60), |path| path.ends_with("older")).unwrap();
        let mut left: Vec<String> = store.entries().unwrap().into_iter().map(|e| e.key).collect();
        left.sort();
        assert_eq!(left, ["new", "older"]);
    }
}
