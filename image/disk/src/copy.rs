//! Moving the bytes of a sparse image.
//!
//! Holes of the image are zeros that mean something (a FAT's free clusters), so
//! they are zeroed on the disk too, but by the kernel, which asks the disk to do
//! it without sending the zeros.

use crate::{Doing, FlashError};
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::unistd::{Whence, lseek};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

const CHUNK: usize = 4 << 20;

/// A run of bytes of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    start: u64,
    end: u64,
    data: bool,
}

/// How many bytes of the image are no holes: what a progress bar counts to.
pub fn data_bytes(image: &Path) -> Result<u64, FlashError> {
    let file = File::open(image).doing("opening", image)?;
    let extents = extents(&file, image)?;
    Ok(extents.iter().filter(|e| e.data).map(|e| e.end - e.start).sum())
}

/// Writes the image to the start of `target` and waits until it is on the disk.
/// `progress` is told the number of data bytes written.
pub fn write(image: &Path, target: &Path, mut progress: impl FnMut(u64)) -> Result<(), FlashError> {
    let source = File::open(image).doing("opening", image)?;
    let sink = File::options().write(true).open(target).doing("opening", target)?;
    let mut buffer = vec![0; CHUNK];
    for extent in extents(&source, image)? {
        if !extent.data && zeroed(&sink, extent) {
            continue;
        }
        let mut at = extent.start;
        while at < extent.end {
            let want = usize::try_from(extent.end - at).map_or(CHUNK, |n| n.min(CHUNK));
            let chunk = &mut buffer[..want];
            source.read_exact_at(chunk, at).doing("reading", image)?;
            sink.write_all_at(chunk, at).doing("writing", target)?;
            at += want as u64;
            if extent.data {
                progress(want as u64);
            }
        }
    }
    sink.sync_all().doing("syncing", target)
}

/// Reads the data back past the page cache and compares.
pub fn verify(
    image: &Path,
    target: &Path,
    mut progress: impl FnMut(u64),
) -> Result<(), FlashError> {
    let source = File::open(image).doing("opening", image)?;
    let sink = File::open(target).doing("opening", target)?;
    // What the cache still holds proves nothing about the disk.
    let _ =
        nix::fcntl::posix_fadvise(&sink, 0, 0, nix::fcntl::PosixFadviseAdvice::POSIX_FADV_DONTNEED);
    let (mut expected, mut found) = (vec![0; CHUNK], vec![0; CHUNK]);
    for extent in extents(&source, image)?.into_iter().filter(|e| e.data) {
        let mut at = extent.start;
        while at < extent.end {
            let want = usize::try_from(extent.end - at).map_or(CHUNK, |n| n.min(CHUNK));
            source.read_exact_at(&mut expected[..want], at).doing("reading", image)?;
            sink.read_exact_at(&mut found[..want], at).doing("reading back", target)?;
            if let Some(wrong) = (0..want).find(|&i| expected[i] != found[i]) {
                let offset = at + wrong as u64;
                return Err(FlashError::Differs { path: target.to_owned(), offset });
            }
            at += want as u64;
            progress(want as u64);
        }
    }
    Ok(())
}

/// Whether the kernel zeroed the range for us; not every disk and file system can.
fn zeroed(sink: &File, extent: Extent) -> bool {
    let (Ok(start), Ok(length)) =
        (i64::try_from(extent.start), i64::try_from(extent.end - extent.start))
    else {
        return false;
    };
    fallocate(sink, FallocateFlags::FALLOC_FL_ZERO_RANGE, start, length).is_ok()
}

/// The file as alternating data and holes, by lseek(2) SEEK_DATA and SEEK_HOLE.
fn extents(file: &File, path: &Path) -> Result<Vec<Extent>, FlashError> {
    let length = file.metadata().doing("measuring", path)?.len();
    let seek = |from: u64, whence| -> Result<u64, FlashError> {
        let from = i64::try_from(from).map_err(std::io::Error::other).doing("seeking", path)?;
        match lseek(file, from, whence) {
            Ok(at) => u64::try_from(at).map_err(std::io::Error::other).doing("seeking", path),
            // No more data, or a file system that does not tell.
            Err(Errno::ENXIO) => Ok(length),
            Err(error) => Err(error).doing("seeking", path),
        }
    };
    let mut found = Vec::new();
    let mut at = 0;
    while at < length {
        let data = seek(at, Whence::SeekData)?.min(length);
        if data > at {
            found.push(Extent { start: at, end: data, data: false });
        }
        if data < length {
            let hole = seek(data, Whence::SeekHole)?.min(length).max(data + 1);
            found.push(Extent { start: data, end: hole, data: true });
            at = hole;
        } else {
            at = length;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{data_bytes, verify, write};
    use crate::FlashError;
    use std::os::unix::fs::FileExt;

    fn image() -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(40 << 20).unwrap();
        file.as_file().write_all_at(&[0xA5; 70_000], 9 << 20).unwrap();
        file.as_file().write_all_at(b"end", (40 << 20) - 3).unwrap();
        file
    }

    #[test]
    fn holes_of_the_image_are_zeros_on_the_disk() {
        let image = image();
        let disk = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(disk.path(), vec![0xFF; 48 << 20]).unwrap();
        let mut written = 0;
        write(image.path(), disk.path(), |n| written += n).unwrap();
        assert_eq!(written, data_bytes(image.path()).unwrap());
        let (a, b) = (std::fs::read(image.path()).unwrap(), std::fs::read(disk.path()).unwrap());
        assert!(a == b[..a.len()], "the disk starts with the image, byte for byte");
        assert!(b[a.len()..].iter().all(|&byte| byte == 0xFF), "and nothing behind it changed");
        verify(image.path(), disk.path(), |_| {}).unwrap();
    }

    #[test]
    fn a_disk_that_lies_is_caught_with_the_place() {
        let image = image();
        let disk = tempfile::NamedTempFile::new().unwrap();
        write(image.path(), disk.path(), |_| {}).unwrap();
        disk.as_file().write_all_at(&[0], (9 << 20) + 5).unwrap();
        let error = verify(image.path(), disk.path(), |_| {}).unwrap_err();
        assert!(matches!(error, FlashError::Differs { offset, .. } if offset == (9 << 20) + 5));
    }
}
