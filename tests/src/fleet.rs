//! A few nodes on a private segment, in VMs or in the lab, and waiting for
//! what they do.

pub use crate::node::Node;

use crate::command::Ashlar;
use crate::console::Consoles;
use crate::image::Built;
use crate::{command, site};
use anyhow::{Context, Error, Result, bail};
use ashlar_machine::{Backend, Cluster, Deadline, Spec, Store, Tools};
use ashlar_site::Site;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Some nodes. They end with this value, and also when this process dies.
#[derive(Debug)]
pub struct Fleet {
    cluster: Cluster,
    names: Vec<String>,
    consoles: Consoles,
    _janitor: Janitor,
}

/// Something that must hold all the time does not: looking again is no cure.
#[derive(Debug)]
pub struct Broken(String);

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "broken, if only for a moment: {}", self.0)
    }
}

impl std::error::Error for Broken {}

/// For looks of [`Fleet::until`]: ends the wait at once unless `holds`.
///
/// # Errors
/// When it does not hold.
pub fn always(holds: bool, otherwise: impl Into<String>) -> Result<()> {
    if holds { Ok(()) } else { Err(Broken(otherwise.into()).into()) }
}

impl Fleet {
    /// Lab nodes of the retail image that are all off.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn off(name: &str, nodes: u16, site: &Site) -> Result<Self> {
        Self::made(name, nodes, site, None)
    }

    /// The same, with data partitions of so many GiB, which can run full.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn off_with_data(name: &str, nodes: u16, site: &Site, gib: u32) -> Result<Self> {
        Self::made(name, nodes, site, Some(gib))
    }

    fn made(name: &str, nodes: u16, site: &Site, data_gib: Option<u32>) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let mut spec = Spec::new(Backend::Lab, name, Built::retail()?.root()?);
        spec.nodes = nodes;
        spec.data_gib = data_gib;
        spec.site = Some(site::write(site, directory.path())?);
        let janitor = Janitor::hire(Backend::Lab, name)?;
        let store = Store::of_user()?;
        let cluster =
            Cluster::make(&store, &spec, Tools::Host, &|what| eprintln!("{name}: {what}"))?;
        Ok(Self::of(cluster, janitor))
    }

    /// Nodes of the retail image, all switched on at one moment, as the command
    /// line does it.
    ///
    /// # Errors
    /// When they cannot be started.
    pub fn on(backend: Backend, name: &str, nodes: u16, site: &Site) -> Result<Self> {
        let built = Built::retail()?;
        let image = match backend {
            Backend::Vm => built.disk()?,
            Backend::Lab => built.root()?,
        };
        Self::of_image(backend, name, nodes, site, &image)
    }

    /// The same, of another image.
    ///
    /// # Errors
    /// When they cannot be started.
    pub fn of_image(
        backend: Backend,
        name: &str,
        nodes: u16,
        site: &Site,
        image: &Path,
    ) -> Result<Self> {
        Self::up(backend, name, nodes, Some(site), image)
    }

    /// One VM of an image in any form, which nobody has written a site into.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn without_site(name: &str, image: &Path) -> Result<Self> {
        Self::up(Backend::Vm, name, 1, None, image)
    }

    fn up(
        backend: Backend,
        name: &str,
        nodes: u16,
        site: Option<&Site>,
        image: &Path,
    ) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let janitor = Janitor::hire(backend, name)?;
        let words = [&backend.to_string(), "up", "--name", name, "-n", &nodes.to_string()];
        let mut up = Ashlar::new(words)?.arg("--image").arg(image);
        if let Some(site) = site {
            up = up.arg("--site").arg(site::write(site, directory.path())?);
        }
        up.succeeds()?;
        let cluster = Cluster::open(&Store::of_user()?, backend, name)?;
        Ok(Self::of(cluster, janitor))
    }

    fn of(cluster: Cluster, janitor: Janitor) -> Self {
        let names = cluster.nodes().into_iter().map(|node| node.name).collect();
        Self { cluster, names, consoles: Consoles::default(), _janitor: janitor }
    }

    /// The machines.
    #[must_use]
    pub const fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Every node, on or off.
    pub fn nodes(&self) -> impl Iterator<Item = Node<'_>> {
        self.names.iter().map(|name| Node { fleet: self, name })
    }

    /// The node of this number, from 1.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn node(&self, number: usize) -> Node<'_> {
        Node { fleet: self, name: &self.names[number - 1] }
    }

    /// Gives this site to lab nodes that are switched on for the first time from now on.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub fn hand_out(&self, site: &Site) -> Result<()> {
        let directory = tempfile::tempdir()?;
        Ok(self.cluster.hand_out(&site::write(site, directory.path())?)?)
    }

    /// Presses a node's power button.
    ///
    /// # Errors
    /// When it is on.
    pub fn start(&self, node: &str) -> Result<()> {
        self.cluster.start(node).with_context(|| format!("starting {node}"))
    }

    /// Cuts a node's power.
    ///
    /// # Errors
    /// When it is off.
    pub fn kill(&self, node: &str) -> Result<()> {
        self.cluster.kill(node).with_context(|| format!("killing {node}"))
    }

    /// Looks until `look` finds something. An error of `look` counts as "not
    /// yet": while a node boots or fails over, anything may be refused. Only
    /// [`always`] is final.
    ///
    /// # Errors
    /// When `within` has passed: what was awaited, the last error of `look`,
    /// and a report of each node that is on. At once when something is broken
    /// that must always hold.
    pub fn until<T>(
        &self,
        what: &str,
        within: Duration,
        mut look: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        // A question is a process there, which an emulated box has better things to do than.
        let pause = match self.cluster.backend() {
            Backend::Vm => Duration::from_secs(6),
            Backend::Lab => Duration::from_secs(2),
        };
        match retry(Deadline::within(within), pause, &mut look) {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(last)) => {
                let seconds = within.as_secs();
                let last = last.map(|error| format!("\nlast error: {error:#}")).unwrap_or_default();
                bail!("{what} did not happen within {seconds} s{last}\n{}", self.report());
            }
            Err(broken) => bail!("while waiting for {what}: {broken:#}\n{}", self.report()),
        }
    }

    /// Waits until these nodes and no fewer are ready and see each other so:
    /// every phase holds, every ring member among them is alive, storage has
    /// its copies online with nothing to heal, and the Swarm has all nodes up.
    ///
    /// # Errors
    /// As [`Self::until`].
    pub fn until_ready(&self, nodes: &[Node<'_>], within: Duration) -> Result<Duration> {
        let since = Instant::now();
        let what = format!("{} of {} nodes ready", nodes.len(), self.names.len());
        self.until(&what, within, || {
            for node in nodes {
                if let Some(lacking) = lacks(&node.status()?, nodes.len()) {
                    bail!("{}: {lacking}", node.name());
                }
            }
            Ok(Some(since.elapsed()))
        })
    }

    /// How long ago the first of the running nodes was switched on.
    #[must_use]
    pub fn since_power_on(&self) -> Duration {
        let seconds = self.cluster.nodes().into_iter().filter_map(|node| node.seconds);
        Duration::from_secs_f64(seconds.fold(0.0, f64::max))
    }

    /// All nodes.
    #[must_use]
    pub fn all(&self) -> Vec<Node<'_>> {
        self.nodes().collect()
    }

    /// Reports of every node that is on.
    #[must_use]
    pub fn report(&self) -> String {
        let views = self.cluster.nodes();
        let on = views.iter().filter(|view| view.on).map(|view| view.name.as_str());
        on.map(|name| Node { fleet: self, name }.report()).collect()
    }

    /// No node's console tells of trouble, of this boot or an earlier one. What
    /// was looked through before is not looked through again.
    ///
    /// # Errors
    /// With the lines when one does.
    pub fn consoles_are_clean(&self) -> Result<()> {
        let last = self.cluster.nodes().into_iter().map(|view| (view.name, view.console));
        self.consoles.are_clean(last)
    }
}

