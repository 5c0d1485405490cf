//! A disk in a file, with the faults that real ones have.

use ashlar_disk::{Events, Failure, Image, Job, Medium, Patch, Stage, Start, Written, flash};
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{Error, Result};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A disk of a size.
pub(crate) struct Disk {
    /// What it holds.
    pub(crate) file: File,
    /// What it says that it holds.
    pub(crate) size: u64,
    /// What it really holds: behind it, it begins anew.
    pub(crate) real: u64,
    /// It makes zeros by itself.
    pub(crate) zeroes: bool,
    /// It can forget what is on it.
    pub(crate) discards: bool,
    /// What it was told to forget, in order.
    pub(crate) discarded: RefCell<Vec<(u64, u64)>>,
    /// It is pulled after so many writes.
    pub(crate) pulled_after: Cell<Option<usize>>,
    /// It loses what is written to this byte.
    pub(crate) loses: Cell<Option<u64>>,
    /// Its sequence number.
    pub(crate) sequence: Cell<u64>,
    /// Where it was written, in order.
    pub(crate) writes: RefCell<Vec<(u64, usize)>>,
}

impl Disk {
    /// Full of what was there before.
    pub(crate) fn new(size: u64) -> Self {
        let disk = Self::empty(size);
        let old = vec![0xFF; 1 << 20];
        let mut at = 0;
        while at < size {
            disk.file.write_all_at(&old[..old.len().min((size - at) as usize)], at).unwrap();
            at += old.len() as u64;
        }
        disk
    }

    /// Never written before.
    pub(crate) fn empty(size: u64) -> Self {
        // In memory: these are many, and real disks are slow.
        let file = File::from(memfd_create("disk", MFdFlags::MFD_CLOEXEC).unwrap());
        file.set_len(size).unwrap();
        Self {
            file,
            size,
            real: size,
            zeroes: false,
            discards: false,
            discarded: RefCell::default(),
            pulled_after: Cell::new(None),
            loses: Cell::new(None),
            sequence: Cell::new(7),
            writes: RefCell::default(),
        }
    }

    /// Flashes it, as the command does.
    pub(crate) fn flash(&self, image: &Path, site: &str) -> std::result::Result<Written, Failure> {
        self.flash_until(image, site, &|| false)
    }

    pub(crate) fn flash_until(
        &self,
        image: &Path,
        site: &str,
        cancelled: &dyn Fn() -> bool,
    ) -> std::result::Result<Written, Failure> {
        self.write(&Image::open(image).unwrap(), site, Start::Run, cancelled)
    }

    /// Writes an image that is open, so that the disk starts something.
    pub(crate) fn write(
        &self,
        image: &Image,
        site: &str,
        start: Start,
        cancelled: &dyn Fn() -> bool,
    ) -> std::result::Result<Written, Failure> {
        self.watched(image, site, start, quiet(cancelled))
    }

    /// The same, before somebody who watches.
    pub(crate) fn watched(
        &self,
        image: &Image,
        site: &str,
        start: Start,
        job: Job<'_>,
    ) -> std::result::Result<Written, Failure> {
        let examined = image.examine(None, quiet(&|| false)).unwrap();
        let mut patch = Patch::for_disk(image, self.size, site.as_bytes()).unwrap();
        patch.start(image, &examined, start).unwrap();
        flash(image, patch, self, Path::new("/dev/test"), examined.data, Some(7), job)
    }

    pub(crate) fn bytes(&self, at: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, at).unwrap();
        bytes
    }
}

/// A job that nobody watches.
pub(crate) fn quiet(cancelled: &dyn Fn() -> bool) -> Job<'_> {
    Job { events: &Nobody, cancelled }
}

/// Notes each stage: which, how much of it there is to do, and how much was told.
#[derive(Default)]
pub(crate) struct Watcher(pub(crate) RefCell<Vec<(Stage, u64, Vec<u64>)>>);

impl Events for Watcher {
    fn begin(&self, stage: Stage, bytes: u64) {
        self.0.borrow_mut().push((stage, bytes, Vec::new()));
    }

    fn advance(&self, bytes: u64) {
        self.0.borrow_mut().last_mut().unwrap().2.push(bytes);
    }

    fn end(&self) {}
}

struct Nobody;

impl Events for Nobody {
    fn begin(&self, _: Stage, _: u64) {}
    fn advance(&self, _: u64) {}
    fn end(&self) {}
}

impl Medium for Disk {
    fn size(&self) -> u64 {
        self.size
    }

    fn sequence(&self) -> Result<Option<u64>> {
        Ok(Some(self.sequence.get()))
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<()> {
        self.file.read_exact_at(buffer, at % self.real)
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> Result<()> {
        assert!(at + bytes.len() as u64 <= self.size, "a write behind the end");
        if let Some(left) = self.pulled_after.get() {
            if left == 0 {
                return Err(Error::from_raw_os_error(nix::libc::EIO));
            }
            self.pulled_after.set(Some(left - 1));
        }
        self.writes.borrow_mut().push((at, bytes.len()));
        let mut bytes = bytes.to_vec();
        if let Some(lost) = self.loses.get().and_then(|lost| lost.checked_sub(at))
            && let Some(byte) = bytes.get_mut(lost as usize)
        {
            *byte ^= 1;
        }
        self.file.write_all_at(&bytes, at % self.real)
    }

    fn zeroed(&self, at: u64, length: u64) -> bool {
        if self.zeroes {
            self.file.write_all_at(&vec![0; length as usize], at).unwrap();
        }
        self.zeroes
    }

    fn discard(&self, at: u64, length: u64) -> bool {
        if self.discards {
            self.discarded.borrow_mut().push((at, length));
        }
        self.discards
    }

    fn settle(&self) -> Result<()> {
        self.sync()
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }
}
