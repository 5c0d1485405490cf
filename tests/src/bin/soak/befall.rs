//! Drills, as they are carried out on a lab's boxes.

use crate::draw::{Daemon, Drill};
use crate::gate::Gate;
use anyhow::{Result, ensure};
use ashlar_tests::fleet::{Fleet, Node};
use std::time::Duration;

/// What takes up the room of a data partition.
const FILLER: &str = "/data/filler";

/// Takes all of it, to the last block.
const FILL: &str = "mkdir -p /data/filler && cd /data/filler && i=0 && \
    for size in 1G 100M 10M 1M 100K 4K; do \
    while fallocate -l $size $i 2>/dev/null; do i=$((i+1)); done; rm -f $i; done";

/// Lets it happen, and puts back power and cables. `gate` is where seconds of a drill
/// are waited for.
pub(crate) fn befall(fleet: &Fleet, drill: &Drill, gate: &Gate, patience: Duration) -> Result<()> {
    let name = |number: &usize| format!("node{number}");
    let cluster = fleet.cluster();
    let lasts = |seconds: &u64| gate.pause(Duration::from_secs(*seconds));
    match drill {
        Drill::Power { node, seconds } => {
            fleet.kill(&name(node))?;
            lasts(seconds);
            fleet.start(&name(node))?;
        }
        Drill::Freeze { node, seconds } => {
            cluster.freeze(&name(node))?;
            lasts(seconds);
            cluster.thaw(&name(node))?;
        }
        Drill::Cable { node, seconds } => {
            cluster.cut(&name(node))?;
            lasts(seconds);
            cluster.restore(&name(node))?;
        }
        Drill::Reboot { node } => {
            let node = fleet.node(*node);
            let before = node.boot_id()?;
            // The shell that is told must be able to say that it has understood.
            node.sh("systemd-run --quiet --on-active=1 systemctl reboot")?;
            fleet.until("another boot", patience, || {
                Ok((node.boot_id()? != before).then_some(()))
            })?;
        }
        Drill::Daemon { node, daemon } => {
            signal(fleet.node(*node), *daemon, "KILL")?;
        }
        Drill::Hang { node, daemon } => {
            let node = fleet.node(*node);
            let Some(before) = signal(node, *daemon, "STOP")? else { return Ok(()) };
            fleet.until(&format!("another {daemon}"), patience, || {
                let now = process(node, *daemon)?;
                Ok(now.filter(|now| *now != before).map(drop))
            })?;
        }
        Drill::Fill { nodes, seconds } => {
            nodes.iter().try_for_each(|node| fleet.node(*node).sh(FILL).map(drop))?;
            lasts(seconds);
            let empty = format!("rm -r {FILLER}");
            nodes.iter().try_for_each(|node| fleet.node(*node).sh(&empty).map(drop))?;
        }
        Drill::All { order } => {
            order.iter().try_for_each(|node| fleet.kill(&name(node)))?;
            let late = if order.len() > 2 { order.len() - 1 } else { order.len() };
            let (first, last) = order.split_at(late);
            first.iter().try_for_each(|node| fleet.start(&name(node)))?;
            fleet.until("all but one are ready", patience, || ready(fleet, first))?;
            last.iter().try_for_each(|node| fleet.start(&name(node)))?;
        }
    }
    Ok(())
}

/// Sends a signal to a daemon; gives its process. Of more than three boxes some give no
/// brick, and nothing heals there: those have nothing that could end.
fn signal(node: Node<'_>, daemon: Daemon, signal: &str) -> Result<Option<String>> {
    let Some(process) = process(node, daemon)? else {
        let address = node.address()?;
        let gives = format!("gluster volume info clusterfs | grep -c ' {address}:' || true");
        let heals = matches!(daemon, Daemon::Brick | Daemon::SelfHeal);
        ensure!(heals && node.sh(&gives)? == "0", "no {daemon} runs");
        println!("           which it does not have");
        return Ok(None);
    };
    node.sh(&format!("kill -{signal} {process}"))?;
    Ok(Some(process))
}

/// The process of a daemon, if it runs.
fn process(node: Node<'_>, daemon: Daemon) -> Result<Option<String>> {
    let process = node.sh(daemon.process())?.trim().to_owned();
    Ok(Some(process).filter(|process| !process.is_empty() && process != "0"))
}

/// These boxes say that they are ready.
pub(crate) fn ready(fleet: &Fleet, numbers: &[usize]) -> Result<Option<()>> {
    for number in numbers {
        let status = fleet.node(*number).status()?;
        if !status.ready {
            let phase = status.phases.iter().find(|phase| !phase.holds);
            let why = phase.map(|phase| format!("{}: {}", phase.phase, phase.detail));
            anyhow::bail!("node{number} is not ready: {}", why.unwrap_or_default());
        }
    }
    Ok(Some(()))
}
