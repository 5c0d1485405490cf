//! Files that are there entirely or not at all.

use std::io::Write;
use std::path::Path;

/// Writes by temporary file, fsync and rename. The file is readable by its
/// owner alone unless `public`.
pub(crate) fn write_whole(path: &Path, bytes: &[u8], public: bool) -> std::io::Result<()> {
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
    file.persist(path).map_err(|error| error.error)?;
    std::fs::File::open(folder)?.sync_all()
}
