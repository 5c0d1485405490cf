//! Nodes as containers: the image's own root tree under systemd-nspawn, with
//! real units and real daemons, booted in seconds.
//!
//! A lab node has what the image's initrd would have given it: a read-only
//! root, a volatile `/etc` with the few kept files put back, `/var` and `/data`
//! of its own that outlast its power. It lacks firmware, partitions and a
//! kernel of its own; units that need those skip themselves.

mod container;
mod disk;
mod network;
mod tree;

use super::error::{Doing, Error, Result};
use super::process::Process;
use super::store::{NodeRecord, Record};
use super::{Exec, Finished, Spec, Tools, store};
use nix::unistd::Uid;
use std::path::{Path, PathBuf};
use std::process::Child;

/// A lab cluster's directory and record, with what can be done to them.
pub(crate) struct Lab<'a> {
    pub dir: &'a Path,
    pub record: &'a Record,
}

/// Says what is missing before anything is made.
pub(crate) fn check_host() -> Result<()> {
    if !Uid::effective().is_root() {
        return Err(Error::NeedsRoot);
    }
    let needed =
        [("systemd-nspawn", "systemd-container"), ("ip", "iproute2"), ("nsenter", "util-linux")];
    let path = std::env::var_os("PATH").unwrap_or_default();
    for (program, package) in needed {
        if !std::env::split_paths(&path).any(|dir| dir.join(program).exists()) {
            return Err(Error::Missing { program: program.into(), package: package.into() });
        }
    }
    Ok(())
}

/// The root tree that all nodes share: the image mounted, or unpacked where the
/// host's kernel cannot mount it.
pub(crate) fn root(spec: &Spec, dir: &Path, tools: &Tools) -> Result<PathBuf> {
    if spec.image.is_dir() {
        return Ok(spec.image.clone());
    }
    tree::open(&spec.image, dir, tools)
}

/// Takes away what a half-made lab has mounted.
pub(crate) fn discard(dir: &Path) -> Result<()> {
    for entry in std::fs::read_dir(dir).doing("reading", dir)? {
        disk::close(&entry.doing("reading", dir)?.path())?;
    }
    tree::close(dir)
}

impl Lab<'_> {
    /// Makes a node's state: an empty `/var` and `/data`, which is a file system of so
    /// many GiB, if any.
    pub(crate) fn prepare(&self, node: &NodeRecord, gib: Option<u32>) -> Result<()> {
        let dir = self.node_dir(node);
        store::private_dir(&dir)?;
        for part in ["var", "data"] {
            let part = dir.join(part);
            std::fs::create_dir(&part).doing("making", &part)?;
            // The node's own daemons, not ours, are told apart by these.
            let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(&part, open).doing("opening", &part)?;
        }
        gib.map_or(Ok(()), |gib| disk::make(&dir, gib))
    }

    /// Plugs the node in and boots it.
    pub(crate) fn power_on(&self, node: &NodeRecord, times: u32) -> Result<Process> {
        tree::reopen(&self.record.image, &self.record.base)?;
        let dir = self.node_dir(node);
        disk::open(&dir)?;
        tree::volatile_etc(&self.record.base, &dir, &node.uuid)?;
        network::plug(&self.record.name, node)?;
        container::boot(&container::Boot {
            machine: &self.namespace(node),
            root: &self.record.base,
            dir: &dir,
            log: &self.console_log(node, times),
            site: self.record.site.as_deref(),
            uuid: &node.uuid,
            refresh: &network::replug_script(&self.record.name, node),
        })
    }

    /// Asks the container's init to halt.
    pub(crate) fn ask_to_stop(&self, keeper: &Process) -> Result<()> {
        let Some(init) = container::init(keeper) else { return Ok(()) };
        // SIGRTMIN+4 is systemd's "power off"; nix names no real-time signal.
        let mut kill = std::process::Command::new("kill");
        kill.args(["-s", "RTMIN+4", &init.pid().to_string()]);
        super::process::run(&mut kill, "procps").map(drop)
    }

    /// Ends every process of the node at one instant, as a power cut does.
    pub(crate) fn cut_power(&self, node: &NodeRecord, keeper: &Process) -> Result<()> {
        container::kill(&node.name, keeper)
    }

    /// Takes away what only a powered node has: its end of the cable.
    pub(crate) fn unplug(&self, node: &NodeRecord) -> Result<()> {
        container::forget(&self.namespace(node));
        network::unplug(&self.record.name, node)
    }

    /// Pulls the network cable, or puts it back.
    pub(crate) fn link(&self, node: &NodeRecord, up: bool) -> Result<()> {
        network::link(&self.record.name, node, up)
    }

    /// Plugs the network cable into another switch.
    pub(crate) fn part(&self, node: &NodeRecord) -> Result<()> {
        network::part(&self.record.name, node)
    }

    /// Runs a command in the node.
    pub(crate) fn exec(
        &self,
        node: &NodeRecord,
        keeper: &Process,
        exec: &Exec,
    ) -> Result<Finished> {
        container::exec(&node.name, keeper, exec)
    }

    /// Starts a command in the node.
    pub(crate) fn spawn(&self, node: &NodeRecord, keeper: &Process, script: &str) -> Result<Child> {
        container::spawn(&node.name, keeper, script)
    }

    /// Stops every process of the node at one instant, or lets them go on.
    pub(crate) fn still(&self, keeper: &Process, still: bool) -> Result<()> {
        container::still(keeper, still)
    }

    /// Everything the node has written to its console since it was powered on.
    pub(crate) fn console_log(&self, node: &NodeRecord, times: u32) -> PathBuf {
        self.node_dir(node).join(format!("console-{times}.log"))
    }

    /// Removes what lies outside the cluster's directory, and mounts.
    pub(crate) fn clean(&self) -> Result<()> {
        for node in &self.record.nodes {
            self.unplug(node)?;
            disk::close(&self.node_dir(node))?;
        }
        network::remove(&self.record.name)?;
        tree::close(self.dir)
    }

    fn node_dir(&self, node: &NodeRecord) -> PathBuf {
        self.dir.join(&node.name)
    }

    fn namespace(&self, node: &NodeRecord) -> String {
        network::namespace(&self.record.name, Some(node))
    }
}
