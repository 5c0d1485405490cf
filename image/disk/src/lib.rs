//! Writing images and sites onto disks, without any outside tool.
//!
//! [`flash()`] puts an [`Image`] and a site onto a [`Target`]. The target is opened
//! once, exclusively, and stays open from the first look to the last byte read
//! back, so that nothing can mount it or take its name in between. The order of
//! writing leaves a disk that does not boot until everything else on it has been
//! read back: what was there is wiped first, the first MiB is written last.
//!
//! [`stamp()`] writes a site into a copy of an image, which is a file.
//!
//! What differs between one disk and another (the partition table's place and
//! ids, the seed) is made in memory as [`Sectors`] and laid over the image's
//! bytes on their way to the disk. [`candidates()`] lists the disks of this host,
//! [`signatures`] tells what is on them.
//!
//! An installer copies the disk that it was started from, which is an [`Image`] as
//! well; [`choose()`] says onto which one.
//!
//! Nothing here prints. Progress goes to [`Events`], and a [`Job`] can be
//! cancelled.

mod block_device;
mod candidates;
mod choose;
mod error;
mod first_boot;
mod flash;
mod flashed_image;
mod holder;
mod image;
mod kernel;
mod kin;
mod medium;
mod menu;
mod patch;
mod sectors;
mod seed;
pub mod signatures;
mod source_disk;
mod stamp;
mod sums;
mod table;
mod target;
mod window;

pub use candidates::{Bus, Drive, candidates};
pub use choose::{Disk, Refusal, Unfit, choose};
pub use error::{DiskNow, Failure, FlashError};
pub use first_boot::needed;
pub use flash::{Written, flash};
pub use image::{Examined, Image};
pub use kin::is_of;
pub use medium::Medium;
pub use menu::Start;
pub use patch::Patch;
pub use sectors::Sectors;
pub use seed::SEED_LABEL;
pub use stamp::stamp;
pub use sums::SumsFile;
pub use table::{Part, Table};
pub use target::Target;

/// What is being done, for whoever watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The image is compared with its checksum, and unpacked once to see that it
    /// is whole.
    Examine,
    /// The disk is told to forget what is on it.
    Empty,
    /// The image is written.
    Write,
    /// What was written is read back.
    Verify,
}

/// Progress, told while it happens.
pub trait Events {
    /// A stage begins; it will take about `bytes`.
    fn begin(&self, stage: Stage, bytes: u64);
    /// So many more bytes of it are done.
    fn advance(&self, bytes: u64);
    /// It is over.
    fn end(&self);
}

/// How a piece of work is watched, and stopped.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// Who watches.
    pub events: &'a dyn Events,
    /// Asked between two pieces of work: true ends it as soon as that is safe.
    pub cancelled: &'a dyn Fn() -> bool,
}

impl Job<'_> {
    pub(crate) fn check(&self) -> Result<(), FlashError> {
        if (self.cancelled)() { Err(FlashError::Cancelled) } else { Ok(()) }
    }
}

impl std::fmt::Debug for Job<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").finish_non_exhaustive()
    }
}

/// Nobody watches.
#[derive(Clone, Copy, Debug)]
pub struct Unwatched;

impl Events for Unwatched {
    fn begin(&self, _: Stage, _: u64) {}
    fn advance(&self, _: u64) {}
    fn end(&self) {}
}

/// Bytes of a sector. Disks with others are refused.
pub(crate) const SECTOR: u64 = 512;
/// In what pieces a disk is written and read.
pub(crate) const CHUNK: u64 = 1 << 20;
