//! Directories of which the copies are different ones.
//!
//! Boxes that make a directory of one name at the same moment can be served in another
//! order by one brick than by the rest: GlusterFS 11.1, of 1500 such names about three.
//! Each brick then has a directory of that name, and they are different ones by their
//! identity (`trusted.gfid`). A file that this happens to is settled by its majority; a
//! directory never is, and until somebody says which one counts no box can open it, nor
//! does what holds it heal. <https://github.com/gluster/glusterfs/issues/2601>
//!
//! A directory that enough bricks made and another one did not has a mark on each of them
//! that names the other one, also after that was healed; the one that lost has none. So a
//! box knows by its own brick whether its copy counts.

use super::directory;
use anyhow::{Context, Result};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// So many are told of at a time.
const MOST: usize = 16;

/// So many names are looked at: a heal of many files lists them all.
const LOOKED_AT: usize = 2_000;

/// The identity of the volume's own root.
const ROOT: &str = "00000000-0000-0000-0000-000000000001";

/// What marks that another brick missed something begins so.
const PENDING: &str = "trusted.afr.";

/// Says of no brick in particular that something was under way.
const DIRTY: &str = "trusted.afr.dirty";

/// Those that the brick at `brick` is right about, by their paths in the volume, which is
/// mounted at `mount`.
///
/// # Errors
/// When the brick's index cannot be read.
pub(super) fn directories(brick: &Path, mount: &Path) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for (parent, name) in waiting(brick)? {
        let own = parent.join(&name);
        let Some(path) = own.strip_prefix(brick).ok().and_then(Path::to_str) else { continue };
        if is_agreed_on(&own) && opens_for_nobody(&mount.join(path)) {
            found.insert(format!("/{path}"));
        }
        if found.len() >= MOST {
            break;
        }
    }
    Ok(found)
}

/// Where the brick lists what is not healed by name.
pub(super) fn index(brick: &Path) -> PathBuf {
    brick.join(".glusterfs/indices/entry-changes")
}

/// When something last came to wait to be healed by its name, or did so no more; `None` if
/// nothing waits.
pub(super) fn waits_since(brick: &Path) -> Option<SystemTime> {
    let lists = fs::read_dir(index(brick)).ok()?.filter_map(Result::ok);
    let lists = lists.filter(|list| list.file_type().is_ok_and(|kind| kind.is_dir()));
    let any = |list: &fs::DirEntry| {
        fs::read_dir(list.path()).is_ok_and(|mut names| names.next().is_some())
    };
    lists.take(LOOKED_AT).filter(any).filter_map(|list| list.metadata().ok()?.modified().ok()).max()
}

/// What the brick lists as not healed by name: each with the directory that holds it.
fn waiting(brick: &Path) -> Result<Vec<(PathBuf, std::ffi::OsString)>> {
    let index = index(brick);
    let list = |dir: &Path| match fs::read_dir(dir) {
        Ok(entries) => Ok(entries.filter_map(Result::ok).map(|e| e.file_name()).collect()),
        // It was healed meanwhile, or nothing ever waited.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| format!("cannot list {}", dir.display())),
    };
    let mut waiting = Vec::new();
    for id in list(&index)? {
        let Some(parent) = id.to_str().and_then(|id| of_identity(brick, id)) else { continue };
        for name in list(&index.join(&id))? {
            waiting.push((parent.clone(), name));
        }
        if waiting.len() >= LOOKED_AT {
            break;
        }
    }
    Ok(waiting)
}

/// Where a directory lies, by its identity: the brick keeps a link to each.
fn of_identity(brick: &Path, id: &str) -> Option<PathBuf> {
    if id == ROOT {
        return Some(brick.to_owned());
    }
    let place = fs::canonicalize(directory::link(brick, id)?).ok()?;
    place.starts_with(fs::canonicalize(brick).ok()?).then_some(place)
}

/// It is a directory, and was made by as many bricks as it takes, without another one.
fn is_agreed_on(own: &Path) -> bool {
    if !fs::symlink_metadata(own).is_ok_and(|found| found.is_dir()) {
        return false;
    }
    let mut names = vec![0_u8; 64 * 1024];
    let Ok(length) = rustix::fs::listxattr(own, names.as_mut_slice()) else { return false };
    names.truncate(length);
    let mut names =
        names.split(|byte| *byte == 0).filter_map(|name| std::str::from_utf8(name).ok());
    names.any(|name| name.starts_with(PENDING) && name != DIRTY)
}

/// GlusterFS says so of what it cannot tell which one it is.
fn opens_for_nobody(path: &Path) -> bool {
    matches!(rustix::fs::lstat(path), Err(Errno::IO | Errno::NOTCONN))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "0a1b2c3d-0000-0000-0000-000000000007";

    fn brick() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let index = dir.path().join(".glusterfs/indices/entry-changes");
        for id in [ROOT, PARENT] {
            fs::create_dir_all(index.join(id)).unwrap();
        }
        fs::write(index.join("entry-changes-1"), "").unwrap();
        fs::create_dir_all(dir.path().join("shop/tills")).unwrap();
        fs::create_dir_all(dir.path().join(".glusterfs/0a/1b")).unwrap();
        let link = dir.path().join(".glusterfs/0a/1b").join(PARENT);
        std::os::unix::fs::symlink("../../../shop", link).unwrap();
        dir
    }

    #[test]
    fn what_waits_is_found_by_the_identity_of_what_holds_it() {
        let dir = brick();
        let index = dir.path().join(".glusterfs/indices/entry-changes");
        fs::write(index.join(ROOT).join("shop"), "").unwrap();
        fs::write(index.join(PARENT).join("tills"), "").unwrap();
        fs::create_dir(index.join("0a1b2c3d-0000-0000-0000-00000000dead")).unwrap();
        let mut found = waiting(dir.path()).unwrap();
        found.sort();
        let place = |path: &str| dir.path().join(path);
        assert_eq!(found, [(place(""), "shop".into()), (place("shop"), "tills".into())]);
    }

    #[test]
    fn a_directory_without_a_mark_or_that_opens_is_not_told_of() {
        let dir = brick();
        let index = dir.path().join(".glusterfs/indices/entry-changes");
        fs::write(index.join(PARENT).join("tills"), "").unwrap();
        let mount = tempfile::tempdir().unwrap();
        assert_eq!(directories(dir.path(), mount.path()).unwrap(), BTreeSet::new());
        assert!(!is_agreed_on(&dir.path().join("shop/tills")), "it has no mark");
        assert!(!opens_for_nobody(mount.path()) && !opens_for_nobody(&mount.path().join("x")));
    }

    #[test]
    fn a_brick_on_which_nothing_waits_tells_of_nothing() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(directories(dir.path(), dir.path()).unwrap(), BTreeSet::new());
    }
}
