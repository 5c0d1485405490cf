//! Files of the cache and of images: written whole, brought to the disk, listed in
//! order, and with the modes that they shall have.

use crate::error::{At, Result};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes a file whole or not at all, and to the disk.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let parent = path.parent().unwrap_or(path);
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(parent)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        File::open(parent)?.sync_all()
    };
    Ok(write().at("written", path)?)
}

/// Brings all of a file system that this path is on to the disk.
pub(crate) fn sync(path: &Path) -> Result<()> {
    let directory = File::open(path).at("read", path)?;
    Ok(nix::unistd::syncfs(&directory).map_err(std::io::Error::from).at("synced", path)?)
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

/// Lets everybody read a file of the cache: it was written under somebody's umask. apt
/// reads packages as a user of its own, and what is lent is read by others.
pub(crate) fn let_everybody_read(file: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    // Lent by somebody else, it is so already and cannot be changed.
    if file.metadata().at("read", file)?.permissions().mode() & 0o777 == 0o644 {
        return Ok(());
    }
    set_mode(file, 0o644)
}

/// Bytes on disk below a path, as far as they can be seen.
pub fn size_of(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let files = walkdir::WalkDir::new(path).into_iter().filter_map(std::result::Result::ok);
    files.filter_map(|file| file.metadata().ok()).map(|data| data.blocks() * 512).sum()
}
