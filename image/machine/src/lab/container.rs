//! One node's container.

use super::network;
use crate::error::{Doing, Error, Result};
use crate::process::{Process, missing};
use crate::{Deadline, Exec, Finished};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A container about to boot.
pub(super) struct Boot<'a> {
    /// Machine name, also that of its network namespace and control group.
    pub machine: &'a str,
    pub root: &'a Path,
    /// Has `var`, `data` and `etc`.
    pub dir: &'a Path,
    pub log: &'a Path,
    pub site: Option<&'a Path>,
    pub uuid: &'a str,
    /// Shell commands that give it what a reboot must find fresh.
    pub refresh: &'a str,
}

/// How systemd-nspawn says that its container wants to boot again.
const REBOOT: u8 = 133;

/// For its init to answer, on a machine that others starve: 30 s were not enough.
const START: Duration = Duration::from_secs(120);

/// Starts the container. Gives the process of its keeper, which runs
/// systemd-nspawn, again whenever the container reboots.
pub(super) fn boot(boot: &Boot<'_>) -> Result<Process> {
    let log =
        File::options().create(true).append(true).open(boot.log).doing("opening", boot.log)?;
    let mut command = in_own_group(boot.machine)?;
    let keeper = format!(
        "while code=0; \"$@\" || code=$?; [ $code = {REBOOT} ]; do\n{}done\nexit $code",
        boot.refresh
    );
    command.args(["sh", "-c", &keeper, "keeper"]);
    command.arg("systemd-nspawn").args(["--quiet", "--register=no", "--keep-unit", "--boot"]);
    command.arg(format!("--machine={}", boot.machine));
    command.arg(with("--directory=", boot.root)).arg("--read-only");
    command.arg(with("--network-namespace-path=", &network::path(boot.machine)));
    command.arg(format!("--uuid={}", boot.uuid)).arg("--hostname=localhost");
    let overlay = format!("--overlay=+/etc:{}:/etc", escaped(&boot.dir.join("etc")));
    command.arg(overlay);
    command.arg(format!("--bind={}:/var", escaped(&boot.dir.join("var"))));
    command.arg(format!("--bind={}:/data", escaped(&boot.dir.join("data"))));
    // Volumes are FUSE mounts, and the container engine makes its own networks.
    command.args(["--bind=/dev/fuse", "--bind=/dev/net/tun", "--capability=all"]);
    command.arg("--system-call-filter=add_key keyctl bpf");
    command.args(["--link-journal=no", "--resolv-conf=off", "--timezone=off"]);
    command.arg("--console=read-only");
    if let Some(site) = boot.site {
        command.arg(with("--load-credential=ashlar.site:", site));
    }
    // `network`: /proc/sys/net is the node's own to write, as dockerd demands;
    // all else stays closed, so that the node does not expect a udev.
    command.env("SYSTEMD_NSPAWN_API_VFS_WRITABLE", "network");
    command.env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1");
    let errors = log.try_clone().doing("opening", boot.log)?;
    command.stdin(Stdio::null()).stdout(log).stderr(errors);
    let child =
        command.spawn().map_err(|error| missing(error, "systemd-nspawn", "systemd-container"))?;
    started(child, boot)
}

/// Waits until the container has an init, or nspawn has said why not.
fn started(mut child: Child, boot: &Boot<'_>) -> Result<Process> {
    let pid = i32::try_from(child.id()).unwrap_or_default();
    let deadline = Deadline::within(START);
    let said = || fs::read_to_string(boot.log).unwrap_or_default();
    let found = deadline.poll(Duration::from_millis(50), || {
        if let Some(status) = child.try_wait().doing("starting", boot.machine)? {
            return Err(Error::Program {
                program: "systemd-nspawn".to_owned(),
                status: status.to_string(),
                stderr: said().trim().to_owned(),
            });
        }
        Ok(Process::of(pid).filter(|keeper| init(keeper).is_some()))
    })?;
    if found.is_none()
        && let Some(keeper) = Process::of(pid)
    {
        // Nobody would know of it any more, and so nobody would end it.
        kill(boot.machine, &keeper)?;
    }
    // It outlives us; but while we live, its end must not leave a zombie that
    // nobody takes.
    std::thread::spawn(move || child.wait());
    found.ok_or_else(|| Error::Deadline {
        node: boot.machine.to_owned(),
        what: "the start of its init".to_owned(),
        seconds: deadline.seconds(),
        last: said(),
    })
}

/// The container's init, once it has become systemd and answers: child of
/// systemd-nspawn, which is the child of the keeper.
pub(super) fn init(keeper: &Process) -> Option<Process> {
    let answers = |init: &Process| {
        Path::new(&format!("/proc/{}/root/run/systemd/private", init.pid())).exists()
    };
    keeper.child()?.child().filter(answers)
}

/// Ends all of the container at one instant.
pub(super) fn kill(node: &str, keeper: &Process) -> Result<()> {
    let nspawn = keeper.child();
    if let Some(init) = nspawn.as_ref().and_then(Process::child) {
        init.kill(node)?;
    }
    keeper.kill(node)?;
    nspawn.map_or(Ok(()), |nspawn| nspawn.kill(node))
}

