//! Drills, as they are carried out on a lab's boxes.

use crate::draw::Drill;
use crate::gate::Gate;
use anyhow::Result;
use ashlar_tests::fleet::Fleet;
use std::time::Duration;

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
            fleet.node(*node).sh(daemon.kill())?;
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
