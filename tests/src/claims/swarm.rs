//! The container cluster.

use crate::fleet::{Fleet, Node};
use crate::workload;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::time::Duration;

/// Every node manages, one of them leads, and each reaches the others.
///
/// # Errors
/// With Docker's list when it is otherwise.
pub fn everybody_is_a_reachable_manager(fleet: &Fleet) -> Result<()> {
    let nodes = fleet.all().len();
    for node in fleet.nodes() {
        let list =
            node.sh("docker node ls --format '{{.Hostname}} {{.Status}} {{.ManagerStatus}}'")?;
        let count = |word: &str| list.lines().filter(|line| line.ends_with(word)).count();
        let sound = list.lines().count() == nodes
            && list.lines().all(|line| line.contains(" Ready "))
            && count("Leader") == 1
            && count("Reachable") == nodes - 1;
        ensure!(sound, "{} sees:\n{list}", node.name());
    }
    Ok(())
}

/// A service with as many tasks as there are nodes runs one on each.
///
/// # Errors
/// When it does not.
pub fn a_service_runs_once_on_each_node(fleet: &Fleet) -> Result<()> {
    let count = fleet.all().len();
    let service = Service::start(fleet, "spread", count)?;
    let mut names = BTreeSet::new();
    for node in fleet.nodes() {
        names.insert(node.hostname()?);
    }
    fleet.until("a task on each node", Duration::from_secs(180), || {
        let tasks = service.running_on(fleet.node(1))?;
        ensure!(tasks.len() == count, "{tasks:?}");
        ensure!(tasks.into_iter().collect::<BTreeSet<_>>() == names, "not spread");
        Ok(Some(()))
    })?;
    service.remove(fleet.node(1))
}

/// One of the nodes that manage the Swarm: of more than three not all do.
///
/// # Errors
/// When none says so.
pub fn a_manager(fleet: &Fleet) -> Result<Node<'_>> {
    let manages = |node: &Node<'_>| {
        let told = node.sh("docker info --format '{{.Swarm.ControlAvailable}}'");
        told.is_ok_and(|told| told.trim() == "true")
    };
    fleet.nodes().find(manages).context("no node manages the Swarm")
}

/// A service of idle tasks.
#[derive(Debug)]
pub struct Service(&'static str);

impl Service {
    /// With so many tasks; anew, if it runs.
    ///
    /// # Errors
    /// When a node or its Swarm refuses.
    pub fn start(fleet: &Fleet, name: &'static str, tasks: usize) -> Result<Self> {
        workload::load(fleet)?;
        let image = workload::IMAGE;
        // Neither virtual IP nor published port: not every kernel has IPVS. No
        // resolving: there is no registry.
        a_manager(fleet)?.sh(&format!(
            "docker service inspect {name} >/dev/null 2>&1 && docker service rm {name}; \
             docker service create --quiet --detach --no-resolve-image --endpoint-mode dnsrr \
             --stop-signal KILL --replicas {tasks} --name {name} {image}"
        ))?;
        Ok(Self(name))
    }

    /// The host names on which its tasks run, as `manager` knows it.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn running_on(&self, manager: Node<'_>) -> Result<Vec<String>> {
        let list = manager.sh(&format!(
            "docker service ps {} --filter desired-state=running \
             --format '{{{{.Node}}}} {{{{.CurrentState}}}}'",
            self.0
        ))?;
        let running = list.lines().filter_map(|line| line.split_once(" Running"));
        Ok(running.map(|(node, _)| node.to_owned()).collect())
    }

    /// Ends it.
    ///
    /// # Errors
    /// When the Swarm refuses.
    pub fn remove(&self, manager: Node<'_>) -> Result<()> {
        manager.sh(&format!("docker service rm {}", self.0)).map(drop)
    }
}
