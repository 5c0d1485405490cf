//! The seed partition, and how it is wiped: only what says of itself that it is
//! ours to wipe.

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

/// What a wipe writes first and takes away last.
const WIPING: &[u8; 32] = b"ashlar: this seed is being wiped";

const SECTOR: usize = 512;

/// The largest sector that a disk may have; what starts with it is cleared in one go.
const LARGEST_SECTOR: u64 = 4096;

/// What the first sector of a seed says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Zeros: it was wiped.
    Wiped,
    /// A wipe lost power.
    Wiping,
    /// Something else, a file system probably.
    Written,
}

/// Looks at the first sector.
pub(super) fn state(partition: &Path) -> Result<State> {
    let mut sector = [0_u8; SECTOR];
    let read = File::open(partition).and_then(|mut file| file.read_exact(&mut sector));
    read.with_context(|| format!("cannot read {}", partition.display()))?;
    Ok(if sector.iter().all(|byte| *byte == 0) {
        State::Wiped
    } else if sector.starts_with(WIPING) {
        State::Wiping
    } else {
        State::Written
    })
}

/// Zeros the whole partition. The first sector is marked before and cleared
/// after everything else, so that a cut in between leaves what says of itself
/// that it has to be wiped, and nothing else is ever taken for that.
pub(super) fn wipe(partition: &Path) -> std::io::Result<()> {
    let mut device = OpenOptions::new().write(true).open(fs::canonicalize(partition)?)?;
    let size = device.seek(SeekFrom::End(0))?;
    let mut first = [0_u8; SECTOR];
    first[..WIPING.len()].copy_from_slice(WIPING);
    device.seek(SeekFrom::Start(0))?;
    device.write_all(&first)?;
    device.sync_all()?;
    let behind = LARGEST_SECTOR.min(size);
    write_zeros(&mut device, SECTOR as u64, behind)?;
    if !zero_by_the_disk(&device, behind, size)? {
        write_zeros(&mut device, behind, size)?;
    }
    device.sync_all()?;
    device.seek(SeekFrom::Start(0))?;
    device.write_all(&[0_u8; SECTOR])?;
    device.sync_all()
}

/// Lets the disk write the zeros, which takes a moment where writing them from
/// here takes seconds; false if it cannot.
fn zero_by_the_disk(device: &File, start: u64, end: u64) -> std::io::Result<bool> {
    let (Ok(at), Ok(length)) = (i64::try_from(start), i64::try_from(end - start)) else {
        return Ok(false);
    };
    if length == 0 {
        return Ok(true);
    }
    let flags = FallocateFlags::FALLOC_FL_ZERO_RANGE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    match fallocate(device, flags, at, length) {
        Ok(()) => Ok(true),
        Err(Errno::EOPNOTSUPP | Errno::EINVAL | Errno::ENOSYS) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn write_zeros(device: &mut File, start: u64, end: u64) -> std::io::Result<()> {
    let zeros = vec![0_u8; 256 * 1024];
    device.seek(SeekFrom::Start(start))?;
    let mut at = start;
    while at < end {
        let piece = zeros.len().min(usize::try_from(end - at).unwrap_or(zeros.len()));
        at += device.write(&zeros[..piece])? as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wipe_that_lost_power_at_any_moment_says_so_of_itself() {
        let dir = tempfile::tempdir().unwrap();
        let partition = dir.path().join("seed");
        fs::write(&partition, vec![b'#'; 600_000]).unwrap();
        assert_eq!(state(&partition).unwrap(), State::Written);
        let mut half = vec![b'#'; 600_000];
        half[..WIPING.len()].copy_from_slice(WIPING);
        fs::write(&partition, half).unwrap();
        assert_eq!(state(&partition).unwrap(), State::Wiping);
        wipe(&partition).unwrap();
        assert_eq!(state(&partition).unwrap(), State::Wiped);
        assert!(fs::read(&partition).unwrap().iter().all(|b| *b == 0));
    }
}
