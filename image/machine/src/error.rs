//! What can go wrong with machines, and what mends it.

use miette::Diagnostic;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Short for results of this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something could not be done with a machine.
#[derive(Debug, Error, Diagnostic)]
#[non_exhaustive]
pub enum Error {
    /// Neither the tools root nor the host has QEMU.
    #[error("there is no QEMU with UEFI firmware: {looked}")]
    #[diagnostic(help(
        "`ashlar build` bootstraps the tools root, which brings both (once); or install them: \
         apt install qemu-system-x86 qemu-utils ovmf"
    ))]
    NoQemu {
        /// Where it was looked for.
        looked: String,
    },
    /// A program of the host is missing.
    #[error("{program} is not installed")]
    #[diagnostic(help("apt install {package}"))]
    Missing {
        /// Program.
        program: String,
        /// Debian package that has it.
        package: String,
    },
    /// The lab needs root.
    #[error("the lab makes network namespaces and boots containers, and needs root for that")]
    #[diagnostic(help("run it with sudo, or use `ashlar vm`, which needs no root"))]
    NeedsRoot,
    /// A cluster's name is not usable.
    #[error("`{name}` cannot name a cluster")]
    #[diagnostic(help("use 1 to 24 of a-z, 0-9 and -, starting with a letter"))]
    Name {
        /// As given.
        name: String,
    },
    /// So many nodes are not possible.
    #[error("a cluster has 1 to 99 nodes, not {nodes}")]
    Nodes {
        /// As given.
        nodes: u16,
    },
    /// The name is taken by a cluster that runs.
    #[error("{backend} cluster `{name}` is already there")]
    #[diagnostic(help("`ashlar {backend} down --name {name}` removes it"))]
    AlreadyUp {
        /// Back end of the existing cluster.
        backend: super::Backend,
        /// Its name.
        name: String,
    },
    /// No such cluster.
    #[error("there is no {backend} cluster `{name}`{}", those(.known))]
    #[diagnostic(help("`ashlar {backend} up` makes one, `ashlar {backend} list` shows them"))]
    NoCluster {
        /// Back end.
        backend: super::Backend,
        /// As given.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// No such node.
    #[error("cluster `{cluster}` has no node `{node}`{}", those(.known))]
    NoNode {
        /// Cluster.
        cluster: String,
        /// As given.
        node: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The node has no power.
    #[error("{node} is off")]
    #[diagnostic(help("`ashlar {backend} start {node}` powers it on"))]
    Off {
        /// Back end, for the hint.
        backend: super::Backend,
        /// Node.
        node: String,
    },
    /// The node runs.
    #[error("{node} already runs")]
    On {
        /// Node.
        node: String,
    },
    /// The verb does not exist on this back end.
    #[error("{verb} needs a VM: a lab node has no {lacks}")]
    #[diagnostic(help("use `ashlar vm` for that"))]
    VmOnly {
        /// Verb.
        verb: &'static str,
        /// Why not.
        lacks: &'static str,
    },
    /// The same, the other way round.
    #[error("{verb} needs the lab")]
    #[diagnostic(help("use `ashlar lab` for that"))]
    LabOnly {
        /// Verb.
        verb: &'static str,
    },
    /// The site cannot be written into the image.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Stamp(ashlar_disk::FlashError),
    /// A file that must be there is not.
    #[error("{what} {path} does not exist")]
    #[diagnostic(help("{help}"))]
    NoFile {
        /// What it is.
        what: &'static str,
        /// Where it should be.
        path: PathBuf,
        /// What to do.
        help: String,
    },
    /// The site cannot be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Site(ashlar_site::SiteError),
    /// A socket's path is longer than the kernel takes.
    #[error("{path} is too long for a Unix socket (107 bytes)")]
    #[diagnostic(help("set ASHLAR_MACHINES to a directory with a shorter name"))]
    LongPath {
        /// The path.
        path: PathBuf,
    },
    /// A program failed.
    #[error("{program} failed ({status}): {stderr}")]
    Program {
        /// Program.
        program: String,
        /// Exit status, in words.
        status: String,
        /// What it printed.
        stderr: String,
    },
    /// QEMU refused a command.
    #[error("{node}: QEMU refused `{command}`: {reason}")]
    Qmp {
        /// Node.
        node: String,
        /// QMP command.
        command: String,
        /// Its words.
        reason: String,
    },
    /// A wait took too long.
    #[error("{node}: {what} did not happen within {seconds} s{}", tail(.last))]
    Deadline {
        /// Node or cluster.
        node: String,
        /// What was waited for.
        what: String,
        /// For how long.
        seconds: u64,
        /// Last lines of output or console.
        last: String,
    },
    /// Another process works on the cluster.
    #[error("another command works on `{name}`")]
    #[diagnostic(help("wait for it, or stop it"))]
    Busy {
        /// Cluster or node.
        name: String,
    },
    /// The node went away under a command.
    #[error("{node} lost power while a command ran in it")]
    Lost {
        /// Node.
        node: String,
    },
    /// A state file is damaged.
    #[error("{path} is damaged: {reason}")]
    #[diagnostic(help("remove the directory that it is in"))]
    Damaged {
        /// File.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The operating system refused.
    #[error("{doing} {path} failed")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

fn those(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(" (there is: {})", names.join(", ")) }
}

fn tail(last: &str) -> String {
    if last.trim().is_empty() { String::new() } else { format!("; last seen:\n{last}") }
}

/// Says what was tried when an operation on a file fails.
pub(crate) trait Doing<T> {
    /// `doing` is a participle: "reading", "making".
    fn doing(self, doing: &'static str, path: impl AsRef<Path>) -> Result<T>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, doing: &'static str, path: impl AsRef<Path>) -> Result<T> {
        self.map_err(|source| Error::Io {
            doing,
            path: path.as_ref().to_owned(),
            source: source.into(),
        })
    }
}
