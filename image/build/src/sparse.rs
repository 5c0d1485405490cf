//! Reading and copying files that are mostly holes, as disk images are: what is
//! not there costs nothing.

use crate::error::{At, Result};
use ashlar_sandbox::Cancel;
use nix::errno::Errno;
use nix::unistd::{Whence, lseek};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Holes and zeros are told apart from data in pieces of this many bytes.
const BLOCK: u64 = 1 << 16;

/// Calls `each` with the place and the bytes of every block that is not all
/// zeros.
fn blocks(
    file: &File,
    path: &Path,
    cancel: &Cancel,
    mut each: impl FnMut(u64, &[u8]) -> Result<()>,
) -> Result<u64> {
    let size = file.metadata().at("read", path)?.len();
    let mut buffer = vec![0; BLOCK as usize];
    let mut at = 0;
    while at < size {
        let place = i64::try_from(at).unwrap_or(i64::MAX);
        at = match lseek(file, place, Whence::SeekData) {
            Ok(data) => (data as u64) / BLOCK * BLOCK,
            // Nothing but a hole up to the end.
            Err(Errno::ENXIO) => break,
            // A file system that knows no holes.
            Err(_) => at,
        }
        .max(at);
        cancel.check()?;
        let length = BLOCK.min(size - at) as usize;
        file.read_exact_at(&mut buffer[..length], at).at("read", path)?;
        if buffer[..length].iter().any(|byte| *byte != 0) {
            each(at, &buffer[..length])?;
        }
        at += BLOCK;
    }
    Ok(size)
}

/// A hash of a file's contents that does not read holes, and is the same
/// wherever they are. It is no SHA-256 of the file.
pub(crate) fn fingerprint(path: &Path, cancel: &Cancel) -> Result<String> {
    let mut hash = Sha256::new();
    let file = File::open(path).at("read", path)?;
    let size = blocks(&file, path, cancel, |at, bytes| {
        hash.update(at.to_le_bytes());
        hash.update(bytes);
        Ok(())
    })?;
    hash.update(size.to_le_bytes());
    Ok(hex::encode(hash.finalize()))
}

/// SHA-256 of a file, in hex; holes are hashed without being read.
pub(crate) fn sha256(path: &Path, cancel: &Cancel) -> Result<String> {
    static ZEROS: [u8; BLOCK as usize] = [0; BLOCK as usize];
    let mut hash = Sha256::new();
    let mut hashed = 0;
    let zeros = |hash: &mut Sha256, mut count: u64| {
        while count > 0 {
            let some = count.min(BLOCK);
            hash.update(&ZEROS[..some as usize]);
            count -= some;
        }
    };
    let file = File::open(path).at("read", path)?;
    let size = blocks(&file, path, cancel, |at, bytes| {
        zeros(&mut hash, at - hashed);
        hash.update(bytes);
        hashed = at + bytes.len() as u64;
        cancel.check()?;
        Ok(())
    })?;
    zeros(&mut hash, size - hashed);
    Ok(hex::encode(hash.finalize()))
}

/// Copies a file to a new one and leaves its zeros out; the copy's
/// [`fingerprint`].
pub(crate) fn copy(from: &Path, to: &Path, cancel: &Cancel) -> Result<String> {
    let source = File::open(from).at("read", from)?;
    let target = File::create_new(to).at("made", to)?;
    let mut hash = Sha256::new();
    let size = blocks(&source, from, cancel, |at, bytes| {
        hash.update(at.to_le_bytes());
        hash.update(bytes);
        Ok(target.write_all_at(bytes, at).at("written", to)?)
    })?;
    target.set_len(size).at("written", to)?;
    hash.update(size.to_le_bytes());
    Ok(hex::encode(hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn holes_change_neither_hash_and_a_copy_has_them_again() {
        let dir = tempfile::tempdir().unwrap();
        let (full, holed) = (dir.path().join("full"), dir.path().join("holed"));
        let size = 5 * BLOCK + 7;
        let mut bytes = vec![0; size as usize];
        bytes[3 * BLOCK as usize..][..5].copy_from_slice(b"hello");
        std::fs::write(&full, &bytes).unwrap();
        let file = File::create(&holed).unwrap();
        file.write_all_at(b"hello", 3 * BLOCK).unwrap();
        file.set_len(size).unwrap();
        let cancel = Cancel::default();
        let expected = hex::encode(Sha256::digest(&bytes));
        for path in [&full, &holed] {
            assert_eq!(sha256(path, &cancel).unwrap(), expected);
        }
        let mark = fingerprint(&full, &cancel).unwrap();
        assert_eq!(fingerprint(&holed, &cancel).unwrap(), mark);
        let copied = dir.path().join("copy");
        assert_eq!(copy(&full, &copied, &cancel).unwrap(), mark);
        assert_eq!(std::fs::read(&copied).unwrap(), bytes);
        assert!(copied.metadata().unwrap().blocks() < full.metadata().unwrap().blocks());
        assert!(copy(&full, &copied, &cancel).is_err(), "something was written over");
    }

    #[test]
    fn a_byte_that_moves_changes_the_fingerprint() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let mut seen = std::collections::BTreeSet::new();
        for at in [0, 1, BLOCK, 3 * BLOCK] {
            let file = File::create(&path).unwrap();
            file.write_all_at(b"x", at).unwrap();
            file.set_len(4 * BLOCK).unwrap();
            seen.insert(fingerprint(&path, &Cancel::default()).unwrap());
        }
        assert_eq!(seen.len(), 4);
    }
}
