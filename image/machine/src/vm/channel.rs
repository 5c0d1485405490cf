//! Commands for a guest over a virtio-serial port, without a network and
//! without anything in the image.
//!
//! The guest's end is `channel.sh`, handed to its systemd as a credential. The
//! host's end is a pair of FIFOs that QEMU holds open: a socket would report
//! each disconnection to the guest, whose shell would then have to be started
//! anew. One lock a node lets one command through at a time.

use crate::error::{Doing, Error, Result};
use crate::{Backend, Deadline, Exec, Finished, store};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the guest runs.
const GUEST: &str = include_str!("channel.sh");

/// The line of it that opens the port; the tests put FIFOs there.
#[cfg(test)]
const PORT: &str = "exec 3<>/dev/virtio-ports/ashlar.exec 4>&3";

/// Between two greetings to a guest that does not answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// After a command was cancelled, the guest has so long to say how it ended.
const AFTERMATH: Duration = Duration::from_secs(20);

/// What the firmware says so that a guest's systemd has a credential.
pub(super) fn credential(name: &str, content: &[u8]) -> String {
    format!("io.systemd.credential.binary:{name}={}", BASE64_STANDARD.encode(content))
}

/// Credentials that make a guest's systemd open its end of the channel.
pub(super) fn credentials() -> Vec<String> {
    let script = BASE64_STANDARD.encode(GUEST);
    // Decoded by the guest: unit files have quoting rules that the script has not.
    let unit = format!(
        "[Unit]\n\
         Description=Commands from the host of this machine\n\
         DefaultDependencies=no\n\
         ConditionPathExists=!/etc/initrd-release\n\
         Wants=dev-virtio\\x2dports-ashlar.exec.device\n\
         After=dev-virtio\\x2dports-ashlar.exec.device\n\
         [Service]\n\
         ExecStart=/bin/bash -c 'eval \"$$(base64 -d <<<{script})\"'\n\
         Restart=always\n\
         RestartSec=1\n\
         KillMode=process\n\
         OOMScoreAdjust=-900\n"
    );
    let wants = "[Unit]\nWants=ashlar-vm-exec.service\n";
    [
        ("systemd.extra-unit.ashlar-vm-exec.service", unit.as_str()),
        ("systemd.unit-dropin.sysinit.target~ashlar-vm-exec", wants),
    ]
    .map(|(name, text)| credential(name, text.as_bytes()))
    .to_vec()
}

/// Makes the FIFOs that QEMU will open for `-chardev pipe,path=<dir>/exec`.
pub(super) fn make(dir: &Path) -> Result<()> {
    for name in ["exec.in", "exec.out"] {
        let path = dir.join(name);
        // A FIFO with bytes from an earlier boot would confuse the next one;
        // the kernel drops them with the last user, but not before.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).doing("removing", &path);
            }
            _ => nix::unistd::mkfifo(
                &path,
                nix::sys::stat::Mode::S_IRUSR | nix::sys::stat::Mode::S_IWUSR,
            )
            .doing("making", &path)?,
        }
    }
    Ok(())
}

/// Runs a command in the guest. A guest that still boots is waited for.
pub(super) fn exec(dir: &Path, node: &str, exec: &Exec) -> Result<Finished> {
    let deadline = Deadline::within(exec.within);
    let turn = dir.join("exec.lock");
    let _turn = deadline
        .poll(Duration::from_millis(100), || match store::lock(&turn, node, false) {
            Ok(lock) => Ok(Some(lock)),
            Err(Error::Busy { .. }) => Ok(None),
            Err(error) => Err(error),
        })?
        .ok_or_else(|| Error::Busy { name: node.to_owned() })?;
    let mut channel = Channel::open(dir, node)?;
    channel.greet(deadline)?;
    channel.run(exec, deadline)
}

struct Channel {
    node: String,
    requests: File,
    answers: File,
    read: Vec<u8>,
}

