//! What a finished step holds, file by file: written down once it is safely on
//! the disk, and compared whenever another step or a person is about to use it.
//!
//! A step counts as finished by this record, not by its directory: a power cut
//! can leave a directory whose files are empty. Files whose place, size and
//! times are as recorded are taken for unchanged; others are read again.

use crate::error::{At, BuildError, Result};
use crate::sparse;
use ashlar_sandbox::Cancel;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// All entries below a directory, by path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Contents(BTreeMap<String, Entry>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    mode: u32,
    owner: (u32, u32),
    size: u64,
    /// Inode, and time of the last change in nanoseconds.
    stamp: (u64, i128),
    /// Of a file: its fingerprint; of a link: its target. A file that belongs to
    /// another user, as some in a root tree do, cannot be read from outside.
    content: Option<String>,
}

/// How closely files are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Every byte of what seems changed.
    Changed,
    /// Every byte.
    All,
}

impl Contents {
    /// Reads all below `root`.
    pub(crate) fn of(root: &Path, cancel: &Cancel) -> Result<Self> {
        let (mut found, _) = list(root)?;
        read(root, &mut found, &|_| true, cancel)?;
        Ok(Self(found))
    }

    /// Whether `root` still holds the same; otherwise what is not the same.
    /// Entries that only seemed changed get their new stamps.
    pub(crate) fn check(&mut self, root: &Path, depth: Depth, cancel: &Cancel) -> Result<Check> {
        self.check_listed(root, list(root)?, depth, cancel)
    }

    fn check_listed(
        &mut self,
        root: &Path,
        (mut found, closed): Listed,
        depth: Depth,
        cancel: &Cancel,
    ) -> Result<Check> {
        // What another user may see there cannot be told.
        let hidden = |name: &str| {
            let above = name.match_indices('/').map(|(end, _)| &name[..end]);
            above.into_iter().any(|above| closed.contains(above))
        };
        let hidden = self.0.iter().filter(|(name, _)| hidden(name));
        let hidden: Vec<_> = hidden.map(|(name, entry)| (name.clone(), entry.clone())).collect();
        let stale = |name: &str, now: &Entry| {
            depth == Depth::All || self.0.get(name).is_none_or(|then| then.stamp != now.stamp)
        };
        let reread: Vec<String> =
            found.iter().filter(|(n, e)| stale(n, e)).map(|(n, _)| n.clone()).collect();
        let reread: BTreeSet<&str> = reread.iter().map(String::as_str).collect();
        read(root, &mut found, &|name| reread.contains(name), cancel)?;
        for (name, entry) in &mut found {
            if !reread.contains(name.as_str()) {
                entry.content = self.0.get(name).and_then(|then| then.content.clone());
            }
        }
        found.extend(hidden);
        let unstamped = |entry: &Entry| Entry { stamp: (0, 0), ..entry.clone() };
        for name in self.0.keys().chain(found.keys()) {
            let (then, now) = (self.0.get(name).map(unstamped), found.get(name).map(unstamped));
            if then != now {
                return Ok(Check::Damaged(name.clone()));
            }
        }
        let moved = self.0 != found;
        self.0 = found;
        Ok(if moved { Check::Restamped } else { Check::Same })
    }

    /// The fingerprint of one file.
    pub(crate) fn fingerprint(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.content.as_deref()
    }
}

/// What a check came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    Same,
    /// The same bytes, in files that seemed changed.
    Restamped,
    /// This entry is not what it was.
    Damaged(String),
}

/// All entries, and the directories among them that this user may not look into.
type Listed = (BTreeMap<String, Entry>, BTreeSet<String>);

fn list(root: &Path) -> Result<Listed> {
    let (mut found, mut closed) = (BTreeMap::new(), BTreeSet::new());
    for entry in walkdir::WalkDir::new(root).min_depth(1) {
        let entry = match entry {
            Ok(entry) => entry,
            // A directory of another user; as with files, its own entry counts.
            Err(error) if denied(&error) => {
                let below = error.path().and_then(|path| path.strip_prefix(root).ok());
                closed.extend(below.map(text));
                continue;
            }
            Err(error) => return Ok(Err(error.into()).at("read", root)?),
        };
        let data = entry.metadata().map_err(std::io::Error::from).at("read", entry.path())?;
        let name = entry.path().strip_prefix(root).unwrap_or(entry.path());
        // Directories have the size that their file system gives them.
        let size = if data.is_dir() { 0 } else { data.size() };
        let time = i128::from(data.ctime()) * 1_000_000_000 + i128::from(data.ctime_nsec());
        found.insert(
            text(name),
            Entry {
                mode: data.mode(),
                owner: (data.uid(), data.gid()),
                size,
                stamp: (data.ino(), if data.is_dir() { 0 } else { time }),
                content: None,
            },
        );
    }
    Ok((found, closed))
}

fn denied(error: &walkdir::Error) -> bool {
    error.io_error().is_some_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
}

/// A name as text; bytes that are none are written as hex, so that two names
/// never read alike.
fn text(name: &Path) -> String {
    name.to_str().map_or_else(|| hex::encode(name.as_os_str().as_bytes()), str::to_owned)
}

