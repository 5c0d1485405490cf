//! Where a person may be: the screen and every console of the kernel, of which any
//! one may answer.

use crate::page::Page;
use anyhow::{Context, Result, bail};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

/// Empties a terminal, and goes to its first line.
const EMPTY: &str = "\x1b[2J\x1b[H";
/// What a heading begins and ends with.
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";
/// A line that is longer is nobody's answer.
const LONGEST: usize = 256;

struct Console {
    read: OwnedFd,
    write: File,
    typed: Vec<u8>,
    ended: bool,
}

/// All of them.
pub(crate) struct Consoles {
    all: Vec<Console>,
    /// They are terminals, on which a line can be written over.
    terminals: bool,
    /// A line of progress is unfinished.
    pending: bool,
    /// What every page begins with.
    heading: String,
}

impl Consoles {
    /// The screen, and what the kernel was told of.
    pub(crate) fn of_the_box() -> Result<Self> {
        let active = fs::read_to_string("/sys/class/tty/console/active").unwrap_or_default();
        let named = active.split_whitespace().filter(|name| *name != "tty0" && *name != "tty1");
        let mut all = Vec::new();
        for name in std::iter::once("tty1").chain(named) {
            let opened = File::options()
                .read(true)
                .write(true)
                .custom_flags(
                    nix::fcntl::OFlag::O_NOCTTY.bits() | nix::fcntl::OFlag::O_CLOEXEC.bits(),
                )
                .open(format!("/dev/{name}"));
            // A port that is not there is no reason to give up the others.
            if let Ok(write) = opened
                && let Ok(read) = write.try_clone()
            {
                all.push(Console { read: read.into(), write, typed: Vec::new(), ended: false });
            }
        }
        if all.is_empty() {
            bail!("this box has neither a screen nor a serial port");
        }
        // The kernel's warnings would be written into the midst of a question; they
        // are in its log all the same. A failure to ask for quiet is none of ours.
        let _ = fs::write("/proc/sys/kernel/printk", "2");
        Ok(Self::of(all, true))
    }

    /// Standard input and output.
    pub(crate) fn standard() -> Self {
        let clone = |fd: std::os::fd::BorrowedFd<'_>| fd.try_clone_to_owned().ok();
        let both = clone(std::io::stdin().as_fd()).zip(clone(std::io::stdout().as_fd()));
        let console = both.map(|(read, write)| Console {
            read,
            write: write.into(),
            typed: Vec::new(),
            ended: false,
        });
        Self::of(console.into_iter().collect(), false)
    }

    /// Nothing was said on them yet.
    fn of(all: Vec<Console>, terminals: bool) -> Self {
        Self { all, terminals, pending: false, heading: String::new() }
    }

    fn write(&mut self, text: &str) {
        for console in &mut self.all {
            // One that is gone must not hold up the others.
            let _ = console.write.write_all(text.as_bytes());
            let _ = console.write.flush();
        }
    }

    /// What every page begins with, from now on.
    pub(crate) fn head(&mut self, heading: String) {
        self.heading = heading;
    }

    /// Shows a page, and nothing else: on a terminal, what stood there is gone.
    pub(crate) fn show(&mut self, page: &Page) {
        self.pending = false;
        if self.terminals {
            let empty = format!("{EMPTY}{BOLD}{}{PLAIN}\r\n", self.heading);
            self.write(&empty);
        }
        self.say(&format!("\n{}", page.lines().join("\n")));
    }

    /// Says something below what was said before.
    pub(crate) fn say(&mut self, text: &str) {
        let end = if self.terminals { "\r\n" } else { "\n" };
        if std::mem::take(&mut self.pending) {
            self.write(end);
        }
        let text = text.lines().map(|line| format!("{line}{end}")).collect::<String>();
        self.write(&text);
    }

