//! Power that fails, of one node and of all.

use super::swarm::Service;
use crate::fleet::{Fleet, Node};
use anyhow::{Context, Result, bail, ensure};
use std::time::{Duration, Instant};

/// What makes a cluster the same cluster.
#[derive(Debug, PartialEq, Eq)]
struct Sameness {
    cluster: String,
    swarm: String,
    volume: String,
    data: String,
}

impl Sameness {
    fn of(node: Node<'_>) -> Result<Self> {
        Ok(Self {
            cluster: node.status()?.cluster.context("the node has no cluster")?.to_string(),
            swarm: node.sh("docker info --format '{{.Swarm.Cluster.ID}}'")?,
            volume: node.sh("gluster volume info clusterfs | grep '^Volume ID'")?,
            data: node.sh("sha256sum </srv/cluster/kept")?,
        })
    }

    /// With some data in it.
    fn with_data(node: Node<'_>) -> Result<Self> {
        let file = "/srv/cluster/kept";
        node.sh(&format!("head -c 1000000 /dev/urandom >{file} && sync {file}"))?;
        Self::of(node)
    }

    fn is_still_that_of(&self, fleet: &Fleet) -> Result<()> {
        for node in fleet.nodes() {
            let now = Self::of(node)?;
            if *self != now {
                let bricks =
                    fleet.nodes().map(|node| format!("{}\n{}", node.name(), on_brick(node)));
                let bricks = bricks.collect::<Vec<_>>().join("\n");
                bail!("{}: {self:?} has become {now:?}\n{bricks}", node.name());
            }
        }
        Ok(())
    }
}

/// What the brick of a node holds of the file, and of whom it says that they lack it.
fn on_brick(node: Node<'_>) -> String {
    let look = "cd /data/bricks/clusterfs && for file in */kept /srv/cluster/kept; do \
                sha256sum $file; stat -c '%n %s %y' $file; \
                getfattr --absolute-names -d -m . -e hex $file; done 2>&1; \
                gluster volume heal clusterfs info";
    node.sh(look).unwrap_or_else(|error| error.to_string())
}

/// One node, the Swarm's leader, loses power: the other two stay ready, storage
/// stays writable, and the services have all their tasks on the two. It gets
/// power again: three are ready, healed, and nothing was typed.
///
/// Gives how long storage and service took to go on, and the node to return.
///
/// # Errors
/// When one of these does not happen.
pub fn the_loss_of_one_is_survived_and_healed(
    fleet: &Fleet,
    failover: Duration,
    recovery: Duration,
) -> Result<[Duration; 3]> {
    let before = Sameness::with_data(fleet.node(1))?;
    let service = Service::start(fleet, "survivor", 3)?;
    let all = fleet.all();
    fleet.until("three tasks", failover, || {
        Ok((service.running_on(all[0])?.len() == 3).then_some(()))
    })?;
    let mut leader = None;
    for node in &all {
        if node.status()?.swarm.is_some_and(|swarm| swarm.leader) {
            leader = Some(*node);
        }
    }
    let victim = leader.context("the Swarm has no leader")?;
    let others: Vec<Node<'_>> = all.iter().filter(|n| n.name() != victim.name()).copied().collect();
    let lost_name = victim.hostname()?;

    let start = Instant::now();
    fleet.kill(victim.name())?;
    for node in &others {
        fleet.until("storage that can be written", failover, || {
            let file = format!("/srv/cluster/written-alone-on-{}", node.name());
            node.sh(&format!("timeout 60 sh -c 'date >{file} && sync {file}'")).map(Some)
        })?;
    }
    let storage = start.elapsed();
    fleet.until("three tasks on two nodes", failover, || {
        let tasks = service.running_on(others[0])?;
        Ok((tasks.len() == 3 && !tasks.contains(&lost_name)).then_some(()))
    })?;
    let moved = start.elapsed();
    for node in &others {
        let status = node.status()?;
        ensure!(status.ready, "{} is not ready any more: {:?}", node.name(), status.phases);
    }

    let start = Instant::now();
    fleet.start(victim.name())?;
    fleet.until_ready(&all, recovery)?;
    let returned = start.elapsed();
    for node in &others {
        let file = format!("/srv/cluster/written-alone-on-{}", node.name());
        let (here, there) = (node.sh(&format!("cat {file}"))?, victim.sh(&format!("cat {file}"))?);
        ensure!(here == there, "{} reads {there:?} instead of {here:?}", victim.name());
    }
    before.is_still_that_of(fleet)?;
    service.remove(all[0])?;
    Ok([storage, moved, returned])
}

/// All nodes lose power at one moment and get it back at one moment.
///
/// # Errors
/// When they are not the same cluster with the same data again.
pub fn a_power_cut_of_all_leaves_the_same_cluster(
    fleet: &Fleet,
    within: Duration,
) -> Result<Duration> {
    let before = Sameness::with_data(fleet.node(2))?;
    fleet.nodes().try_for_each(|node| fleet.kill(node.name()))?;
    fleet.nodes().try_for_each(|node| fleet.start(node.name()))?;
    let took = fleet.until_ready(&fleet.all(), within)?;
    before.is_still_that_of(fleet)?;
    Ok(took)
}

/// These nodes are rebooted at one moment.
///
/// # Errors
/// When all are not the same cluster with the same data again.
pub fn a_reboot_leaves_the_same_cluster(
    fleet: &Fleet,
    nodes: &[Node<'_>],
    within: Duration,
) -> Result<Duration> {
    let before = Sameness::with_data(fleet.node(3))?;
    let mut boots = Vec::new();
    for node in nodes {
        boots.push((node, node.boot_id()?));
    }
    let start = Instant::now();
    for node in nodes {
        // The shell that is told must be able to say that it has understood.
        node.sh("systemd-run --quiet --on-active=1 systemctl reboot")?;
    }
    for (node, old) in &boots {
        let what = format!("another boot of {}", node.name());
        fleet.until(&what, within, || Ok((node.boot_id()? != *old).then_some(())))?;
    }
    fleet.until_ready(&fleet.all(), within.saturating_sub(start.elapsed()))?;
    before.is_still_that_of(fleet)?;
    Ok(start.elapsed())
}
