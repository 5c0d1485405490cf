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

    /// A version that somebody chose is taken.
    #[error("version {version} is published already, with other contents: {}", .directory.display())]
    #[diagnostic(help("choose another --image-version, or remove that directory first"))]
    VersionTaken {
        /// The version.
        version: String,
        /// Where it is.
        directory: PathBuf,
    },

    /// A package in the cache is not what it was.
    #[error("the package {name} {version} was damaged in the cache, and is removed from it")]
    #[diagnostic(help("build again: it is fetched anew. Check the disk if this happens twice"))]
    Damaged {
        /// The package.
        name: String,
        /// Its version.
        version: String,
    },

    /// Hardware sets name modules that the kernel does not have.
    #[error("kernel {kernel} has no module {}", .names.join(", "))]
    #[diagnostic(help(
        "correct the name, or take the line out; a pattern with * may match nothing"
    ))]
    NoSuchModules {
        /// Each with the place that names it, where that is known.
        names: Vec<String>,
        /// The kernel's version.
        kernel: String,
    },

    /// The lock is missing or is not the recipe's.
    #[error("{} {reason}", .path.display())]
    #[diagnostic(help("run `{command}` and commit the file"))]
    LockStale {
        /// The lock file.
        path: PathBuf,
        /// `does not exist`, `is older than the recipe` …
        reason: String,
        /// What makes it anew.
        command: String,
    },

    /// The archive has moved on, and no other place has what was locked.
    #[error("these packages of `{profile}` are to be had no more:\n{packages}{changes}")]
    #[diagnostic(help(
        "an archive keeps the newest versions only. Name a mirror or a dated archive in \
         recipes/archives.toml, or build from what `ashlar vendor` kept; \
         `{relock}` takes the newest into the lock"
    ))]
    Gone {
        /// The profile, or `tools`.
        profile: String,
        /// Each package, and each place that was asked.
        packages: String,
        /// What a new lock would change, or nothing.
        changes: String,
        /// The command that makes a new lock.
        relock: String,
    },

    /// A vendored directory lacks something.
    #[error("{} lacks what `{profile}` needs:\n{packages}", .directory.display())]
    #[diagnostic(help("fill it anew with `ashlar vendor {}`", .directory.display()))]
    NotVendored {
        /// The profile, or `tools`.
        profile: String,
        /// The directory.
        directory: PathBuf,
        /// What is missing, one line a package.
        packages: String,
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

    /// Packages are out of reach.
    #[error("these packages of `{profile}` could not be fetched:\n{packages}")]
    #[diagnostic(help(
        "check the network, and the proxy if there is one; what was already fetched is kept"
    ))]
    OutOfReach {
        /// The profile, or `tools`.
        profile: String,
        /// Each package, and why each place did not give it.
        packages: String,
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
