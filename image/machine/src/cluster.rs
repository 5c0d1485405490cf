//! A cluster and the verbs that both back ends know.

use super::error::{Doing, Error, Result};
use super::lab::Lab;
use super::process::Process;
use super::store::{self, NodeRecord, Power, Record, boot_clock};
use super::vm::Vm;
use super::{Accelerator, Backend, Deadline, Exec, Finished, Store, Tools};
use nix::fcntl::Flock;
use nix::sys::signal::Signal;
use serde::Serialize;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

/// How long a node may take to shut down when asked.
const SHUTDOWN: Duration = Duration::from_secs(180);

/// A cluster on this host.
#[derive(Debug)]
pub struct Cluster {
    pub(crate) dir: PathBuf,
    pub(crate) record: Record,
    pub(crate) tools: Tools,
}

/// A cluster as `list` shows it.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClusterView {
    /// Name.
    pub name: String,
    /// Back end.
    pub backend: Backend,
    /// What its nodes run.
    pub image: PathBuf,
    /// VM: what executes its instructions.
    pub accelerator: Option<Accelerator>,
    /// Its nodes.
    pub nodes: Vec<NodeView>,
}

/// A node as `list` shows it.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NodeView {
    /// Name within the cluster.
    pub name: String,
    /// MAC address.
    pub mac: String,
    /// It has power.
    pub on: bool,
    /// Its process on this host, while it has power.
    pub pid: Option<i32>,
    /// Seconds since power-on, while it has power.
    pub seconds: Option<f64>,
    /// What it wrote to its console since power-on.
    pub console: PathBuf,
}

impl Cluster {
    /// An existing cluster.
    pub fn open(store: &Store, backend: Backend, name: &str) -> Result<Self> {
        let found = store.record(name)?.filter(|record| record.backend == backend);
        let Some(record) = found else {
            let known = store.records(backend)?.into_iter().map(|record| record.name).collect();
            return Err(Error::NoCluster { backend, name: name.to_owned(), known });
        };
        let dir = store.dir(name);
        let tools = store::load(&dir.join("tools.json"))?.unwrap_or(Tools::Host);
        Ok(Self { dir, record, tools })
    }

    /// Every cluster of a back end.
    pub fn list(store: &Store, backend: Backend) -> Result<Vec<ClusterView>> {
        let names = store.records(backend)?.into_iter().map(|record| record.name);
        names.map(|name| Ok(Self::open(store, backend, &name)?.view())).collect()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.record.name
    }

