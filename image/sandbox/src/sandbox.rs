//! Where build tools run: in the tools root, away from the host.
//!
//! The tools root is mounted read-only; the command sees only the directories
//! that it is given, a fixed environment, and no network unless it says so. As
//! root it runs directly, with the few capabilities that handling files takes;
//! anyone else gets root in a user namespace whose ids come from `/etc/subuid`.
//! There, root is the caller, so that all files of a tree that belong to root can
//! also be read and written from outside.

use crate::cancel::Cancel;
use crate::error::{At, Result};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// A root in which tools run.
#[derive(Clone, Debug)]
pub struct Sandbox {
    pub(crate) root: PathBuf,
    pub(crate) namespaced: bool,
    pub(crate) cancel: Cancel,
    pub(crate) logs: Option<PathBuf>,
    pub(crate) trace: Option<Trace>,
}

/// Is told of each command before it runs: what it is for, and a line for a
/// shell on the host that does the same by hand.
#[derive(Clone)]
pub struct Trace(Arc<Told>);

type Told = dyn Fn(&str, &str) + Send + Sync;

impl Trace {
    /// Calls `told` for each command.
    pub fn new(told: impl Fn(&str, &str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(told))
    }

    pub(crate) fn tell(&self, what: &str, line: &str) {
        (self.0)(what, line);
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trace")
    }
}

impl Sandbox {
    /// Tools from this root.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            namespaced: !nix::unistd::Uid::effective().is_root(),
            cancel: Cancel::default(),
            logs: None,
            trace: None,
        }
    }

    /// The host's own tools, isolated all the same; for making the tools root.
    #[must_use]
    pub fn host() -> Self {
        Self::new(Path::new("/"))
    }

    /// Where it is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Tools end when this token is cancelled.
    #[must_use]
    pub fn until(mut self, cancel: Cancel) -> Self {
        self.cancel = cancel;
        self
    }

    /// The token that ends its tools.
    #[must_use]
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// Whether somebody is told of each command.
    #[must_use]
    pub fn is_traced(&self) -> bool {
        self.trace.is_some()
    }

    /// All that a failed tool printed is kept in this directory, which is made
    /// when there is something to keep.
    #[must_use]
    pub fn logging_to(mut self, directory: PathBuf) -> Self {
        self.logs = Some(directory);
        self
    }

    /// Tells of each command.
    #[must_use]
    pub fn traced(mut self, trace: Option<Trace>) -> Self {
        self.trace = trace;
        self
    }

    /// A command; `what` says what it is for, in errors.
    pub fn command(&self, what: &str, program: &str) -> Tool<'_> {
        Tool {
            sandbox: self,
            what: what.to_owned(),
            program: program.to_owned(),
            args: Vec::new(),
            binds: Vec::new(),
            env: Vec::new(),
            network: false,
            rights: Rights::Files,
            stdin: None,
        }
    }

    /// A shell script that stops at the first error.
    pub fn script(&self, what: &str, script: &str) -> Tool<'_> {
        self.command(what, "sh").arg("-euc").arg(script)
    }

    /// Removes trees that may hold files of other owners.
    ///
    /// # Errors
    ///
    /// When something of it is still there.
    pub fn remove(path: &Path) -> Result<()> {
        if std::fs::symlink_metadata(path).is_err() {
            return Ok(());
        }
        let mut command = if nix::unistd::Uid::effective().is_root() {
            Command::new("rm")
        } else {
            let mut command = Command::new("unshare");
            command.args(NAMESPACE).arg("rm");
            command
        };
        let status = command.arg("-rf").arg("--").arg(path).status().at("removed", path)?;
        if status.success() {
            Ok(())
        } else {
            Err(std::io::Error::other("rm failed")).at("removed", path)
        }
    }
}

pub(crate) const NAMESPACE: [&str; 3] = ["--user", "--map-auto", "--map-root-user"];

#[derive(Clone, Debug)]
pub(crate) struct Bind {
    pub(crate) host: PathBuf,
    pub(crate) inside: OsString,
    pub(crate) writable: bool,
}

/// What root may do inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rights {
    /// Reading and writing files of any owner, and changing user.
    Files,
    /// Mounting and `chroot` as well: what installing packages takes.
    Mounts,
    /// Everything that the caller may.
    All,
}

/// A command about to run in a sandbox.
#[derive(Debug)]
#[must_use]
pub struct Tool<'a> {
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) what: String,
    pub(crate) program: String,
    pub(crate) args: Vec<OsString>,
    pub(crate) binds: Vec<Bind>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) network: bool,
    pub(crate) rights: Rights,
    pub(crate) stdin: Option<Vec<u8>>,
}

impl Tool<'_> {
    /// An argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Several arguments.
    pub fn args<I: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = I>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Shows `host` at `/run/<inside>`, read-only.
    pub fn read(self, host: &Path, inside: &str) -> Self {
        self.bind(host, format!("/run/{inside}").into(), false)
    }

    /// Shows `host` at `/run/<inside>`, writable.
    pub fn write(self, host: &Path, inside: &str) -> Self {
        self.bind(host, format!("/run/{inside}").into(), true)
    }

    /// Shows a directory writable where it is.
    pub fn write_in_place(self, host: &Path) -> Self {
        self.bind(host, host.as_os_str().to_owned(), true)
    }

    fn bind(mut self, host: &Path, inside: OsString, writable: bool) -> Self {
        self.binds.push(Bind { host: host.to_owned(), inside, writable });
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Lets the command out to the network.
    pub fn network(mut self) -> Self {
        self.network = true;
        self
    }

    /// Lets it mount and change its root, as installing packages must.
    pub fn mounting(mut self) -> Self {
        self.rights = Rights::Mounts;
        self
    }

    /// Takes no right from it: for another builder, which makes sandboxes itself.
    pub fn with_all_rights(mut self) -> Self {
        self.rights = Rights::All;
        self
    }

    /// Feeds standard input.
    pub fn stdin(mut self, bytes: Vec<u8>) -> Self {
        self.stdin = Some(bytes);
        self
    }
}
