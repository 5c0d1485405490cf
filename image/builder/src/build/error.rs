//! Why a build stops, each with what to do about it.

use miette::Diagnostic;
use std::path::PathBuf;
use thiserror::Error;

/// Why a build, or a part of it, stopped.
#[derive(Debug, Error, Diagnostic)]
pub(crate) enum BuildError {
    /// The recipe or its lock.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Recipe(#[from] ashlar_recipe::RecipeError),

    /// A file could not be read or written.
    #[error("{} cannot be {verb}", .path.display())]
    #[diagnostic(help("{}", io_help(.source)))]
    Io {
        /// `read`, `written`, `made` …
        verb: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },

    /// A program that the build needs is missing on the host.
    #[error("`{program}` is not installed on this machine")]
    #[diagnostic(help("run `ashlar doctor`, which prints the command that installs it"))]
    NotInstalled {
        /// Its name.
        program: String,
    },

    /// This user may not make user namespaces.
    #[error(
        "this user may not use user namespaces, and building without them needs root: {reason}"
    )]
    #[diagnostic(help(
        "run the build as root; or give the user a range in /etc/subuid and /etc/subgid, and \
         allow unprivileged user namespaces"
    ))]
    NoNamespaces {
        /// `unshare`'s words.
        reason: String,
    },

    /// A tool ended with an error.
    #[error("{what} failed: `{program}` ended with {status}\n{tail}")]
    #[diagnostic(help("the lines above are the tool's last; nothing half-written was kept"))]
    Tool {
        /// What was being done.
        what: String,
        /// The tool.
        program: String,
        /// How it ended.
        status: String,
        /// Its last lines.
        tail: String,
    },

    /// The disk is full.
    #[error("the disk is full: {what} needs more room in {}", .place.display())]
    #[diagnostic(help(
        "free some space, move the cache with --cache-dir, or run `ashlar cache gc`; \
         finished steps are kept and the next build goes on from them"
    ))]
    DiskFull {
        /// What was being done.
        what: String,
        /// Where.
        place: PathBuf,
    },

    /// There is too little room to begin.
    #[error(
        "this build needs about {} in {}, where {} are free",
        Bytes(*.needed), .place.display(), Bytes(*.free)
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

    /// Ctrl-C.
    #[error("interrupted; nothing half-written was kept, and finished steps stay in the cache")]
    Interrupted,

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

/// Names the file in an I/O error.
pub(crate) trait At<T> {
    /// `path` could not be `verb`.
    fn at(self, verb: &'static str, path: impl Into<PathBuf>) -> Result<T>;
}

impl<T> At<T> for std::io::Result<T> {
    fn at(self, verb: &'static str, path: impl Into<PathBuf>) -> Result<T> {
        self.map_err(|source| {
            let path = path.into();
            if source.kind() == std::io::ErrorKind::StorageFull {
                BuildError::DiskFull { what: "the build".into(), place: path }
            } else {
                BuildError::Io { verb, path, source }
            }
        })
    }
}

/// A number of bytes as people read it.
pub(crate) struct Bytes(pub(crate) u64);

impl std::fmt::Display for Bytes {
    #[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            0..1_000_000_000 => f.pad(&format!("{:.0} MB", self.0 as f64 / 1e6)),
            bytes => f.pad(&format!("{:.1} GB", bytes as f64 / 1e9)),
        }
    }
}

fn io_help(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            "check who owns it: a build as root and one as a user cannot share a cache"
        }
        std::io::ErrorKind::NotFound => "check the path",
        _ => "check the disk",
    }
}
