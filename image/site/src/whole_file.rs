//! Files that are there entirely or not at all.

use std::io::Write;
use std::path::Path;

/// What becomes of a file that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It is replaced.
    Replace,
    /// It stays, and writing fails with `AlreadyExists`.
    Keep,
}

/// Writes by temporary file, fsync and rename. The file is readable by its
/// owner alone unless `public`.
///
/// # Errors
///
/// If any of the three fails; the old file is as it was then.
pub fn write_whole(
    path: &Path,
    bytes: &[u8],
    public: bool,
    existing: Existing,
) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // 0600 from the moment it exists.
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    if public {
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    file.as_file().sync_all()?;
    let kept = match existing {
        Existing::Replace => file.persist(path),
        Existing::Keep => file.persist_noclobber(path),
    };
    kept.map_err(|error| error.error)?;
    std::fs::File::open(folder)?.sync_all()
}
