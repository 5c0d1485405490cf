//! A machine that is none of the boxes, on the cable to which lab nodes are plugged.

use crate::command::{Ran, built_with_the_tests, run};
use crate::fleet::Fleet;
use anyhow::{Context, Result, anyhow, ensure};
use nix::sched::{CloneFlags, setns};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Within which a port on the same cable answers or refuses, on a busy machine.
const ANSWERS: Duration = Duration::from_secs(10);

/// A workstation: a network namespace of its own, with one cable to the lab's bridge.
#[derive(Debug)]
pub struct Desk {
    namespace: String,
}

impl Desk {
    /// The one of this number, with the last address but so many of the boxes' network.
    ///
    /// # Errors
    /// When it cannot be made, as without root.
    pub fn set_up(fleet: &Fleet, number: u8) -> Result<Self> {
        let segment = format!("ashlar-{}", fleet.cluster().name());
        let (namespace, plug) = (format!("{segment}-desk{number}"), format!("desk{number}"));
        let node: Ipv4Addr = fleet.node(1).address()?.parse()?;
        let [a, b, ..] = node.octets();
        let address = format!("{}/16", Ipv4Addr::new(a, b, 255, 254 - number));
        let ip = |words: &[&str]| run(Command::new("ip").args(words));
        ip(&["netns", "add", &namespace])?;
        // From here on it goes away with this value.
        let desk = Self { namespace };
        let inside = &desk.namespace;
        let pair = ["type", "veth", "peer", "name", "cable", "netns", inside];
        ip(&[&["-n", &segment, "link", "add", &plug][..], &pair].concat())?;
        ip(&["-n", &segment, "link", "set", &plug, "master", "segment", "up"])?;
        ip(&["-n", inside, "address", "add", &address, "dev", "cable"])?;
        for port in ["lo", "cable"] {
            ip(&["-n", inside, "link", "set", port, "up"])?;
        }
        Ok(desk)
    }

    /// `ashlarctl WORDS…` there, whatever comes of it.
    ///
    /// # Errors
    /// When it was not built.
    pub fn ashlarctl(&self, words: &[&dyn AsRef<OsStr>]) -> Result<Ran> {
        let mut command = self.command(built_with_the_tests("ashlarctl")?);
        command.args(words.iter().map(|word| word.as_ref()));
        let line = format!("{command:?}");
        Ok(Ran::new(line, command.output()?))
    }

    /// `ssh root@ADDRESS WORDS…` there with this key and no terminal, whatever comes of
    /// it. Who answers is believed: no test has met that box before.
    ///
    /// # Errors
    /// When there is no `ssh`.
    pub fn ssh(&self, address: &str, key: &Path, words: &[&str]) -> Result<Ran> {
        let mut command = self.command("ssh");
        command.args(["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"]);
        command.args(["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-i"]);
        command.arg(key).arg(format!("root@{address}")).args(words);
        let line = format!("{command:?}");
        Ok(Ran::new(line, command.output()?))
    }

    /// The TCP ports that answer there.
    ///
    /// # Errors
    /// When a port neither answers nor refuses.
    pub fn open_ports(&self, address: &str) -> Result<BTreeSet<u16>> {
        let address: Ipv4Addr = address.parse()?;
        let namespace = File::open(Path::new("/run/netns").join(&self.namespace))?;
        let scan = move || -> Result<BTreeSet<u16>> {
            // Of this thread alone, which ends with it.
            setns(namespace, CloneFlags::CLONE_NEWNET)?;
            let mut open = BTreeSet::new();
            for port in 1..=u16::MAX {
                match TcpStream::connect_timeout(&(address, port).into(), ANSWERS) {
                    Ok(_) => _ = open.insert(port),
                    Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                    Err(error) => return Err(error).with_context(|| format!("port {port}")),
                }
            }
            Ok(open)
        };
        std::thread::spawn(scan).join().map_err(|_| anyhow!("the scan panicked"))?
    }

    /// Opens so many connections to a port and says nothing on them, until the value
    /// that is given is dropped.
    ///
    /// # Errors
    /// When not one can be opened.
    pub fn flood(&self, address: &str, port: u16, connections: usize) -> Result<Flood> {
        let script = format!(
            "for i in $(seq {connections}); do exec {{fd}}<>/dev/tcp/{address}/{port}; done \
             2>/dev/null; echo open; exec cat"
        );
        let mut shell = self.command("bash");
        shell.arg("-c").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut flood = Flood(shell.spawn()?);
        let mut said = String::new();
        BufReader::new(flood.0.stdout.take().context("no pipe")?).read_line(&mut said)?;
        ensure!(said == "open\n", "the flood does not begin: {said:?}");
        Ok(flood)
    }

    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace]).arg(program).stdin(Stdio::null());
        command
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = run(Command::new("ip").args(["netns", "del", &self.namespace]));
    }
}

/// Connections that are held open.
#[derive(Debug)]
pub struct Flood(Child);

impl Drop for Flood {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
