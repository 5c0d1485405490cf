//! What takes minutes in the lab.

use crate::PATIENCE;
use anyhow::Result;
use ashlar_machine::Backend;
use ashlar_tests::shared::Shared;
use std::time::Instant;

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

/// Prints how many bricks the mount and the self-heal daemon of a box are connected to.
const HEARD: &str = r#"
    timeout 10 grep -l "^connected = 1" /srv/cluster/.meta/graphs/active/*-client-*/private | wc -l
    healer=$(pgrep -f "[p]rocess-name.glustershd")
    ss -Htnp state established | grep "pid=$healer," | grep -vc ":24007 "
"#;

/// GlusterFS's clients over TLS may give up for ever on a brick that hung: no box may be
/// left that does not hear every copy. Part of `just drill hung-daemons`.
#[test]
fn a_brick_that_hung_and_runs_anew_is_heard_again_by_every_box() -> Result<()> {
    THREE.lend(|three| {
        for box_of_brick in three.fleet.nodes() {
            for node in three.fleet.nodes() {
                let write = "while :; do date > /srv/cluster/$HOSTNAME; sleep 0.05; done";
                node.sh(&format!("systemd-run --quiet --unit=writes bash -c '{write}'"))?;
            }
            box_of_brick.sh("pkill -STOP -x glusterfsd")?;
            three.fleet.until("every mount gives the brick up", PATIENCE, || {
                for node in three.fleet.nodes() {
                    if !node.sh(HEARD)?.starts_with('2') {
                        return Ok(None);
                    }
                }
                Ok(Some(()))
            })?;
            box_of_brick.sh("pkill -KILL -x glusterfsd")?;
            let killed = Instant::now();
            three.fleet.until("every box hears every brick", PATIENCE, || {
                for node in three.fleet.nodes() {
                    if node.sh(HEARD)? != "3\n3" {
                        return Ok(None);
                    }
                }
                Ok(Some(()))
            })?;
            println!(
                "every box hears the brick of {} {:.0} s after it was killed",
                box_of_brick.hostname()?,
                killed.elapsed().as_secs_f64()
            );
            for node in three.fleet.nodes() {
                node.sh("systemctl stop writes")?;
                let anew =
                    node.sh("ashlarctl history | grep -c 'copies of the volume anew' || true")?;
                println!("{} connected anew {anew} times", node.hostname()?);
            }
            three.fleet.until_ready(&three.fleet.all(), PATIENCE)?;
        }
        Ok(())
    })
}
