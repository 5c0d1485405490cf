//! Hashes of files and trees.

use crate::error::{At, Result};
use crate::sparse;
use ashlar_sandbox::Cancel;
use sha2::{Digest, Sha256};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// SHA-256 of a text, in hex.
pub(crate) fn text(text: impl AsRef<[u8]>) -> String {
    hex::encode(Sha256::digest(text))
}

/// A source of ours without its tests, which decide about nothing.
pub(crate) fn code(source: &str) -> &str {
    source.split("\n#[cfg(test)]\nmod tests").next().unwrap_or(source)
}

/// SHA-256 of a file, in hex.
pub(crate) fn file(path: &Path) -> Result<String> {
    sparse::sha256(path, &Cancel::default())
}

/// SHA-256 over the names, kinds, executable bits and contents of a tree: all
/// that [`crate::layer`] takes over into an image.
pub(crate) fn tree(root: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    for entry in walkdir::WalkDir::new(root).min_depth(1).sort_by_file_name() {
        let entry = entry.map_err(std::io::Error::from).at("read", root)?;
        let path = entry.path();
        let name = path.strip_prefix(root).unwrap_or(path).as_os_str().as_bytes();
        let (kind, content) = if entry.file_type().is_dir() {
            ("directory", String::new())
        } else if entry.file_type().is_symlink() {
            let target = std::fs::read_link(path).at("read", path)?;
            ("link", text(target.as_os_str().as_bytes()))
        } else {
            let mode = std::fs::metadata(path).at("read", path)?.permissions().mode();
            (if mode & 0o100 == 0 { "file" } else { "program" }, file(path)?)
        };
        hash.update(format!("{kind} {} ", name.len()));
        hash.update(name);
        hash.update(format!(" {content}\n"));
    }
    Ok(hex::encode(hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_has_another_hash_when_a_name_a_byte_or_the_executable_bit_changes() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a");
        std::fs::write(&file, "1").unwrap();
        let first = tree(dir.path()).unwrap();
        assert_eq!(tree(dir.path()).unwrap(), first);
        std::fs::write(&file, "2").unwrap();
        let second = tree(dir.path()).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        let third = tree(dir.path()).unwrap();
        std::fs::rename(&file, dir.path().join("b")).unwrap();
        let fourth = tree(dir.path()).unwrap();
        let all = std::collections::BTreeSet::from([first, second, third, fourth]);
        assert_eq!(all.len(), 4);
    }
}
