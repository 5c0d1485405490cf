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
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file was opened, and reading a part of it failed.
    #[error("{what} of {path} cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// Which part.
        what: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A directory without an image.
    #[error("{path} has no *{ending} in it")]
    #[diagnostic(help(
        "name an image, or a directory out/<profile>/<version> of a finished build"
    ))]
    NoImageIn {
        /// The directory.
        path: PathBuf,
        /// How the name of an image ends.
        ending: &'static str,
    },
    /// A directory with several.
    #[error("{path} has more than one *{ending}: {}", names.join(", "))]
    #[diagnostic(help("name one of them"))]
    ManyImagesIn {
        /// The directory.
        path: PathBuf,
        /// How their names end.
        ending: &'static str,
        /// Their names.
        names: Vec<String>,
    },
    /// A packed image.
    #[error("{path} is compressed with zstd")]
    #[diagnostic(help("unpack it first: zstd --decompress --sparse {path}", path = path.display()))]
    Compressed {
        /// The file.
        path: PathBuf,
    },
    /// Anything but an image.
    #[error("{path} is not a disk image: {why}")]
    #[diagnostic(help(
        "expected a raw image with a GUID partition table, as `ashlar build` writes it"
    ))]
    NotAnImage {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The file ends too early.
    #[error(
        "{path} is truncated: partition `{partition}` ends at byte {end}, the file at byte {length}"
    )]
    #[diagnostic(help("copy it again, and compare it with its line in SHA256SUMS"))]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The first partition that is cut.
        partition: String,
        /// Where it should end.
        end: u64,
        /// Where the file ends.
        length: u64,
    },
    /// A partition whose content is not what its name says.
    #[error("{what} in partition `{partition}` is damaged: {why}")]
    #[diagnostic(help("compare the image with its line in SHA256SUMS, or build it again"))]
    Damaged {
        /// The partition.
        partition: String,
        /// What is on it.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The list of packages cannot be had.
    #[error("the list of packages cannot be read: {why}")]
    Packages {
        /// Why not.
        why: String,
    },
    /// The root is needed, and cannot be unpacked.
    #[error("the root of {path} cannot be unpacked: {why}")]
    #[diagnostic(help("`ashlar inspect` shows what is on the disk"))]
    NoRoot {
        /// The image.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// No room to unpack into.
    #[error("nothing can be unpacked in {path}")]
    Work {
        /// The directory.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A tool failed that unpacks.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Tool(#[from] ashlar_sandbox::SandboxError),
}
