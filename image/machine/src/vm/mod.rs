//! Nodes as virtual machines: the finished image in QEMU, with UEFI firmware.

mod channel;
pub mod console;
mod disk;
mod kvm;
mod qemu;
mod qmp;

use super::error::{Doing, Error, Result};
use super::process::{Process, run};
use super::store::{NodeRecord, Record};
use super::{Accelerator, Backend, Deadline, Exec, Finished, Spec, Store, Tools};
use qemu::Arguments;
use qmp::Qmp;
use serde_json::json;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use kvm::accelerator;
pub use qemu::EMULATED;

/// Longest path that fits `sockaddr_un`.
const LONGEST_SOCKET: usize = 107;

/// A VM cluster's directory and record, with what can be done to them.
pub(crate) struct Vm<'a> {
    pub dir: &'a Path,
    pub record: &'a Record,
    pub tools: &'a Tools,
}

/// Makes the disk that all nodes share.
pub(crate) fn base(spec: &Spec, dir: &Path) -> Result<PathBuf> {
    let longest = dir.join("node99/serial.sock");
    if longest.as_os_str().len() > LONGEST_SOCKET {
        return Err(Error::LongPath { path: longest });
    }
    disk::base(spec, dir)
}

/// A UDP port for a segment: one that no other cluster uses, running or not.
pub(crate) fn free_port(store: &Store) -> Result<u16> {
    let taken: Vec<u16> = store.records(Backend::Vm)?.iter().map(|record| record.port).collect();
    loop {
        let port = rand::random_range(20_000..60_000);
        let free = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok();
        if free && !taken.contains(&port) {
            return Ok(port);
        }
    }
}

