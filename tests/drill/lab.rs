//! What takes minutes in the lab.

use crate::PATIENCE;
use anyhow::Result;
use ashlar_machine::Backend;
use ashlar_tests::shared::Shared;

static THREE: Shared = Shared::new(Backend::Lab, "lab-drill", PATIENCE);

/// A daemon that runs and does not answer is given time before it is killed:
/// `just drill hung-daemons`.
#[test]
fn daemons_that_hang_are_killed_and_work_again() -> Result<()> {
    THREE.lend(|three| {
        let node = three.fleet.node(2);
        for (daemon, unit) in [("dockerd", "docker"), ("glusterd", "glusterd")] {
            let pid = format!("systemctl show -P MainPID {unit}");
            let before = node.sh(&pid)?;
            node.sh(&format!("kill -STOP {before}"))?;
            three.fleet.until(&format!("{daemon} is shown to hang"), PATIENCE, || {
                let alerts = node.status()?.alerts;
                Ok(alerts.iter().any(|alert| alert.id == "part-hangs").then_some(()))
            })?;
            // Longer where the whole machine is starved.
            three.fleet.until(&format!("a new {daemon}"), PATIENCE * 2, || {
                Ok((node.sh(&pid)? != before).then_some(()))
            })?;
            three.fleet.until_ready(&three.fleet.all(), PATIENCE)?;
        }
        Ok(())
    })
}