/// Looks until something is found (`Ok(Ok)`), the deadline has passed (the last
/// error, if any), or something is [`Broken`] (`Err`).
fn retry<T>(
    deadline: Deadline,
    pause: Duration,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<Result<T, Option<Error>>> {
    let mut last = None;
    let found = deadline.poll(pause, || match look() {
        Err(error) if error.is::<Broken>() => Err(error),
        Err(error) => {
            last = Some(error);
            Ok(None)
        }
        Ok(found) => Ok(found),
    })?;
    Ok(found.ok_or(last))
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if let Err(error) = self.cluster.down() {
            eprintln!("{} cluster {}: {error}", self.cluster.backend(), self.cluster.name());
        }
    }
}

/// Why a node is not as it should be in a settled cluster of `count`.
fn lacks(status: &ashlar_api::Status, count: usize) -> Option<String> {
    if let Some(phase) = status.phases.iter().find(|phase| !phase.holds) {
        return Some(format!("{} does not hold: {}", phase.phase, phase.detail));
    }
    let kin = status.members.iter().filter(|member| {
        member.same_cluster && member.status == ashlar_cluster::MemberStatus::Alive
    });
    let kin = kin.count();
    if kin != count {
        return Some(format!("{kin} live members instead of {count}"));
    }
    if let Some(storage) = &status.storage {
        let kin = |m: &&ashlar_api::MemberView| m.same_cluster && m.witness;
        let witnesses = status.members.iter().filter(kin).count();
        let copies = count.saturating_sub(witnesses).min(3);
        let bricks = copies + usize::from(copies == 2 && witnesses > 0);
        if storage.bricks_online < bricks || usize::from(storage.replicas) != copies {
            return Some(format!("{} of {copies} copies online", storage.bricks_online));
        }
        // Each node counts its own; `None` is "could not be read".
        if copies > 1 && storage.pending_heals != Some(0) {
            return Some(format!("heals pending: {:?}", storage.pending_heals));
        }
    }
    if let Some(swarm) = status.swarm.as_ref().filter(|swarm| swarm.manager)
        && swarm.nodes_up != count
    {
        return Some(format!("{} of {count} Swarm nodes up", swarm.nodes_up));
    }
    None
}