/// A command in a control group of its own: two containers that shared one
/// would take each other's services for theirs.
fn in_own_group(machine: &str) -> Result<Command> {
    if Path::new("/run/systemd/system").exists() {
        let mut command = Command::new("systemd-run");
        command.args(["--quiet", "--scope", "--collect", "--property=Delegate=yes"]);
        command.arg(format!("--unit={machine}.scope")).arg("--").arg("setsid");
        return Ok(command);
    }
    let group = group(machine);
    fs::create_dir_all(&group).doing("making", &group)?;
    let mut command = Command::new("sh");
    command.args(["-euc", r#"echo $$ >"$0/cgroup.procs"; exec setsid "$@""#]).arg(group);
    Ok(command)
}

/// Stops all of a container at one instant, or lets it go on.
pub(super) fn still(keeper: &Process, still: bool) -> Result<()> {
    let groups = PathBuf::from(format!("/proc/{}/cgroup", keeper.pid()));
    let text = fs::read_to_string(&groups).doing("reading", &groups)?;
    let own = text.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let switch = top_group().join(own).join("cgroup.freeze");
    if own.is_empty() {
        // All of the host: never.
        return Err(std::io::Error::from(std::io::ErrorKind::NotFound)).doing("using", &switch);
    }
    fs::write(&switch, if still { "1" } else { "0" }).doing("writing", &switch)
}

/// The control group of a container on a host without systemd.
fn group(machine: &str) -> PathBuf {
    top_group().join(machine)
}

fn top_group() -> &'static Path {
    let hybrid = Path::new("/sys/fs/cgroup/unified");
    if hybrid.exists() { hybrid } else { Path::new("/sys/fs/cgroup") }
}

/// Removes the control groups that a dead container left.
pub(super) fn forget(machine: &str) {
    fn remove(group: &Path) {
        for entry in fs::read_dir(group).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                remove(&entry.path());
            }
        }
        // A group that is still in use stays until the next start.
        let _ = fs::remove_dir(group);
    }
    remove(&group(machine));
}

/// Runs a command in the container, as a login shell of root would.
pub(super) fn exec(node: &str, keeper: &Process, exec: &Exec) -> Result<Finished> {
    let deadline = Deadline::within(exec.within);
    let late = |what: String, last: String| Error::Deadline {
        node: node.to_owned(),
        what,
        seconds: deadline.seconds(),
        last,
    };
    let init = deadline
        .poll(Duration::from_millis(100), || {
            if !keeper.alive() {
                return Err(Error::Lost { node: node.to_owned() });
            }
            Ok(init(keeper))
        })?
        .ok_or_else(|| late("the start of its init".to_owned(), String::new()))?;
    let mut command = shell(&init, &exec.script);
    let mut child = command.spawn().map_err(|error| missing(error, "nsenter", "util-linux"))?;
    let group = Pid::from_raw(i32::try_from(child.id()).unwrap_or_default());
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // A command that does not read its input is no error.
            let _ = stdin.map(|mut pipe| pipe.write_all(&exec.stdin));
        });
        let stdout = scope.spawn(move || read_all(stdout));
        let stderr = scope.spawn(move || read_all(stderr));
        let ended = deadline.poll(Duration::from_millis(50), || child.try_wait());
        if !matches!(ended, Ok(Some(_))) {
            let _ = killpg(group, Signal::SIGKILL);
            let _ = child.wait();
        }
        let ended = ended.doing("waiting for", node)?;
        let (stdout, stderr) = (joined(stdout), joined(stderr));
        match ended {
            None => {
                let last = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
                Err(late(format!("the end of `{}`", exec.script), last))
            }
            Some(_) if !keeper.alive() => Err(Error::Lost { node: node.to_owned() }),
            Some(status) => {
                let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
                let code = u8::try_from(code).unwrap_or(u8::MAX);
                Ok(Finished { code, stdout, stderr })
            }
        }
    })
}

/// Starts a command in the container, as a login shell of root would.
pub(super) fn spawn(node: &str, keeper: &Process, script: &str) -> Result<Child> {
    let init = init(keeper).ok_or_else(|| Error::Lost { node: node.to_owned() })?;
    shell(&init, script).spawn().map_err(|error| missing(error, "nsenter", "util-linux"))
}

fn shell(init: &Process, script: &str) -> Command {
    let mut command = Command::new("nsenter");
    command.arg("--target").arg(init.pid().to_string()).args(["--all", "--", "/usr/bin/env", "-i"]);
    command.args(["HOME=/root", "USER=root", "LOGNAME=root", "LANG=C.UTF-8", "TERM=dumb"]);
    command.args(["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]);
    command.args(["/bin/bash", "-l", "-c", script]).process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn read_all(pipe: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
    bytes
}

fn joined(thread: std::thread::ScopedJoinHandle<'_, Vec<u8>>) -> Vec<u8> {
    thread.join().unwrap_or_default()
}

fn with(option: &str, path: &Path) -> std::ffi::OsString {
    let mut all = std::ffi::OsString::from(option);
    all.push(path);
    all
}

/// A path inside `--bind=` and `--overlay=`, where a colon separates.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace('\\', "\\\\").replace(':', "\\:")
}
