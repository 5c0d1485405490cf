//! Small files that survive a power cut: each is either the old one or the new
//! one, never a part of either.

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Write};
use std::ops::RangeInclusive;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use zeroize::Zeroizing;

/// Makes `dir` and its parents, readable by root only, where they are missing.
pub(crate) fn make_private_dir(dir: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("cannot make the directory {}", dir.display()))
}

/// Makes `dir` where it is missing, for everyone to read whatever the umask.
pub(crate) fn make_public_dir(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir)
        .and_then(|()| fs::set_permissions(dir, Permissions::from_mode(0o755)))
        .with_context(|| format!("cannot make the directory {}", dir.display()))
}

/// Replaces `path` by `bytes`: temporary file, fsync, rename, fsync of the
/// directory, so that a power cut leaves one of the two whole versions.
pub(crate) fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let dir = path.parent().context("a file to write needs a directory")?;
    let replace = || -> std::io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(dir)?;
        file.write_all(bytes)?;
        // Set, not asked for at creation: the umask must not take it back.
        file.as_file().set_permissions(Permissions::from_mode(mode))?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|e| e.error)?;
        File::open(dir)?.sync_all()
    };
    replace().with_context(|| format!("cannot write {}", path.display()))
}

/// Like [`write()`], but leaves a file alone that already says the same.
/// Returns whether it wrote.
pub(crate) fn write_if_changed(path: &Path, bytes: &[u8], mode: u32) -> Result<bool> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(false);
    }
    write(path, bytes, mode).map(|()| true)
}

/// Replaces `path` by `value` as JSON.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T, mode: u32) -> Result<()> {
    let mut bytes = serde_json::to_vec_pretty(value).context("cannot encode the state")?;
    bytes.push(b'\n');
    write(path, &bytes, mode)
}

/// Reads JSON; `None` if there is no such file.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    bytes(path)?.map(|bytes| parse(path, &bytes)).transpose()
}

/// What the agent knows of a kind of file that says its version: an older release reads
/// what a newer one wrote, or refuses it and says what to do.
#[derive(Debug)]
pub(crate) struct Versioned {
    /// The versions that this release reads.
    pub(crate) reads: RangeInclusive<u32>,
    /// What to do about a file of another one.
    pub(crate) cure: &'static str,
}

impl Versioned {
    /// Reads JSON; `None` if there is no such file. Its version is looked at first: what
    /// else is in a newer one is not known.
    pub(crate) fn read<T: DeserializeOwned>(&self, path: &Path) -> Result<Option<T>> {
        #[derive(Deserialize)]
        struct Said {
            version: u32,
        }
        let Some(bytes) = bytes(path)? else { return Ok(None) };
        let Said { version } = parse(path, &bytes)?;
        let (name, Self { reads, cure }) = (path.display(), self);
        let (first, last) = (reads.start(), reads.end());
        let known = if first == last { format!("{last}") } else { format!("{first} to {last}") };
        ensure!(
            reads.contains(&version),
            "{name} is of version {version}, this release reads version {known}: {cure}"
        );
        parse(path, &bytes).map(Some)
    }
}

/// The bytes of a file, which may be a key's; `None` if there is no such file.
fn bytes(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(Zeroizing::new(bytes))),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes)
        .with_context(|| format!("{} does not hold what the agent wrote", path.display()))
}

/// Removes a file, if it is there.
pub(crate) fn remove(path: &Path) -> Result<()> {
    gone(fs::remove_file(path)).with_context(|| format!("cannot remove {}", path.display()))
}

/// Removes a directory with all that is in it, if it is there.
pub(crate) fn remove_dir(path: &Path) -> Result<()> {
    gone(fs::remove_dir_all(path)).with_context(|| format!("cannot remove {}", path.display()))
}

fn gone(removed: std::io::Result<()>) -> std::io::Result<()> {
    removed.or_else(|e| if e.kind() == ErrorKind::NotFound { Ok(()) } else { Err(e) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_file_has_its_mode_and_leaves_no_temporary_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity.json");
        write_json(&path, &vec![1, 2], 0o600).unwrap();
        write_json(&path, &vec![3], 0o600).unwrap();
        assert_eq!(read_json::<Vec<u8>>(&path).unwrap(), Some(vec![3]));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_file_is_nothing_and_a_broken_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("membership.json");
        assert_eq!(read_json::<Vec<u8>>(&path).unwrap(), None);
        fs::write(&path, "{").unwrap();
        let error = format!("{:#}", read_json::<Vec<u8>>(&path).unwrap_err());
        assert!(error.contains("membership.json"), "{error}");
    }

    #[test]
    fn a_file_of_another_version_is_refused_with_its_cure_whatever_else_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("yields.json");
        let file = Versioned { reads: 2..=3, cure: "go back to the newer release" };
        assert_eq!(file.read::<Vec<u8>>(&path).unwrap(), None);
        fs::write(&path, r#"{"version":3,"into":"a"}"#).unwrap();
        let read: serde_json::Value = file.read(&path).unwrap().unwrap();
        assert_eq!(read["into"], "a");
        for version in [1, 4] {
            fs::write(&path, format!(r#"{{"version":{version},"into":{{"another":"shape"}}}}"#))
                .unwrap();
            let error = file.read::<std::collections::BTreeMap<String, u8>>(&path).unwrap_err();
            let error = error.to_string();
            let words = format!(
                "yields.json is of version {version}, this release reads version 2 to 3: go back \
                 to the newer release"
            );
            assert!(error.ends_with(&words), "{error}");
        }
        fs::write(&path, r#"{"into":"a"}"#).unwrap();
        let error = file.read::<serde_json::Value>(&path).unwrap_err().to_string();
        assert!(error.contains("does not hold what the agent wrote"), "{error}");
    }

    #[test]
    fn an_unchanged_file_is_not_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("serf.json");
        assert!(write_if_changed(&path, b"{}", 0o600).unwrap());
        assert!(!write_if_changed(&path, b"{}", 0o600).unwrap());
        assert!(write_if_changed(&path, b"[]", 0o600).unwrap());
    }
}