/// Removes a cluster's machines once this process is gone, however it went: it
/// waits for the end of a pipe that only we hold open.
#[derive(Debug)]
struct Janitor(Child);

impl Janitor {
    fn hire(backend: Backend, name: &str) -> Result<Self> {
        let script = r#"cat; exec "$0" "$1" down --name "$2""#;
        let child = Command::new("sh")
            .args(["-c", script])
            .arg(command::program()?)
            .args([&backend.to_string(), name])
            .current_dir(command::workspace())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Not in our group: it must survive what ends us.
            .process_group(0)
            .spawn()
            .context("a shell")?;
        Ok(Self(child))
    }
}

impl Drop for Janitor {
    fn drop(&mut self) {
        // The fleet took itself down.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::{Deadline, always, retry};
    use anyhow::anyhow;
    use std::time::Duration;

    #[test]
    fn a_refusal_is_looked_at_again_and_a_broken_invariant_is_not() {
        let soon = || Deadline::within(Duration::ZERO);
        let outcome =
            retry(soon(), Duration::ZERO, || Err::<Option<()>, _>(anyhow!("connection refused")));
        let last = outcome.unwrap().unwrap_err().unwrap().to_string();
        assert_eq!(last, "connection refused");

        let outcome = retry(soon(), Duration::ZERO, || {
            always(false, "two clusters")?;
            Ok(Some(()))
        });
        assert!(outcome.unwrap_err().to_string().contains("two clusters"));
    }
}