    /// Shows how far something is, over what was shown before.
    pub(crate) fn progress(&mut self, text: &str) {
        if self.terminals {
            self.write(&format!("\r{text}\x1b[K"));
            self.pending = true;
        } else {
            self.write(&format!("{text}\n"));
        }
    }

    /// A line that somebody types, or none within the time.
    pub(crate) fn line(&mut self, within: Option<Duration>) -> Result<Option<String>> {
        let listening = |console: &&mut Console| !console.ended;
        loop {
            if let Some(line) = self.all.iter_mut().find_map(Console::finished) {
                return Ok(Some(line));
            }
            let mut open: Vec<_> = self.all.iter_mut().filter(listening).collect();
            if open.is_empty() && within.is_none() {
                bail!("nobody is here to answer");
            }
            let timeout = match within {
                Some(time) => PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX),
                None => PollTimeout::NONE,
            };
            let mut fds: Vec<_> = open
                .iter()
                .map(|console| PollFd::new(console.read.as_fd(), PollFlags::POLLIN))
                .collect();
            let ready = match poll(&mut fds, timeout) {
                Err(nix::errno::Errno::EINTR) => continue,
                other => other.context("cannot wait for an answer")?,
            };
            if ready == 0 {
                return Ok(None);
            }
            let which: Vec<_> = fds.iter().map(|fd| fd.any().unwrap_or(false)).collect();
            for (console, _) in open.iter_mut().zip(which).filter(|(_, ready)| *ready) {
                console.fill()?;
            }
        }
    }
}

impl Console {
    /// Takes in what was typed.
    fn fill(&mut self) -> Result<()> {
        let mut bytes = [0; LONGEST];
        match nix::unistd::read(&self.read, &mut bytes) {
            Ok(0) | Err(nix::errno::Errno::EIO) => self.ended = true,
            Ok(count) => self.typed.extend_from_slice(bytes.get(..count).unwrap_or_default()),
            Err(nix::errno::Errno::EINTR | nix::errno::Errno::EAGAIN) => {}
            Err(error) => return Err(error).context("cannot read what was typed"),
        }
        Ok(())
    }

    /// The first line that is finished, if one is.
    fn finished(&mut self) -> Option<String> {
        let Some(end) = self.typed.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
            if self.typed.len() > LONGEST {
                self.typed.clear();
            }
            return None;
        };
        let line = self.typed.drain(..=end).collect::<Vec<_>>();
        Some(String::from_utf8_lossy(&line).trim().to_owned())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A terminal at which nobody types, and what is written to it.
    pub(crate) fn terminal() -> (Consoles, File) {
        let (console, typing) = console();
        drop(typing);
        let (read, write) = nix::unistd::pipe().unwrap();
        let all = vec![Console { write: write.into(), ..console }];
        (Consoles::of(all, true), read.into())
    }

    /// A console at each end of a pipe.
    fn console() -> (Console, File) {
        let (read, write) = nix::unistd::pipe().unwrap();
        let sink = File::options().write(true).open("/dev/null").unwrap();
        (Console { read, write: sink, typed: Vec::new(), ended: false }, write.into())
    }

    #[test]
    fn whoever_types_first_is_heard_whichever_console_they_are_at() {
        let (one, _first) = console();
        let (two, mut second) = console();
        let mut consoles = Consoles::of(vec![one, two], false);
        assert_eq!(consoles.line(Some(Duration::ZERO)).unwrap(), None);
        second.write_all(b"sda\nsdb\n").unwrap();
        assert_eq!(consoles.line(None).unwrap().as_deref(), Some("sda"));
        // Nothing more is typed: what was typed at once is not forgotten.
        assert_eq!(consoles.line(None).unwrap().as_deref(), Some("sdb"));
    }

    #[test]
    fn where_nobody_can_answer_that_is_an_error_and_no_endless_wait() {
        let (one, typing) = console();
        drop(typing);
        let mut consoles = Consoles::of(vec![one], false);
        assert!(consoles.line(None).is_err());
    }
}
