//! The disk to write, held from the first look to the end, and the reasons not to.

use crate::error::Doing;
use crate::medium::Medium;
use crate::{Drive, FlashError, SECTOR, block_device, holder};
use nix::fcntl::{FallocateFlags, PosixFadviseAdvice, fallocate, posix_fadvise};
use std::fs::{File, TryLockError};
use std::io::Result as IoResult;
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long whoever probes a disk that was just plugged in is waited for.
const PROBED_WITHIN: Duration = Duration::from_secs(10);

/// A whole disk that nobody else can use while this lives.
#[derive(Debug)]
pub struct Target {
    path: PathBuf,
    file: File,
    size: u64,
    /// What the kernel tells about it.
    pub drive: Drive,
    /// Its sequence number when it was looked at.
    pub sequence: Option<u64>,
}

impl Target {
    /// Opens a disk for us alone, or says why not. `needs` and `image` are bytes:
    /// of the smallest disk that will do, and of the image.
    ///
    /// # Errors
    /// When it is no disk, in use, or of no use.
    pub fn open(path: &Path, needs: u64, image: u64) -> Result<Self, FlashError> {
        let metadata = std::fs::metadata(path).doing("looking at", path)?;
        if !metadata.file_type().is_block_device() {
            return Err(FlashError::NotADisk { path: path.to_owned() });
        }
        let number = metadata.rdev();
        let (major, minor) = (nix::sys::stat::major(number), nix::sys::stat::minor(number));
        let sys = PathBuf::from(format!("/sys/dev/block/{major}:{minor}"));
        let sys = std::fs::canonicalize(&sys).doing("looking at", &sys)?;
        if sys.join("partition").exists() {
            let disk = sys.parent().and_then(Path::file_name).unwrap_or_default();
            let disk = format!("/dev/{}", disk.to_string_lossy());
            return Err(FlashError::Partition { path: path.to_owned(), disk });
        }
        let mut file = exclusive(path, &sys)?;
        lock(&file, path)?;
        let size = file.seek(SeekFrom::End(0)).doing("measuring", path)?;
        if size == 0 {
            return Err(FlashError::NoMedium { path: path.to_owned() });
        }
        let drive = Drive::read(&sys);
        if drive.read_only {
            return Err(FlashError::ReadOnly { path: path.to_owned() });
        }
        if drive.sector != SECTOR {
            return Err(FlashError::Sectors { path: path.to_owned(), sector: drive.sector });
        }
        if size < needs {
            return Err(FlashError::TooSmall { path: path.to_owned(), has: size, needs, image });
        }
        let sequence = block_device::sequence(&file).doing("looking at", path)?;
        Ok(Self { path: path.to_owned(), file, size, drive, sequence })
    }

    /// As it was named.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is on it now, in words.
    #[must_use]
    pub fn contents(&self) -> Vec<String> {
        crate::signatures::of(&self.file, self.size)
    }

    /// Makes the kernel see the new partitions. A failure harms nothing: the disk
    /// is pulled or started from next.
    pub fn reread_table(&self) {
        let _ = block_device::reread_table(&self.file);
    }
}

/// Opens the disk so that no file system, swap, RAID or mapper can take it, which
/// the kernel refuses when one has it already, whatever the namespace.
fn exclusive(path: &Path, sys: &Path) -> Result<File, FlashError> {
    let opened = File::options()
        .read(true)
        .write(true)
        .custom_flags(nix::fcntl::OFlag::O_EXCL.bits() | nix::fcntl::OFlag::O_CLOEXEC.bits())
        .open(path);
    let path = path.to_owned();
    opened.map_err(|error| match error.raw_os_error().map(nix::errno::Errno::from_raw) {
        Some(nix::errno::Errno::EBUSY) => FlashError::InUse { path, by: holder::of(sys) },
        Some(nix::errno::Errno::EACCES | nix::errno::Errno::EPERM) => {
            FlashError::NotAllowed { path }
        }
        Some(nix::errno::Errno::EROFS) => FlashError::ReadOnly { path },
        Some(nix::errno::Errno::ENOMEDIUM | nix::errno::Errno::ENXIO) => {
            FlashError::NoMedium { path }
        }
        _ => FlashError::Io { doing: "opening", path, source: error },
    })
}

/// Takes the lock that udev honours: while we have it, it does not probe.
fn lock(file: &File, path: &Path) -> Result<(), FlashError> {
    let deadline = Instant::now() + PROBED_WITHIN;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error).doing("locking", path),
            Err(TryLockError::WouldBlock) if Instant::now() > deadline => {
                let by = "another program holds a lock on it (flock)".to_owned();
                return Err(FlashError::InUse { path: path.to_owned(), by });
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

impl Medium for Target {
    fn size(&self) -> u64 {
        self.size
    }

    fn sequence(&self) -> IoResult<Option<u64>> {
        block_device::sequence(&self.file)
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> IoResult<()> {
        self.file.read_exact_at(buffer, at)
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> IoResult<()> {
        self.file.write_all_at(bytes, at)
    }

    fn zeroed(&self, at: u64, length: u64) -> bool {
        // On a block device this one fails where the kernel would have to send
        // the zeros; FALLOC_FL_ZERO_RANGE would send them.
        let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        let (Ok(at), Ok(length)) = (i64::try_from(at), i64::try_from(length)) else { return false };
        fallocate(&self.file, flags, at, length).is_ok()
    }

    fn discard(&self, at: u64, length: u64) -> bool {
        block_device::discard(&self.file, at, length).is_ok()
    }

    fn settle(&self) -> IoResult<()> {
        self.file.sync_all()?;
        // What the cache still holds proves nothing about the disk.
        block_device::flush_buffers(&self.file)?;
        posix_fadvise(&self.file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
        Ok(())
    }

    fn sync(&self) -> IoResult<()> {
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::Target;
    use crate::FlashError;

    #[test]
    fn a_plain_file_is_no_disk() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let refused = Target::open(file.path(), 0, 0);
        assert!(matches!(refused, Err(FlashError::NotADisk { .. })));
    }
}
