//! Why a disk was not written, and what it is now.

use miette::Diagnostic;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a disk was not written.
#[derive(Debug, Error, Diagnostic)]
#[non_exhaustive]
pub enum FlashError {
    /// Not a disk.
    #[error("{} is not a disk", path.display())]
    #[diagnostic(help(
        "name the whole disk, for example /dev/sdb; `ashlar flash` lists the disks"
    ))]
    NotADisk {
        /// As named.
        path: PathBuf,
    },
    /// A partition of a disk.
    #[error("{} is a partition, and an image needs the whole disk", path.display())]
    #[diagnostic(help("name the disk that it is on: {disk}"))]
    Partition {
        /// As named.
        path: PathBuf,
        /// Its disk.
        disk: String,
    },
    /// Something on it is in use.
    #[error("{} is in use: {by}", path.display())]
    #[diagnostic(help("unmount or stop that first, and be sure that it is the right disk"))]
    InUse {
        /// As named.
        path: PathBuf,
        /// Who uses it, as far as can be told.
        by: String,
    },
    /// No rights.
    #[error("{} may not be written by you", path.display())]
    #[diagnostic(help("run it as root: sudo ashlar flash …"))]
    NotAllowed {
        /// As named.
        path: PathBuf,
    },
    /// Write-protected.
    #[error("{} is write-protected", path.display())]
    #[diagnostic(help("move the switch on the card or its adapter, or take another disk"))]
    ReadOnly {
        /// As named.
        path: PathBuf,
    },
    /// An empty card reader.
    #[error("{} has no medium in it", path.display())]
    #[diagnostic(help("put the card in, and look for its name with `ashlar flash`"))]
    NoMedium {
        /// As named.
        path: PathBuf,
    },
    /// Sectors of another size.
    #[error("{} has sectors of {sector} bytes, and images are made for 512", path.display())]
    #[diagnostic(help(
        "some NVMe disks can be formatted with 512-byte sectors (nvme format --lbaf); otherwise \
         take another disk"
    ))]
    Sectors {
        /// As named.
        path: PathBuf,
        /// Its logical sector size.
        sector: u64,
    },
    /// Too small.
    #[error(
        "{} holds {:.1} GB; the first boot needs {:.1} GB (the image itself {:.1} GB)",
        path.display(), gb(*has), gb(*needs), gb(*image)
    )]
    #[diagnostic(help("take a disk of 16 GB or more"))]
    TooSmall {
        /// As named.
        path: PathBuf,
        /// Its size.
        has: u64,
        /// What the box needs.
        needs: u64,
        /// What the image takes.
        image: u64,
    },
    /// Another medium is in the drive than the one that was looked at.
    #[error("{} is another disk than a moment ago", path.display())]
    #[diagnostic(help("nothing was written; leave the medium in, and run it again"))]
    Changed {
        /// As named.
        path: PathBuf,
    },
    /// What was read back is not what was written.
    #[error("{} does not return what was written to it, in the MiB at byte {offset}", path.display())]
    #[diagnostic(help("the disk is broken or lies about its size; use another one"))]
    Differs {
        /// The disk.
        path: PathBuf,
        /// Where the first differing piece begins.
        offset: u64,
    },
    /// The image is none.
    #[error("{} is not an image that can be written: {why}", path.display())]
    #[diagnostic(help("expected a .raw or .raw.zst as `ashlar build` makes it, whole"))]
    BadImage {
        /// The image.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The image is not the one that its checksum was made for.
    #[error("{} is not what {} says: its SHA-256 is {found}, expected {expected}", path.display(), sums.display())]
    #[diagnostic(help("copy or download it again; nothing was written"))]
    Checksum {
        /// The image.
        path: PathBuf,
        /// The list.
        sums: PathBuf,
        /// What the image has.
        found: String,
        /// What the list says.
        expected: String,
    },
    /// The list of checksums does not name the image.
    #[error("{} has no line for {name}", sums.display())]
    #[diagnostic(help("name the list that was published with this image"))]
    NoChecksum {
        /// The list.
        sums: PathBuf,
        /// The image's file name.
        name: String,
    },
    /// An image without a partition for the site.
    #[error("{} has no seed partition, so it cannot be given a site", path.display())]
    #[diagnostic(help("take an image that `ashlar build` made"))]
    NoSeed {
        /// The image.
        path: PathBuf,
    },
    /// An image without a boot menu of ours.
    #[error("{} has no boot menu with an installer in it", path.display())]
    #[diagnostic(help("build the image anew, with this release of Ashlar"))]
    NoMenu {
        /// The image.
        path: PathBuf,
    },
    /// A disk that cannot be installed from.
    #[error("{} cannot be installed from: {why}", path.display())]
    #[diagnostic(help("flash a stick anew: sudo ashlar flash /dev/sdX --site SITE --installer"))]
    BadMedium {
        /// The disk.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A person stopped it.
    #[error("stopped by you")]
    Cancelled,
    /// An operation on a file or a disk failed.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
}

fn gb(bytes: u64) -> f64 {
    bytes as f64 / 1e9
}

/// What a disk is after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskNow {
    /// As it was.
    Untouched,
    /// What was on it is lost, and it does not boot.
    NotBootable,
    /// All was written and read back but the first MiB, of which it is not known
    /// whether it arrived.
    Unknown,
}

/// A disk that was not written to the end: why, and what it is now.
#[derive(Debug, Error)]
#[error("{why}")]
pub struct Failure {
    /// Why.
    pub why: Box<FlashError>,
    /// What became of the disk.
    pub now: DiskNow,
    /// The disk, as it was named.
    pub disk: PathBuf,
}

impl Diagnostic for Failure {
    fn help(&self) -> Option<Box<dyn std::fmt::Display + '_>> {
        let disk = self.disk.display();
        let now = match self.now {
            DiskNow::Untouched => format!("nothing was written: {disk} is as it was"),
            DiskNow::NotBootable => format!(
                "{disk} is not bootable now: what was on it is lost, and a part of the image may \
                 be on it; run the same command again to write it whole"
            ),
            DiskNow::Unknown => format!(
                "it is not known whether {disk} boots: its first MiB may not have arrived; run the \
                 same command again"
            ),
        };
        Some(match self.why.help() {
            Some(help) => Box::new(format!("{now}\n{help}")),
            None => Box::new(now),
        })
    }
}

/// Adds what was being done to an I/O error.
pub(crate) trait Doing<T> {
    fn doing(self, doing: &'static str, path: &Path) -> Result<T, FlashError>;
}

impl<T, E: Into<std::io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, doing: &'static str, path: &Path) -> Result<T, FlashError> {
        self.map_err(|error| FlashError::Io { doing, path: path.to_owned(), source: error.into() })
    }
}
