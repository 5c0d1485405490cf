//! A person at a node's serial console.

use crate::error::{Doing, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{self, SetArg, Termios};
use std::io::{IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Ctrl-], as in telnet and systemd-nspawn.
const LEAVE: u8 = 0x1d;

/// Connects this terminal to the console until Ctrl-] or the end of the node.
pub fn attach(socket: &Path) -> Result<()> {
    let mut console = UnixStream::connect(socket).doing("connecting to", socket)?;
    let mut keys = std::io::stdin();
    let _raw = if keys.is_terminal() { Some(Raw::enter()?) } else { None };
    let mut bytes = [0; 4096];
    let mut typing = true;
    loop {
        let (from_console, from_keys) = {
            let mut ends = vec![PollFd::new(console.as_fd(), PollFlags::POLLIN)];
            if typing {
                ends.push(PollFd::new(keys.as_fd(), PollFlags::POLLIN));
            }
            poll(&mut ends, PollTimeout::NONE).doing("waiting for", socket)?;
            let ready = |at: usize| ends.get(at).is_some_and(|end| end.any() == Some(true));
            (ready(0), ready(1))
        };
        if from_console {
            let count = console.read(&mut bytes).doing("reading", socket)?;
            if count == 0 {
                return Ok(());
            }
            let mut screen = std::io::stdout();
            screen.write_all(&bytes[..count]).doing("writing to", "the terminal")?;
            screen.flush().doing("writing to", "the terminal")?;
        }
        if from_keys {
            let count = keys.read(&mut bytes).doing("reading", "the terminal")?;
            if bytes[..count].contains(&LEAVE) {
                return Ok(());
            }
            typing = count > 0;
            console.write_all(&bytes[..count]).doing("writing to", socket)?;
        }
    }
}

/// The terminal without line editing, until dropped.
struct Raw(Termios);

impl Raw {
    fn enter() -> Result<Self> {
        let before = termios::tcgetattr(std::io::stdin()).doing("preparing", "the terminal")?;
        let mut raw = before.clone();
        termios::cfmakeraw(&mut raw);
        termios::tcsetattr(std::io::stdin(), SetArg::TCSANOW, &raw)
            .doing("preparing", "the terminal")?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(std::io::stdin(), SetArg::TCSANOW, &self.0);
    }
}
