//! Where build tools run: in the tools root, away from the host.
//!
//! The tools root is mounted read-only; the command sees only the directories
//! that it is given, a fixed environment, and no network unless it says so. As
//! root it runs directly; anyone else gets root in a user namespace whose ids
//! come from `/etc/subuid`. There, root is the caller, so that all files of a
//! tree that belong to root can also be read and written from outside.

use crate::error::{At, Result, SandboxError};
use crate::{EPOCH, interrupt};
use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A root in which tools run.
#[derive(Clone, Debug)]
pub struct Sandbox {
    root: PathBuf,
    namespaced: bool,
}

impl Sandbox {
    /// Tools from this root.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), namespaced: !nix::unistd::Uid::effective().is_root() }
    }

    /// The host's own tools, isolated all the same; for making the tools root.
    pub fn host() -> Self {
        Self::new(Path::new("/"))
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
            stdin: None,
        }
    }

    /// A shell script that stops at the first error.
    pub fn script(&self, what: &str, script: &str) -> Tool<'_> {
        self.command(what, "sh").arg("-euc").arg(script)
    }

    /// Removes trees that may hold files of other owners.
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

const NAMESPACE: [&str; 3] = ["--user", "--map-auto", "--map-root-user"];

#[derive(Clone, Debug)]
struct Bind {
    host: PathBuf,
    inside: String,
    writable: bool,
}

/// A command about to run in a sandbox.
#[derive(Debug)]
#[must_use]
pub struct Tool<'a> {
    sandbox: &'a Sandbox,
    what: String,
    program: String,
    args: Vec<OsString>,
    binds: Vec<Bind>,
    env: Vec<(String, String)>,
    network: bool,
    stdin: Option<Vec<u8>>,
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
    pub fn read(mut self, host: &Path, inside: &str) -> Self {
        let inside = format!("/run/{inside}");
        self.binds.push(Bind { host: host.to_owned(), inside, writable: false });
        self
    }

    /// Shows `host` at `/run/<inside>`, writable.
    pub fn write(mut self, host: &Path, inside: &str) -> Self {
        let inside = format!("/run/{inside}");
        self.binds.push(Bind { host: host.to_owned(), inside, writable: true });
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

    /// Feeds standard input.
    pub fn stdin(mut self, bytes: Vec<u8>) -> Self {
        self.stdin = Some(bytes);
        self
    }

    /// The whole command line, as it is run on the host.
    fn argv(&self) -> Vec<OsString> {
        let mut argv: Vec<OsString> = Vec::new();
        if self.sandbox.namespaced {
            argv.push("unshare".into());
            argv.extend(NAMESPACE.map(OsString::from));
        }
        let host = self.sandbox.root == Path::new("/");
        argv.extend(
            ["bwrap", "--die-with-parent", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
                .map(OsString::from),
        );
        argv.extend(["--hostname", "ashlar", "--clearenv"].map(OsString::from));
        if !self.network {
            argv.push("--unshare-net".into());
        }
        argv.push(if host { "--bind" } else { "--ro-bind" }.into());
        argv.extend([self.sandbox.root.clone().into_os_string(), "/".into()]);
        // Debian 12's mmdebstrap expects a console, and bwrap makes none.
        argv.extend(
            ["--dev", "/dev", "--dev-bind", "/dev/null", "/dev/console", "--proc", "/proc"]
                .map(OsString::from),
        );
        if !host {
            for volatile in ["/tmp", "/run", "/var/tmp", "/var/cache", "/var/lib/apt"] {
                argv.extend(["--tmpfs", volatile].map(OsString::from));
            }
        }
        if self.network {
            for file in ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"] {
                if !host && let Ok(real) = std::fs::canonicalize(file) {
                    argv.extend(["--ro-bind".into(), real.into_os_string(), file.into()]);
                }
            }
        }
        for bind in &self.binds {
            argv.push(if bind.writable { "--bind" } else { "--ro-bind" }.into());
            argv.extend([bind.host.clone().into_os_string(), bind.inside.clone().into()]);
        }
        for (name, value) in self.environment() {
            argv.extend(["--setenv".into(), name.into(), value.into()]);
        }
        argv.extend(["--chdir", "/", "--"].map(OsString::from));
        argv.push(self.program.clone().into());
        argv.extend(self.args.iter().cloned());
        argv
    }

    /// Nothing of the host's environment is inherited, except a proxy for apt.
    fn environment(&self) -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> = [
            ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            ("HOME", "/nonexistent"),
            ("LC_ALL", "C.UTF-8"),
            ("TZ", "UTC"),
            ("TMPDIR", "/tmp"),
            ("DEBIAN_FRONTEND", "noninteractive"),
            // The image brings its own initrd; Debian's hook would take 25 s.
            ("INITRD", "No"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        all.push(("SOURCE_DATE_EPOCH".into(), EPOCH.to_string()));
        if self.network {
            for name in ["http_proxy", "https_proxy", "no_proxy"] {
                if let Ok(value) = std::env::var(name) {
                    all.push((name.into(), value));
                }
            }
        }
        all.extend(self.env.iter().cloned());
        all
    }

    /// Runs it to its end; what it printed on standard output.
    pub fn run(self) -> Result<String> {
        interrupt::check()?;
        let argv = self.argv();
        let mut command = Command::new(&argv[0]);
        command
            .args(&argv[1..])
            .process_group(0)
            .stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => {
                SandboxError::NotInstalled { program: argv[0].to_string_lossy().into_owned() }
            }
            _ => SandboxError::Io { verb: "run", path: PathBuf::from(&argv[0]), source },
        })?;
        let running = interrupt::Running::new(&child);
        let (input, output, errors) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let feed = self.stdin.clone();
        let (stdout, stderr) = std::thread::scope(|scope| {
            // A tool that stops reading early says so by its exit status.
            scope.spawn(|| {
                if let (Some(mut pipe), Some(bytes)) = (input, feed) {
                    let _ = pipe.write_all(&bytes);
                }
            });
            let errors = scope.spawn(|| drain(errors));
            (drain(output), errors.join().unwrap_or_default())
        });
        let status = child.wait().at("run", &argv[0])?;
        drop(running);
        interrupt::check()?;
        if status.success() { Ok(stdout) } else { Err(self.failure(&stdout, &stderr, status)) }
    }

    fn failure(
        &self,
        stdout: &str,
        stderr: &str,
        status: std::process::ExitStatus,
    ) -> SandboxError {
        let full = |text: &str| text.contains("No space left on device");
        if full(stderr) || full(stdout) {
            let written = self.binds.iter().rfind(|bind| bind.writable);
            let place = written.map_or_else(|| self.sandbox.root.clone(), |bind| bind.host.clone());
            return SandboxError::DiskFull { what: self.what.clone(), place };
        }
        let text = if stderr.trim().is_empty() { stdout } else { stderr };
        SandboxError::Tool {
            what: self.what.clone(),
            program: self.program.clone(),
            status: status.to_string(),
            tail: last_lines(text, 15),
        }
    }
}

