//! Writing an image onto a stick: [`target`] knows which disks must not be
//! touched, [`copy`] moves the bytes and reads them back.

mod copy;
mod target;

pub use copy::{data_bytes, verify, write};
pub use target::Target;

use miette::Diagnostic;
use std::path::PathBuf;
use thiserror::Error;

/// Why a disk was not flashed. Nothing was written, except where a variant says
/// otherwise.
#[derive(Debug, Error, Diagnostic)]
pub enum FlashError {
    /// Not a disk.
    #[error("{path} is not a block device")]
    #[diagnostic(help("name the whole disk, for example /dev/sdb; `lsblk` lists the disks"))]
    NotADisk { path: PathBuf },
    /// A partition of a disk.
    #[error("{path} is a partition, and an image needs the whole disk")]
    #[diagnostic(help("name the disk that it is on: {disk}"))]
    Partition { path: PathBuf, disk: String },
    /// Something on it is in use.
    #[error("{path} is in use: {by}")]
    #[diagnostic(help("unmount or stop that first, and be sure that it is the right disk"))]
    InUse { path: PathBuf, by: String },
    /// Too small.
    #[error("{path} holds {has} bytes, and the image needs {needs}")]
    #[diagnostic(help("take a larger disk"))]
    TooSmall { path: PathBuf, has: u64, needs: u64 },
    /// What was read back is not what was written.
    #[error("{path} does not return what was written to it, first at byte {offset}")]
    #[diagnostic(help("the disk is broken or lies about its size; use another one"))]
    Differs { path: PathBuf, offset: u64 },
    /// An operation on a file failed.
    #[error("{doing} {path}")]
    #[diagnostic(help("the disk may hold a part of the image by now; it will not boot"))]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// Adds what was being done to an I/O error.
pub trait Doing<T> {
    fn doing(self, doing: &'static str, path: &std::path::Path) -> Result<T, FlashError>;
}

impl<T, E: Into<std::io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, doing: &'static str, path: &std::path::Path) -> Result<T, FlashError> {
        self.map_err(|error| FlashError::Io { doing, path: path.to_owned(), source: error.into() })
    }
}
