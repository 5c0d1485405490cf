//! Why a tool did not do its work, each with what to do about it.

use miette::Diagnostic;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a tool, or something around it, failed.
#[derive(Debug, Error, Diagnostic)]
#[non_exhaustive]
pub enum SandboxError {
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

    /// A program that is needed is missing on the host.
    #[error("`{program}` is not installed on this machine")]
    #[diagnostic(help("run `ashlar doctor`, which prints the command that installs it"))]
    NotInstalled {
        /// Its name.
        program: String,
    },

    /// Root that may not mount.
    #[error("root may not mount anything here: it has not the capability CAP_SYS_ADMIN")]
    #[diagnostic(help(
        "this looks like a container: start it with `--privileged`, or build as an ordinary user \
         of the host"
    ))]
    PoorRoot,

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
    #[error("{what} failed: `{program}` ended with {status}\n{tail}{}", whole_log(.log.as_deref()))]
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
        /// Where all that it printed is.
        log: Option<PathBuf>,
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

    /// Ctrl-C.
    #[error("interrupted; nothing half-written was kept, and finished steps stay in the cache")]
    Interrupted,
}

/// The result of running a tool.
pub type Result<T> = std::result::Result<T, SandboxError>;

/// Names the file in an I/O error.
pub trait At<T> {
    /// `path` could not be `verb`.
    ///
    /// # Errors
    ///
    /// The same, with the path.
    fn at(self, verb: &'static str, path: impl Into<PathBuf>) -> Result<T>;
}

impl<T> At<T> for std::io::Result<T> {
    fn at(self, verb: &'static str, path: impl Into<PathBuf>) -> Result<T> {
        self.map_err(|source| {
            let path = path.into();
            if source.kind() == std::io::ErrorKind::StorageFull {
                SandboxError::DiskFull { what: "the build".into(), place: path }
            } else {
                SandboxError::Io { verb, path, source }
            }
        })
    }
}

fn whole_log(log: Option<&Path>) -> String {
    log.map(|log| format!("\nAll of it is in {}", log.display())).unwrap_or_default()
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