fn drain(pipe: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        let _ = pipe.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sandbox(namespaced: bool) -> Sandbox {
        Sandbox { root: "/cache/tools".into(), namespaced }
    }

    fn words(tool: &Tool<'_>) -> String {
        tool.argv().iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_tool_has_no_network_and_a_read_only_root_unless_it_asks() {
        let sandbox = sandbox(false);
        let tool = sandbox.command("packing", "mkfs.erofs").arg("x");
        let line = words(&tool);
        assert!(line.starts_with("bwrap "), "{line}");
        assert!(line.contains("--unshare-net"), "{line}");
        assert!(line.contains("--ro-bind /cache/tools /"), "{line}");
        assert!(!line.contains("resolv.conf"), "{line}");
        assert!(line.ends_with("-- mkfs.erofs x"), "{line}");
        assert!(!words(&tool.network()).contains("--unshare-net"));
    }

    #[test]
    fn without_root_the_same_command_runs_in_a_user_namespace() {
        let sandbox = sandbox(true);
        let line = words(&sandbox.command("packing", "true"));
        assert!(line.starts_with("unshare --user --map-auto --map-root-user bwrap "), "{line}");
    }

    #[test]
    fn the_environment_is_fixed_and_nothing_of_the_host_leaks_in() {
        let sandbox = sandbox(false);
        let line = words(&sandbox.command("packing", "true").env("A", "b"));
        assert!(line.contains("--clearenv"), "{line}");
        for fixed in ["LC_ALL C.UTF-8", "TZ UTC", "SOURCE_DATE_EPOCH ", "INITRD No", "A b"] {
            assert!(line.contains(&format!("--setenv {fixed}")), "{fixed}: {line}");
        }
    }

    #[test]
    fn directories_are_read_only_unless_given_for_writing() {
        let sandbox = sandbox(false);
        let tool =
            sandbox.command("x", "true").read(Path::new("/a"), "in").write("/b".as_ref(), "out");
        let line = words(&tool);
        assert!(line.contains("--ro-bind /a /run/in --bind /b /run/out"), "{line}");
    }

    #[test]
    fn a_full_disk_is_told_apart_from_other_failures() {
        use std::os::unix::process::ExitStatusExt;
        let sandbox = sandbox(false);
        let tool = sandbox.command("packing", "mkfs.erofs").write("/out".as_ref(), "out");
        let failed = std::process::ExitStatus::from_raw(256);
        let error = tool.failure("", "write: No space left on device", failed);
        assert!(
            matches!(error, SandboxError::DiskFull { place, .. } if place == Path::new("/out"))
        );
        let error = tool.failure("", "bad superblock", failed);
        assert!(error.to_string().contains("bad superblock"));
    }
}
