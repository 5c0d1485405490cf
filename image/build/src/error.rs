//! Why a build stops, each with what to do about it.

use bytesize::ByteSize;
use miette::Diagnostic;
use std::path::PathBuf;
use thiserror::Error;

/// Why a build, or a part of it, stopped.
#[derive(Debug, Error, Diagnostic)]
pub enum BuildError {
    /// The recipe or its lock.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Recipe(#[from] ashlar_recipe::RecipeError),

    /// A tool, or a file of the build.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Sandbox(#[from] ashlar_sandbox::SandboxError),

    /// There is too little room to begin.
    #[error(
        "this build needs about {} in {}, where {} are free",
        ByteSize(*.needed), .place.display(), ByteSize(*.free)
    )]
    #[diagnostic(help("free some space, or move the cache with --cache-dir"))]
    NoRoom {
        /// Bytes needed.
        needed: u64,
        /// Bytes free.
        free: u64,
        /// Where.
        place: PathBuf,
    },

    /// Another build holds the cache.
    #[error("another build is running{} and uses {}", .holder, .cache.display())]
    #[diagnostic(help("wait for it, or give this one a cache of its own with --cache-dir"))]
    Busy {
        /// ` (process 4711)`, or nothing.
        holder: String,
        /// The cache.
        cache: PathBuf,
    },

    /// The lock is missing or is not the recipe's.
    #[error("{} {reason}", .path.display())]
    #[diagnostic(help("run `ashlar lock --profile {profile}` and commit the file"))]
    LockStale {
        /// The lock file.
        path: PathBuf,
        /// `does not exist`, `is older than the recipe` …
        reason: String,
        /// The profile.
        profile: String,
    },

    /// The archive has moved on.
    #[error("the lock of `{profile}` does not match Debian's archive any more:\n{changes}")]
    #[diagnostic(help(
        "the archive keeps the newest versions only. \
         `ashlar lock --profile {profile}` takes them into the lock"
    ))]
    Drift {
        /// The profile.
        profile: String,
        /// One line a package.
        changes: String,
    },

    /// apt does not know a package.
    #[error("{} cannot be resolved: {reason}", .origin)]
    #[diagnostic(help("look the name up on https://packages.debian.org/trixie/"))]
    Unresolvable {
        /// The package and the place that names it, or the profile.
        origin: String,
        /// apt's words.
        reason: String,
    },

    /// What was downloaded is not what was locked.
    #[error("{name} {version} could not be fetched: {reason}")]
    #[diagnostic(help("check the network; what was already fetched is kept"))]
    Fetch {
        /// The package.
        name: String,
        /// Its version.
        version: String,
        /// Why.
        reason: String,
    },

    /// Something larger than the recipe allows.
    #[error("the {what} is {} bytes, {} more than the recipe's budget.{what} of {} bytes", .size, .size - .budget, .budget)]
    #[diagnostic(help("leave packages or kernel modules out, or raise `budget.{what}`"))]
    OverBudget {
        /// `root` or `uki`.
        what: &'static str,
        /// Bytes it has.
        size: u64,
        /// Bytes it may have.
        budget: u64,
    },

    /// What a tool printed or a file holds is not what was expected.
    #[error("{what}")]
    Unexpected {
        /// What, and what was expected.
        what: String,
    },
}

/// The result of anything in the pipeline.
pub(crate) type Result<T> = std::result::Result<T, BuildError>;

pub(crate) use ashlar_sandbox::At;
