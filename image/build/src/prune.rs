//! One rule for what is removed of cache and `out/`: what nobody used for a while
//! in the one, and all but the newest versions in the other; and never what
//! `latest` names, what a cluster on this host was made from, or what a running
//! process has open.

use crate::error::{At, Result};
use crate::files::{children, size_of};
use crate::project::Project;
use crate::store::Store;
use crate::tools::{Toolbox, ToolsLock};
use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What is kept.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Steps, packages and tools that were used within this time.
    pub used_within: Duration,
    /// As many of the newest versions of each profile.
    pub versions: usize,
    /// Images that clusters on this host were made from.
    pub images: Vec<PathBuf>,
}

/// What was removed.
#[derive(Clone, Debug, Default)]
pub struct Pruned {
    /// Bytes that it took.
    pub bytes: u64,
    /// Versions, as directories.
    pub versions: Vec<PathBuf>,
    /// What the rule would have removed, and something still uses.
    pub in_use: Vec<PathBuf>,
}

/// Removes what the rule does not keep. The caller holds the cache's lock.
///
/// # Errors
///
/// When something cannot be removed.
pub fn prune(store: &Store, project: Option<&Project>, rule: &Rule) -> Result<Pruned> {
    let open = Open::files();
    let mut pruned = Pruned::default();
    if let Some(project) = project {
        versions(&project.out(), rule, &open, &mut pruned)?;
    }
    let tools = Toolbox::place(store, &ToolsLock::of(project)?);
    let in_use = std::cell::RefCell::new(Vec::new());
    // The tools of today are what VMs are started with.
    let today = rule.used_within > Duration::ZERO || !rule.images.is_empty();
    pruned.bytes += store.collect(rule.used_within, |path| {
        let used = open.has_below(path);
        if used {
            in_use.borrow_mut().push(path.to_owned());
        }
        used || (today && path == tools)
    })?;
    pruned.in_use.extend(in_use.into_inner());
    Ok(pruned)
}

fn versions(out: &Path, rule: &Rule, open: &Open, pruned: &mut Pruned) -> Result<()> {
    let profiles = if out.is_dir() { children(out)? } else { Vec::new() };
    for profile in profiles.into_iter().filter(|path| path.is_dir() && !is_hidden(path)) {
        let latest = std::fs::canonicalize(profile.join("latest")).ok();
        let mut found: Vec<(SystemTime, PathBuf)> = children(&profile)?
            .into_iter()
            .filter(|path| !path.is_symlink() && path.join("manifest.json").is_file())
            .filter(|path| !is_hidden(path))
            .filter_map(|path| Some((path.metadata().ok()?.modified().ok()?, path)))
            .collect();
        found.sort_by(|a, b| b.cmp(a));
        for (_, path) in found.into_iter().skip(rule.versions) {
            let real = std::fs::canonicalize(&path).at("found", &path)?;
            if latest.as_ref() == Some(&real) {
                continue;
            }
            let image = |image: &PathBuf| {
                std::fs::canonicalize(image).is_ok_and(|image| image.starts_with(&real))
            };
            if rule.images.iter().any(image) || open.has_below(&path) {
                pruned.in_use.push(path);
                continue;
            }
            pruned.bytes += size_of(&path);
            std::fs::remove_dir_all(&path).at("removed", &path)?;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let _ = std::fs::remove_file(profile.join(format!(".published/{name}.json")));
            pruned.versions.push(path);
        }
    }
    Ok(())
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

/// Files that some process has open or runs, or that are behind a loop device, as
/// far as this user may know.
struct Open(HashSet<(u64, u64)>);

impl Open {
    fn files() -> Self {
        let entries = |path: &Path| {
            let read = std::fs::read_dir(path).into_iter().flatten().flatten();
            read.map(|entry| entry.path()).collect::<Vec<_>>()
        };
        let id = |path: PathBuf| {
            let data = std::fs::metadata(path).ok()?;
            Some((data.dev(), data.ino()))
        };
        let mut all = HashSet::new();
        for process in entries(Path::new("/proc")) {
            let number = process
                .file_name()
                .is_some_and(|name| name.to_string_lossy().chars().all(|c| c.is_ascii_digit()));
            if number {
                all.extend(entries(&process.join("fd")).into_iter().filter_map(id));
                all.extend(
                    ["exe", "cwd", "root"]
                        .map(|name| process.join(name))
                        .into_iter()
                        .filter_map(id),
                );
            }
        }
        for device in entries(Path::new("/sys/block")) {
            let backing = std::fs::read_to_string(device.join("loop/backing_file"));
            all.extend(backing.ok().and_then(|path| id(PathBuf::from(path.trim_end()))));
        }
        Self(all)
    }

    fn has_below(&self, path: &Path) -> bool {
        let files = walkdir::WalkDir::new(path).into_iter().filter_map(std::result::Result::ok);
        let mut ids = files.filter_map(|file| file.metadata().ok()).map(|d| (d.dev(), d.ino()));
        ids.any(|id| self.0.contains(&id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Silent;
    use std::fs::File;

    #[test]
    fn the_newest_the_latest_and_what_is_in_use_stay() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("recipes")).unwrap();
        let project = Project::find(Some(dir.path())).unwrap();
        let store = Store::open(Some(&dir.path().join("cache"))).unwrap();
        let _lock = store.lock(&Silent).unwrap();
        let retail = project.out().join("retail");
        let names = ["0-open", "1-cluster", "2-latest", "3-old", "4-new", "5-newest"];
        for (age, name) in names.iter().rev().enumerate() {
            let version = retail.join(name);
            std::fs::create_dir_all(&version).unwrap();
            for file in ["manifest.json", "x.raw"] {
                std::fs::write(version.join(file), "x").unwrap();
            }
            let time = SystemTime::now() - Duration::from_secs(60 * age as u64);
            File::open(&version).unwrap().set_modified(time).unwrap();
        }
        std::os::unix::fs::symlink("2-latest", retail.join("latest")).unwrap();
        let _open = File::open(retail.join("0-open/x.raw")).unwrap();
        let rule = Rule {
            used_within: Duration::from_secs(60),
            versions: 2,
            images: vec![retail.join("1-cluster/x.raw")],
        };
        let pruned = prune(&store, Some(&project), &rule).unwrap();
        assert_eq!(pruned.versions, [retail.join("3-old")]);
        assert!(!retail.join("3-old").exists());
        for name in names.iter().filter(|name| **name != "3-old") {
            assert!(retail.join(name).is_dir(), "{name}");
        }
        assert_eq!(pruned.in_use.len(), 2, "{:?}", pruned.in_use);
    }

    #[test]
    fn a_step_that_a_process_has_open_is_not_collected() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(Some(dir.path())).unwrap();
        for key in ["held", "free"] {
            let place = store.step("tools", key);
            std::fs::create_dir_all(&place).unwrap();
            std::fs::write(place.join("qemu"), "x").unwrap();
            let long_ago = SystemTime::now() - Duration::from_secs(3600);
            File::open(&place).unwrap().set_modified(long_ago).unwrap();
        }
        let _running = File::open(store.step("tools", "held").join("qemu")).unwrap();
        let rule = Rule { used_within: Duration::ZERO, versions: 1, images: Vec::new() };
        let pruned = prune(&store, None, &rule).unwrap();
        assert_eq!(pruned.in_use, [store.step("tools", "held")]);
        assert!(store.step("tools", "held").is_dir() && !store.step("tools", "free").exists());
    }
}
