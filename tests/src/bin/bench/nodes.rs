//! Nodes: how long they take, and what they use.

use crate::row::Row;
use anyhow::Result;
use ashlar_machine::Backend;
use ashlar_tests::fleet::{Fleet, Node};
use ashlar_tests::{claims, site};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(1200);

// The design's budgets: seconds from power-on until three nodes are ready, and
// megabytes of an agent.
const READY_LAB: f64 = 15.0;
const READY_VM: f64 = 200.0;
const MEMORY: f64 = 15.0;

/// In the lab: forming, a fourth node, the agent's memory, the loss of a node.
pub(crate) fn lab() -> Result<Vec<Row>> {
    let fleet = Fleet::off("bench-lab", 4, &site::expecting(3, "bench-lab")?)?;
    let all = fleet.all();
    all[..3].iter().try_for_each(|node| fleet.start(node.name()))?;
    fleet.until_ready(&all[..3], PATIENCE)?;
    let formed = fleet.since_power_on();
    let from_agent = since_agents_started(&all[..3])?;
    let memory = agent_memory(&all[..3])?;
    fleet.start(all[3].name())?;
    let joined = fleet.until_ready(&all, PATIENCE)?;
    drop(fleet);

    let three = Fleet::on(Backend::Lab, "bench-loss", 3, &site::expecting(3, "bench-loss")?)?;
    three.until_ready(&three.all(), PATIENCE)?;
    let [storage, moved, returned] =
        claims::the_loss_of_one_is_survived_and_healed(&three, PATIENCE, PATIENCE)?;
    Ok(vec![
        Row::new("lab: three nodes, agents started → all ready", "s", from_agent),
        Row::new("lab: three nodes, power-on → all ready", "s", formed.as_secs_f64())
            .budget(READY_LAB),
        Row::new("lab: a fourth node, power-on → ready", "s", joined.as_secs_f64()).budget(15.0),
        Row::new("lab: agent's resident memory, three nodes", "MB", memory).budget(MEMORY),
        Row::new("lab: storage writable after a loss", "s", storage.as_secs_f64()),
        Row::new("lab: a lost manager's tasks run elsewhere", "s", moved.as_secs_f64())
            .budget(20.0),
        Row::new("lab: the lost node back, healed and ready", "s", returned.as_secs_f64()),
    ])
}

/// In VMs: power-on to ready.
pub(crate) fn vm() -> Result<Vec<Row>> {
    let fleet = Fleet::on(Backend::Vm, "bench-vm", 3, &site::expecting(3, "bench-vm")?)?;
    fleet.until_ready(&fleet.all(), PATIENCE)?;
    let ready = fleet.since_power_on().as_secs_f64();
    let memory = agent_memory(&fleet.all())?;
    Ok(vec![
        Row::new("vm: three nodes, power-on → all ready", "s", ready).budget(READY_VM),
        Row::new("vm: agent's resident memory, three nodes", "MB", memory).budget(MEMORY),
    ])
}

/// From the first agent's start to the last node's readiness. All lab nodes
/// count seconds since the same boot, their host's.
fn since_agents_started(nodes: &[Node<'_>]) -> Result<f64> {
    let (mut first, mut last) = (f64::INFINITY, 0.0_f64);
    for node in nodes {
        let status = node.status()?;
        first = first.min(status.boot.agent);
        let reached = status.phases.iter().filter_map(|phase| phase.reached);
        last = reached.fold(last, f64::max);
    }
    Ok(last - first)
}

/// The largest of the nodes', in MB.
fn agent_memory(nodes: &[Node<'_>]) -> Result<f64> {
    let mut most = 0.0_f64;
    for node in nodes {
        let kilobytes: f64 = node
            .sh("pid=$(systemctl show --property MainPID --value ashlar-agent) && \
                 awk '/^VmRSS/ { print $2 }' /proc/$pid/status")?
            .parse()?;
        most = most.max(kilobytes * 1024.0 / 1e6);
    }
    Ok(most)
}
