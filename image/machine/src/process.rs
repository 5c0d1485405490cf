//! Processes that outlive us, told apart from others that got the same number.

use super::error::{Doing, Result};
use super::{Deadline, Error};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use std::process::{Command, Output};
use std::time::Duration;

/// A process, named so that a later one with the same number is not taken for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    pid: i32,
    /// Start time in clock ticks since boot, from `/proc/PID/stat`.
    started: u64,
    /// The host's boot id: after a reboot nothing of ours runs.
    boot: String,
}

impl Process {
    /// The running process `pid`; `None` if there is none.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let stat = Stat::read(pid)?;
        Some(Self { pid, started: stat.started, boot: boot_id() })
    }

    /// Its number.
    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// It runs, or something of it is still open (a zombie has nothing open).
    pub(crate) fn alive(&self) -> bool {
        self.boot == boot_id()
            && Stat::read(self.pid)
                .is_some_and(|stat| stat.started == self.started && !stat.is_over())
    }

    /// Sends a signal, if the process still runs.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        if !self.alive() {
            return Ok(());
        }
        match kill(Pid::from_raw(self.pid), signal) {
            Ok(()) | Err(nix::errno::Errno::ESRCH) => Ok(()),
            Err(error) => Err(error).doing("signalling process", self.pid.to_string()),
        }
    }

    /// Waits for its end.
    pub(crate) fn wait(&self, name: &str, deadline: Deadline) -> Result<()> {
        deadline.poll(Duration::from_millis(50), || Ok((!self.alive()).then_some(())))?.ok_or_else(
            || Error::Deadline {
                node: name.to_owned(),
                what: "the end of its process".to_owned(),
                seconds: deadline.seconds(),
                last: String::new(),
            },
        )
    }

    /// Ends it at once and waits until it is gone.
    pub(crate) fn kill(&self, name: &str) -> Result<()> {
        self.signal(Signal::SIGKILL)?;
        self.wait(name, Deadline::within(Duration::from_secs(30)))
    }

    /// The first child of the process.
    pub(crate) fn child(&self) -> Option<Self> {
        let processes = std::fs::read_dir("/proc").ok()?;
        processes
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
            .find(|pid| Stat::read(*pid).is_some_and(|stat| stat.parent == self.pid))
            .and_then(Self::of)
    }
}

/// The fields of `/proc/PID/stat` that are used here.
struct Stat {
    state: char,
    parent: i32,
    threads: u32,
    started: u64,
}

impl Stat {
    /// The first thread is a zombie as soon as it has ended; what the process holds
    /// locked is so until the last one has.
    fn is_over(&self) -> bool {
        matches!(self.state, 'Z' | 'X') && self.threads <= 1
    }

    fn read(pid: i32) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(line: &str) -> Option<Self> {
        // The second field is the program's name in parentheses; it may contain
        // both spaces and parentheses.
        let (_, rest) = line.rsplit_once(')')?;
        let mut fields = rest.split_ascii_whitespace();
        let state = fields.next()?.chars().next()?;
        let parent = fields.next()?.parse().ok()?;
        let threads = fields.nth(15)?.parse().ok()?;
        let started = fields.nth(1)?.parse().ok()?;
        Some(Self { state, parent, threads, started })
    }
}

fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .unwrap_or_default()
}

/// Runs a program to its end; its standard error becomes the error.
pub(crate) fn run(command: &mut Command, package: &str) -> Result<Output> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| missing(error, &program, package))?;
    if output.status.success() {
        return Ok(output);
    }
    // Who runs a tool in a sandbox wants to hear of the tool.
    let inner = command.get_args().skip_while(|word| *word != "--").nth(1);
    Err(Error::Program {
        program: inner.map_or(program, |inner| inner.to_string_lossy().into_owned()),
        status: output.status.to_string(),
        stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

/// A program that is not there is a missing package.
pub(crate) fn missing(error: std::io::Error, program: &str, package: &str) -> Error {
    if error.kind() == std::io::ErrorKind::NotFound {
        Error::Missing { program: program.to_owned(), package: package.to_owned() }
    } else {
        Error::Io { doing: "starting", path: program.into(), source: error }
    }
}

#[cfg(test)]
mod tests {
    use super::{Process, Stat};

    #[test]
    fn a_program_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let line = "42 (a) b (c) S 7 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2";
        let stat = Stat::parse(line).unwrap();
        assert_eq!((stat.state, stat.parent, stat.started), ('S', 7, 98765));
    }

    #[test]
    fn a_killed_process_is_over_when_its_last_thread_is() {
        let over = |state: char, threads: u32| {
            let line =
                format!("42 (qemu) {state} 7 42 42 0 -1 0 1 2 3 4 5 6 7 8 20 0 {threads} 0 98765");
            Stat::parse(&line).unwrap().is_over()
        };
        assert!(!over('S', 1));
        assert!(!over('Z', 4));
        assert!(over('Z', 1));
        assert!(over('X', 0));
    }

    #[test]
    fn a_later_process_with_the_same_number_is_another_one() {
        let own = Process::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(own.alive());
        assert!(!Process { started: own.started + 1, ..own.clone() }.alive());
        assert!(!Process { boot: "earlier".into(), ..own }.alive());
    }
}