impl Vm<'_> {
    /// Makes a node's disk, firmware variables and strings.
    pub(crate) fn prepare(&self, node: &NodeRecord, disk_gib: u32) -> Result<()> {
        let dir = self.dir.join(&node.name);
        super::store::private_dir(&dir)?;
        let base = (!self.starts_from_dvd()?).then_some(self.record.base.as_path());
        disk::of_node(base, &dir, disk_gib, self.tools)
    }

    /// Whether the image is in a drive, and not on the nodes' disks: it is a DVD, and no
    /// copy of it was made to write a site into.
    fn starts_from_dvd(&self) -> Result<bool> {
        let own = self.record.base == self.record.image;
        Ok(own && disk::Form::of(&self.record.base)? == disk::Form::Iso)
    }

    /// Presses the power button.
    pub(crate) fn power_on(&self, node: &NodeRecord, times: u32) -> Result<Process> {
        let dir = self.dir.join(&node.name);
        channel::make(&dir)?;
        let accelerator = self.record.accelerator.unwrap_or(Accelerator::Tcg);
        let mut strings = channel::credentials();
        strings.push(qemu::kernel_command_line(accelerator, ""));
        if let Some(site) = &self.record.site {
            strings.push(channel::credential(
                "ashlar.site",
                &std::fs::read(site).doing("reading", site)?,
            ));
        }
        let files: Vec<PathBuf> = (0..strings.len())
            .map(|number| dir.join(format!("firmware-string-{number}")))
            .collect();
        for (file, text) in files.iter().zip(&strings) {
            std::fs::write(file, text).doing("writing", file)?;
        }
        let pidfile = dir.join("qemu.pid");
        let mut arguments =
            Arguments::machine(accelerator, self.record.cpus, self.record.memory_mib);
        arguments
            .variables(&dir.join("vars.qcow2"))
            .disk(&dir.join("disk.qcow2"), "")
            .segment(self.record.port, &node.mac)
            .console(&dir.join("serial.sock"), &dir.join(format!("serial-{times}.log")))
            .control(&dir.join("qmp.sock"))
            .channel(&dir.join("exec"))
            .watchdog()
            .firmware_strings(files.iter().map(PathBuf::as_path))
            .in_background(&format!("{}-{}", self.record.name, node.name), &node.uuid, &pidfile);
        if self.starts_from_dvd()? {
            arguments.dvd(&self.record.base);
        }
        let base_dir = self.record.base.parent().unwrap_or(Path::new("/"));
        let mut command = self.tools.command("qemu-system-x86_64", &[&dir], &[base_dir]);
        run(command.args(arguments.into_inner()), self.tools.package())?;
        let pid = std::fs::read_to_string(&pidfile).doing("reading", &pidfile)?;
        pid.trim()
            .parse()
            .ok()
            .and_then(Process::of)
            .ok_or_else(|| Error::Lost { node: node.name.clone() })
    }

    /// Asks the node to shut down, as its power button would.
    pub(crate) fn ask_to_stop(&self, node: &NodeRecord) -> Result<()> {
        self.qmp(node)?.execute("system_powerdown", json!({})).map(drop)
    }

    /// Pulls the network cable, or puts it back.
    pub(crate) fn link(&self, node: &NodeRecord, up: bool) -> Result<()> {
        self.qmp(node)?.execute("set_link", json!({ "name": "cable", "up": up })).map(drop)
    }

    /// Runs a command in the node.
    pub(crate) fn exec(&self, node: &NodeRecord, exec: &Exec) -> Result<Finished> {
        channel::exec(&self.dir.join(&node.name), &node.name, exec)
    }

    /// What the node's own screen shows, as PNG.
    pub(crate) fn screenshot(&self, node: &NodeRecord) -> Result<Vec<u8>> {
        // QEMU sees the node's directory and no other.
        let file = self.dir.join(&node.name).join("screen.png");
        self.qmp(node)?.execute("screendump", json!({ "filename": file, "format": "png" }))?;
        // The answer comes when the file is being written; a PNG has its own end.
        let whole = |bytes: &[u8]| bytes.len() > 12 && bytes[bytes.len() - 8..][..4] == *b"IEND";
        let deadline = Deadline::within(Duration::from_secs(30));
        deadline
            .poll(Duration::from_millis(50), || {
                let bytes = std::fs::read(&file).doing("reading", &file)?;
                Ok(whole(&bytes).then_some(bytes))
            })?
            .ok_or_else(|| Error::Deadline {
                node: node.name.clone(),
                what: "its screenshot".to_owned(),
                seconds: deadline.seconds(),
                last: String::new(),
            })
    }

    /// Presses keys at a node's keyboard, one after the other; each may be several that
    /// are held together.
    pub(crate) fn press(&self, node: &NodeRecord, keys: &[String]) -> Result<()> {
        let mut qmp = self.qmp(node)?;
        for chord in keys {
            let chord: Vec<_> =
                chord.split('-').map(|key| json!({ "type": "qcode", "data": key })).collect();
            qmp.execute("send-key", json!({ "keys": chord }))?;
        }
        Ok(())
    }

    /// Saves these nodes, disks and memory, at one moment.
    pub(crate) fn snapshot(&self, nodes: &[&NodeRecord], tag: &str) -> Result<()> {
        self.while_stopped(nodes, &format!("savevm {tag}"))
    }

    /// Puts these nodes back to a moment that was saved.
    pub(crate) fn rewind(&self, nodes: &[&NodeRecord], tag: &str) -> Result<()> {
        self.while_stopped(nodes, &format!("loadvm {tag}"))
    }

    /// Stops the clocks of all nodes, so that none runs ahead of the others.
    fn while_stopped(&self, nodes: &[&NodeRecord], line: &str) -> Result<()> {
        let mut machines = nodes.iter().map(|node| self.qmp(node)).collect::<Result<Vec<_>>>()?;
        let mut done = Ok(());
        for machine in &mut machines {
            done = done.and_then(|()| machine.execute("stop", json!({})).map(drop));
        }
        for machine in &mut machines {
            done = done.and_then(|()| machine.monitor(line));
        }
        for machine in &mut machines {
            done = machine.execute("cont", json!({})).map(drop).and(done);
        }
        done
    }

    /// Everything the node has written to its console since it was powered on.
    pub(crate) fn console_log(&self, node: &NodeRecord, times: u32) -> PathBuf {
        self.dir.join(&node.name).join(format!("serial-{times}.log"))
    }

    /// The socket of the node's console.
    pub(crate) fn console_socket(&self, node: &NodeRecord) -> PathBuf {
        self.dir.join(&node.name).join("serial.sock")
    }

    fn qmp(&self, node: &NodeRecord) -> Result<Qmp> {
        Qmp::connect(&self.dir.join(&node.name).join("qmp.sock"), &node.name)
    }
}