/// Reads the chosen entries, on all processors.
fn read(
    root: &Path,
    entries: &mut BTreeMap<String, Entry>,
    chosen: &dyn Fn(&str) -> bool,
    cancel: &Cancel,
) -> Result<()> {
    let work: Vec<(&String, &mut Entry)> =
        entries.iter_mut().filter(|(name, _)| chosen(name)).collect();
    let work: Vec<Mutex<(&String, &mut Entry)>> = work.into_iter().map(Mutex::new).collect();
    let next = AtomicUsize::new(0);
    let one = || -> Result<()> {
        while let Some(item) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut item = item.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let path = root.join(item.0);
            item.1.content = content(&path, item.1.mode, cancel)?;
        }
        Ok(())
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        running.into_iter().try_for_each(|thread| {
            let died = || BuildError::Unexpected { what: "hashing ended early".into() };
            thread.join().unwrap_or_else(|_| Err(died()))
        })
    })
}

fn content(path: &Path, mode: u32, cancel: &Cancel) -> Result<Option<String>> {
    const KIND: u32 = 0o170_000;
    match mode & KIND {
        0o100_000 => match std::fs::File::open(path) {
            Ok(_) => sparse::fingerprint(path, cancel).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(None),
            Err(error) => Ok(Err(error).at("read", path)?),
        },
        0o120_000 => Ok(Some(text(&std::fs::read_link(path).at("read", path)?))),
        _ => Ok(None),
    }
}

/// Where the record of a directory is: beside it.
pub(crate) fn record_of(directory: &Path) -> PathBuf {
    let mut name = directory.as_os_str().to_owned();
    name.push(".contents");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn tree() -> (tempfile::TempDir, Contents) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        std::fs::write(dir.path().join("etc/passwd"), "root").unwrap();
        std::os::unix::fs::symlink("etc", dir.path().join("link")).unwrap();
        let contents = Contents::of(dir.path(), &Cancel::default()).unwrap();
        (dir, contents)
    }

    fn check(dir: &tempfile::TempDir, contents: &Contents) -> Check {
        contents.clone().check(dir.path(), Depth::Changed, &Cancel::default()).unwrap()
    }

    #[test]
    fn a_flipped_byte_a_mode_a_link_and_an_extra_file_are_noticed() {
        type Damage = fn(&Path);
        let damages: [(&str, Damage); 5] = [
            ("etc/passwd", |at| {
                // The same size, and the old time of writing.
                let path = at.join("etc/passwd");
                let old = path.metadata().unwrap().modified().unwrap();
                std::fs::write(&path, "rooT").unwrap();
                std::fs::File::options()
                    .append(true)
                    .open(&path)
                    .unwrap()
                    .set_modified(old)
                    .unwrap();
            }),
            ("etc/passwd", |at| {
                let mode = std::fs::Permissions::from_mode(0o600);
                std::fs::set_permissions(at.join("etc/passwd"), mode).unwrap();
            }),
            ("etc/passwd", |at| std::fs::remove_file(at.join("etc/passwd")).unwrap()),
            ("etc/shadow", |at| std::fs::write(at.join("etc/shadow"), "").unwrap()),
            ("link", |at| {
                std::fs::remove_file(at.join("link")).unwrap();
                std::os::unix::fs::symlink("usr", at.join("link")).unwrap();
            }),
        ];
        for (name, damage) in damages {
            let (dir, contents) = tree();
            assert_eq!(check(&dir, &contents), Check::Same);
            damage(dir.path());
            assert_eq!(check(&dir, &contents), Check::Damaged(name.into()));
        }
    }

    #[test]
    fn what_only_seems_changed_is_read_again_and_stays() {
        let (dir, mut contents) = tree();
        std::fs::hard_link(dir.path().join("etc/passwd"), dir.path().join("../x-link")).unwrap();
        std::fs::remove_file(dir.path().join("../x-link")).unwrap();
        let mut look = || contents.check(dir.path(), Depth::Changed, &Cancel::default()).unwrap();
        assert_eq!(look(), Check::Restamped);
        assert_eq!(look(), Check::Same);
    }

    #[test]
    fn every_byte_is_read_on_demand() {
        let (dir, mut contents) = tree();
        // As a disk would do it that forgets: no time tells of the change.
        let entry = contents.0.get_mut("etc/passwd").unwrap();
        entry.content = Some("what it held before".into());
        let mut look = |depth| contents.check(dir.path(), depth, &Cancel::default()).unwrap();
        assert_eq!(look(Depth::Changed), Check::Same);
        assert_eq!(look(Depth::All), Check::Damaged("etc/passwd".into()));
    }

    #[test]
    fn what_only_its_owner_may_look_into_is_no_damage_to_others() {
        let (dir, contents) = tree();
        let look = |closed: &[&str]| {
            let (mut found, _) = list(dir.path()).unwrap();
            found.remove("etc/passwd");
            let listed = (found, closed.iter().map(|name| (*name).to_owned()).collect());
            let (depth, cancel) = (Depth::Changed, Cancel::default());
            contents.clone().check_listed(dir.path(), listed, depth, &cancel).unwrap()
        };
        assert_eq!(look(&["etc"]), Check::Same);
        assert_eq!(look(&["et"]), Check::Damaged("etc/passwd".into()));
    }
}