    /// What runs it.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.record.backend
    }

    /// As `list` shows it.
    #[must_use]
    pub fn view(&self) -> ClusterView {
        ClusterView {
            name: self.record.name.clone(),
            backend: self.record.backend,
            image: self.record.image.clone(),
            accelerator: self.record.accelerator,
            nodes: self.nodes(),
        }
    }

    /// Its nodes, and which of them have power.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeView> {
        self.record
            .nodes
            .iter()
            .map(|node| {
                let power = self.power(node);
                let times = self.last_power(node).map_or(0, |power| power.times);
                NodeView {
                    name: node.name.clone(),
                    mac: node.mac.clone(),
                    on: power.is_some(),
                    pid: power.as_ref().map(|power| power.process.pid()),
                    seconds: power.as_ref().map(|power| boot_clock() - power.since),
                    console: self.console_log(node, times),
                }
            })
            .collect()
    }

    /// Gives nodes that have no site yet this one, at their next start: those of a lab
    /// that got one before.
    pub fn hand_out(&self, site: &Path) -> Result<()> {
        store::keep_site(site, &self.dir).map(drop)
    }

    /// Powers a node on.
    pub fn start(&self, node: &str) -> Result<()> {
        let _lock = self.lock()?;
        self.power_on(self.node(node)?).map(drop)
    }

    /// Cuts a node's power.
    pub fn kill(&self, node: &str) -> Result<()> {
        let _lock = self.lock()?;
        self.cut_power(self.node(node)?)
    }

    /// Asks a node to shut down and waits until it has.
    pub fn stop(&self, node: &str) -> Result<()> {
        let _lock = self.lock()?;
        let node = self.node(node)?;
        let power = self.on(node)?;
        match self.record.backend {
            Backend::Vm => self.vm().ask_to_stop(node)?,
            Backend::Lab => self.lab().ask_to_stop(&power.process)?,
        }
        power.process.wait(&node.name, Deadline::within(SHUTDOWN))?;
        self.after_power(node)
    }

    /// Pulls a node's network cable.
    pub fn cut(&self, node: &str) -> Result<()> {
        self.link(node, false)
    }

    /// Puts the cable back.
    pub fn restore(&self, node: &str) -> Result<()> {
        self.link(node, true)
    }

    /// Plugs a lab node's cable into another switch, beside those of the nodes that were
    /// parted before, until [`Self::restore`], or until it loses power.
    pub fn part(&self, node: &str) -> Result<()> {
        let node = self.node(node)?;
        self.on(node)?;
        match self.record.backend {
            Backend::Vm => Err(Error::LabOnly { verb: "part" }),
            Backend::Lab => self.lab().part(node),
        }
    }

    /// Runs a command in a node as root. A VM that still boots is waited for.
    pub fn exec(&self, node: &str, exec: &Exec) -> Result<Finished> {
        let node = self.node(node)?;
        let power = self.on(node)?;
        match self.record.backend {
            Backend::Vm => self.vm().exec(node, exec),
            Backend::Lab => self.lab().exec(node, &power.process, exec),
        }
    }

    /// Starts a command in a lab node as root, with pipes to it that the caller holds.
    pub fn spawn(&self, node: &str, script: &str) -> Result<Child> {
        let node = self.node(node)?;
        let power = self.on(node)?;
        match self.record.backend {
            Backend::Vm => Err(Error::LabOnly { verb: "spawn" }),
            Backend::Lab => self.lab().spawn(node, &power.process, script),
        }
    }

    /// Stops a node in its tracks, its clock apart.
    pub fn freeze(&self, node: &str) -> Result<()> {
        self.still(node, true)
    }

    /// Lets it go on.
    pub fn thaw(&self, node: &str) -> Result<()> {
        self.still(node, false)
    }

    /// What a VM's screen shows, as PNG.
    pub fn screenshot(&self, node: &str) -> Result<Vec<u8>> {
        self.only_vm("screenshot", "screen")?;
        let node = self.node(node)?;
        self.on(node)?;
        self.vm().screenshot(node)
    }

    /// Presses keys at a VM's keyboard, by the names that QEMU has for them
    /// (`QKeyCode`): `down`, `ret`, `alt-f2`.
    pub fn press(&self, node: &str, keys: &[String]) -> Result<()> {
        self.only_vm("press", "keyboard")?;
        let node = self.node(node)?;
        self.on(node)?;
        self.vm().press(node, keys)
    }

    /// Saves VMs (all, if none is named) with disks and memory, at one moment.
    pub fn snapshot(&self, nodes: &[String], tag: &str) -> Result<()> {
        self.only_vm("snapshot", "saved memory")?;
        self.vm().snapshot(&self.some(nodes)?, tag)
    }

    /// Puts VMs (all, if none is named) back to a saved moment.
    pub fn rewind(&self, nodes: &[String], tag: &str) -> Result<()> {
        self.only_vm("rewind", "saved memory")?;
        self.vm().rewind(&self.some(nodes)?, tag)
    }

    /// The socket of a VM's serial console.
    pub fn console(&self, node: &str) -> Result<PathBuf> {
        self.only_vm("console", "serial port")?;
        let node = self.node(node)?;
        self.on(node)?;
        Ok(self.vm().console_socket(node))
    }

    /// The last lines of what a node wrote to its console.
    #[must_use]
    pub fn console_tail(&self, node: &str, lines: usize) -> String {
        let Some(view) = self.nodes().into_iter().find(|view| view.name == node) else {
            return String::new();
        };
        let bytes = std::fs::read(&view.console).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let all: Vec<&str> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// Cuts the power of all nodes and removes the cluster from this host.
    pub fn down(&self) -> Result<()> {
        let _lock = self.lock()?;
        self.remove()
    }

    /// The same, for who holds the lock.
    pub fn remove(&self) -> Result<()> {
        for node in &self.record.nodes {
            if let Some(power) = self.power(node) {
                self.end(node, &power.process)?;
            }
        }
        if self.record.backend == Backend::Lab {
            self.lab().clean()?;
        }
        std::fs::remove_dir_all(&self.dir).doing("removing", &self.dir)
    }

    pub(crate) fn power_on(&self, node: &NodeRecord) -> Result<Process> {
        if self.power(node).is_some() {
            return Err(Error::On { node: node.name.clone() });
        }
        let times = self.last_power(node).map_or(0, |power| power.times) + 1;
        let since = boot_clock();
        let process = match self.record.backend {
            Backend::Vm => self.vm().power_on(node, times)?,
            Backend::Lab => self.lab().power_on(node, times)?,
        };
        let power = Power { process: process.clone(), since, times };
        store::save(&self.power_file(node), &power)?;
        Ok(process)
    }

    fn cut_power(&self, node: &NodeRecord) -> Result<()> {
        let power = self.on(node)?;
        self.end(node, &power.process)?;
        self.after_power(node)
    }

    fn end(&self, node: &NodeRecord, process: &Process) -> Result<()> {
        match self.record.backend {
            Backend::Vm => process.kill(&node.name),
            Backend::Lab => self.lab().cut_power(node, process),
        }
    }

    /// What a node's end leaves on this host.
    fn after_power(&self, node: &NodeRecord) -> Result<()> {
        match self.record.backend {
            Backend::Vm => Ok(()),
            Backend::Lab => self.lab().unplug(node),
        }
    }

    fn link(&self, node: &str, up: bool) -> Result<()> {
        let node = self.node(node)?;
        self.on(node)?;
        match self.record.backend {
            Backend::Vm => self.vm().link(node, up),
            Backend::Lab => self.lab().link(node, up),
        }
    }

    fn still(&self, node: &str, still: bool) -> Result<()> {
        let process = self.on(self.node(node)?)?.process;
        match self.record.backend {
            Backend::Vm if still => process.signal(Signal::SIGSTOP),
            Backend::Vm => process.signal(Signal::SIGCONT),
            Backend::Lab => self.lab().still(&process, still),
        }
    }

    fn only_vm(&self, verb: &'static str, lacks: &'static str) -> Result<()> {
        match self.record.backend {
            Backend::Vm => Ok(()),
            Backend::Lab => Err(Error::VmOnly { verb, lacks }),
        }
    }

    fn some(&self, names: &[String]) -> Result<Vec<&NodeRecord>> {
        if names.is_empty() {
            return Ok(self.record.nodes.iter().collect());
        }
        names.iter().map(|name| self.node(name)).collect()
    }

    fn node(&self, name: &str) -> Result<&NodeRecord> {
        self.record.nodes.iter().find(|node| node.name == name).ok_or_else(|| Error::NoNode {
            cluster: self.record.name.clone(),
            node: name.to_owned(),
            known: self.record.nodes.iter().map(|node| node.name.clone()).collect(),
        })
    }

    /// A node's host clock reading at power-on, while it has power.
    pub fn powered_on_at(&self, node: &str) -> Result<f64> {
        Ok(self.on(self.node(node)?)?.since)
    }

    fn on(&self, node: &NodeRecord) -> Result<Power> {
        self.power(node)
            .ok_or_else(|| Error::Off { backend: self.record.backend, node: node.name.clone() })
    }

    fn power(&self, node: &NodeRecord) -> Option<Power> {
        self.last_power(node).filter(|power| power.process.alive())
    }

    fn last_power(&self, node: &NodeRecord) -> Option<Power> {
        store::load(&self.power_file(node)).ok().flatten()
    }

    fn power_file(&self, node: &NodeRecord) -> PathBuf {
        self.dir.join(&node.name).join("power.json")
    }

    fn console_log(&self, node: &NodeRecord, times: u32) -> PathBuf {
        match self.record.backend {
            Backend::Vm => self.vm().console_log(node, times),
            Backend::Lab => self.lab().console_log(node, times),
        }
    }

    fn lock(&self) -> Result<Flock<File>> {
        store::cluster_lock(&self.dir, true)
    }

    pub(crate) fn vm(&self) -> Vm<'_> {
        Vm { dir: &self.dir, record: &self.record, tools: &self.tools }
    }

    pub(crate) fn lab(&self) -> Lab<'_> {
        Lab { dir: &self.dir, record: &self.record }
    }
}
