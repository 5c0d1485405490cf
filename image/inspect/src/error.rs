//! Why an image cannot be read.

use miette::Diagnostic;
use std::path::PathBuf;
use thiserror::Error;

/// Why an image cannot be read.
#[derive(Debug, Error, Diagnostic)]
pub enum InspectError {
    /// The file cannot be opened.
    #[error("{path} cannot be opened")]
    Open {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The file was opened, and reading a part of it failed.
    #[error("{what} of {path} cannot be read")]
    Read {
        path: PathBuf,
        what: String,
        #[source]
        source: std::io::Error,
    },
    /// A directory without an image.
    #[error("{path} has no disk image (*.raw) in it")]
    #[diagnostic(help(
        "name an image, or a directory out/<profile>/<version> of a finished build"
    ))]
    NoImageIn { path: PathBuf },
    /// A directory with several.
    #[error("{path} has more than one disk image: {}", names.join(", "))]
    #[diagnostic(help("name one of them"))]
    ManyImagesIn { path: PathBuf, names: Vec<String> },
    /// A packed image.
    #[error("{path} is compressed with zstd")]
    #[diagnostic(help("unpack it first: zstd --decompress --sparse {path}", path = path.display()))]
    Compressed { path: PathBuf },
    /// Anything but an image.
    #[error("{path} is not a disk image: {why}")]
    #[diagnostic(help(
        "expected a raw image with a GUID partition table, as `ashlar build` writes it"
    ))]
    NotAnImage { path: PathBuf, why: String },
    /// The file ends too early.
    #[error(
        "{path} is truncated: partition `{partition}` ends at byte {end}, the file at byte {length}"
    )]
    #[diagnostic(help("copy it again, and compare it with its line in SHA256SUMS"))]
    Truncated { path: PathBuf, partition: String, end: u64, length: u64 },
    /// A partition whose content is not what its name says.
    #[error("{what} in partition `{partition}` is damaged: {why}")]
    #[diagnostic(help("compare the image with its line in SHA256SUMS, or build it again"))]
    Damaged { partition: String, what: &'static str, why: String },
    /// The list of packages cannot be had.
    #[error("the list of packages cannot be read: {why}")]
    Packages { why: String },
}