impl Channel {
    fn open(dir: &Path, node: &str) -> Result<Self> {
        let requests = dir.join("exec.in");
        let answers = dir.join("exec.out");
        let open = |path: &PathBuf, write: bool| {
            File::options()
                .read(!write)
                .write(write)
                .custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits())
                .open(path)
        };
        // Without a reader, which is QEMU, opening for writing gives ENXIO.
        let off = |_| Error::Off { backend: Backend::Vm, node: node.to_owned() };
        Ok(Self {
            node: node.to_owned(),
            requests: open(&requests, true).map_err(off)?,
            answers: open(&answers, false).doing("opening", &answers)?,
            read: Vec::new(),
        })
    }

    /// Makes sure that the guest listens, and drops what an interrupted
    /// predecessor left unread. Asks again and again: until the guest's own
    /// system runs, the firmware's driver swallows what is sent.
    fn greet(&mut self, deadline: Deadline) -> Result<()> {
        let id = fresh_id();
        let greeting = format!("\n@pong {id}\n");
        while !deadline.passed() {
            self.send(format!("ping {id}\n").as_bytes(), deadline)?;
            let patience = Deadline::within(deadline.left().min(PATIENCE));
            if let Some(at) = self.find(greeting.as_bytes(), patience)? {
                self.read.drain(..at + greeting.len());
                return Ok(());
            }
        }
        Err(self.late("an answer from its shell", deadline, String::new()))
    }

    fn run(&mut self, exec: &Exec, deadline: Deadline) -> Result<Finished> {
        let id = fresh_id();
        let mut request =
            format!("run {id} {} {}\n", exec.script.len() + 1, exec.stdin.len()).into_bytes();
        request.extend_from_slice(exec.script.as_bytes());
        request.push(b'\n');
        request.extend_from_slice(&exec.stdin);
        self.send(&request, deadline)?;
        if let Some(finished) = self.finish(&id, deadline)? {
            return Ok(finished);
        }
        let aftermath = Deadline::within(AFTERMATH);
        self.send(format!("cancel {id}\n").as_bytes(), aftermath)?;
        let last = self.finish(&id, aftermath)?.map_or_else(String::new, |finished| {
            format!("{}{}", finished.text(), finished.error_text())
        });
        let end = exec.script.char_indices().nth(60).map_or(exec.script.len(), |(at, _)| at);
        Err(self.late(&format!("the end of `{}`", &exec.script[..end]), deadline, last))
    }

    /// Waits for the end of command `id` and reads its output.
    fn finish(&mut self, id: &str, deadline: Deadline) -> Result<Option<Finished>> {
        let mark = format!("\n@done {id} ");
        let Some(at) = self.find(mark.as_bytes(), deadline)? else { return Ok(None) };
        self.read.drain(..at + mark.len());
        let Some(end) = self.find(b"\n", deadline)? else { return Ok(None) };
        let header: Vec<u8> = self.read.drain(..=end).collect();
        let header = String::from_utf8_lossy(&header).into_owned();
        let numbers: Vec<usize> =
            header.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [code, out, err] = numbers[..] else {
            return Err(Error::Damaged {
                path: format!("the answer of {}", self.node).into(),
                reason: format!("`{}` is not three numbers", header.trim()),
            });
        };
        while self.read.len() < out + err {
            if !self.more(deadline)? {
                return Ok(None);
            }
        }
        let mut stdout: Vec<u8> = self.read.drain(..out + err).collect();
        let stderr = stdout.split_off(out);
        Ok(Some(Finished { code: u8::try_from(code).unwrap_or(u8::MAX), stdout, stderr }))
    }

    /// The place of `needle` in what was read, reading on until it is there.
    fn find(&mut self, needle: &[u8], deadline: Deadline) -> Result<Option<usize>> {
        let mut from = 0;
        loop {
            let found = self.read[from..].windows(needle.len()).position(|part| part == needle);
            if let Some(at) = found {
                return Ok(Some(from + at));
            }
            from = self.read.len().saturating_sub(needle.len());
            if !self.more(deadline)? {
                return Ok(None);
            }
        }
    }

    /// Reads what there is, waiting for it; `false` once the deadline passed.
    fn more(&mut self, deadline: Deadline) -> Result<bool> {
        let mut part = [0; 65536];
        loop {
            match self.answers.read(&mut part) {
                Ok(0) => return Err(Error::Lost { node: self.node.clone() }),
                Ok(count) => {
                    self.read.extend_from_slice(&part[..count]);
                    return Ok(true);
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    if !wait(&self.answers, PollFlags::POLLIN, deadline)? {
                        return Ok(false);
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error).doing("reading from", &self.node),
            }
        }
    }

    fn send(&mut self, mut bytes: &[u8], deadline: Deadline) -> Result<()> {
        while !bytes.is_empty() {
            match self.requests.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    if !wait(&self.requests, PollFlags::POLLOUT, deadline)? {
                        return Err(self.late("reading its request", deadline, String::new()));
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                    return Err(Error::Lost { node: self.node.clone() });
                }
                Err(error) => return Err(error).doing("writing to", &self.node),
            }
        }
        Ok(())
    }

    fn late(&self, what: &str, deadline: Deadline, last: String) -> Error {
        Error::Deadline {
            node: self.node.clone(),
            what: what.to_owned(),
            seconds: deadline.seconds(),
            last,
        }
    }
}

/// Waits until the FIFO is ready; `false` once the deadline passed.
fn wait(file: &File, what: PollFlags, deadline: Deadline) -> Result<bool> {
    loop {
        let left = i32::try_from(deadline.left().as_millis()).unwrap_or(i32::MAX);
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(file.as_fd(), what)], timeout) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error).doing("waiting for", "the guest"),
        }
    }
}

/// Random, so that no output of a guest can be taken for an answer.
fn fresh_id() -> String {
    hex::encode(rand::random::<[u8; 12]>())
}

#[cfg(test)]
mod tests;
