//! What three nodes are to each other once they are a cluster.

use super::{PATIENCE, THREE};
use anyhow::{Context, Result, ensure};
use ashlar_tests::claims;
use ashlar_tests::command::workspace;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_file_written_on_one_is_read_on_the_others() -> Result<()> {
    THREE.lend(|three| claims::a_file_is_read_on_every_node(&three.fleet))
}

#[test]
fn what_another_box_wrote_over_files_is_read_also_on_a_busy_box() -> Result<()> {
    THREE.lend(|three| claims::what_another_box_wrote_over_files_is_read(&three.fleet))
}

#[test]
fn storage_has_three_copies_with_tls_on_both_planes() -> Result<()> {
    THREE.lend(|three| claims::the_volume_has_three_copies_and_tls(&three.fleet))
}

#[test]
fn the_swarm_has_three_reachable_managers() -> Result<()> {
    THREE.lend(|three| claims::everybody_is_a_reachable_manager(&three.fleet))
}

#[test]
fn a_service_with_three_tasks_runs_one_a_node() -> Result<()> {
    THREE.lend(|three| claims::a_service_runs_once_on_each_node(&three.fleet))
}

#[test]
fn serf_members_lists_three_alive() -> Result<()> {
    THREE.lend(|three| claims::the_ring_has_everybody_alive(&three.fleet))
}

#[test]
fn an_outsider_with_another_ring_key_is_refused() -> Result<()> {
    THREE.lend(|three| claims::an_outsider_with_another_key_is_refused(&three.fleet))
}

#[test]
fn enrolment_with_another_ring_key_is_refused() -> Result<()> {
    THREE.lend(|three| claims::enrolment_with_another_key_is_refused(&three.fleet, &three.site))
}

#[test]
fn secrets_are_readable_by_root_only() -> Result<()> {
    THREE.lend(|three| claims::secrets_are_for_root_only(&three.fleet))
}

#[test]
fn no_secret_is_in_a_journal_or_an_argument_list() -> Result<()> {
    THREE.lend(|three| claims::secrets_are_not_in_journal_or_arguments(&three.fleet, &three.site))
}

#[test]
fn nobody_listens_but_ours() -> Result<()> {
    THREE.lend(|three| claims::nobody_listens_but_ours(&three.fleet))
}

#[test]
fn every_phase_is_a_systemd_target() -> Result<()> {
    THREE.lend(|three| {
        for node in three.fleet.nodes() {
            for phase in ashlar_cluster::Phase::ALL {
                node.sh(&format!("systemctl is-active ashlar-{phase}.target"))?;
            }
        }
        Ok(())
    })
}

/// The unit that the guide shows, on a box whose storage does not hold yet.
#[test]
fn a_unit_of_ones_own_starts_after_the_phase_it_names_and_outlives_the_agent() -> Result<()> {
    let guide = std::fs::read_to_string(workspace().join("docs/guide.md"))?;
    let unit = guide
        .split("```ini\n")
        .filter_map(|part| part.split_once("```"))
        .find(|(block, _)| block.contains("After=ashlar-storage.target"))
        .context("the guide shows no such unit")?
        .0;
    THREE.lend(|three| {
        let node = three.fleet.node(3);
        node.sh_with(
            "cat >/run/systemd/system/till.service && systemctl daemon-reload && \
             systemctl stop ashlar-agent && rm /run/ashlar/phase/storage && \
             systemctl stop ashlar-storage.target && systemctl start --no-block till",
            unit.as_bytes(),
        )?;
        let waits = node.sh("systemctl list-jobs --no-legend till.service")?;
        ensure!(waits.contains("waiting"), "it does not wait: {waits:?}");

        node.sh("systemctl start ashlar-agent")?;
        let state = |of: &str| node.sh(&format!("systemctl show --value -p {of}"));
        three.fleet.until("the till runs", PATIENCE, || {
            Ok((state("ActiveState till")? == "active").then_some(()))
        })?;
        let since = |unit: &str| -> Result<u64> {
            Ok(state(&format!("ActiveEnterTimestampMonotonic {unit}"))?.parse()?)
        };
        ensure!(since("ashlar-storage.target")? <= since("till")?, "it ran before its phase");
        let run = state("InvocationID till")?;
        node.sh("systemctl restart ashlar-agent")?;
        three.fleet.until_ready(&three.fleet.all(), PATIENCE)?;
        ensure!(state("InvocationID till")? == run, "it was started anew with the agent");
        node.sh("systemctl stop till && rm /run/systemd/system/till.service")?;
        node.sh("systemctl daemon-reload")?;
        Ok(())
    })
}

#[test]
fn a_restarted_agent_takes_up_where_it_was() -> Result<()> {
    THREE.lend(|three| {
        let node = three.fleet.node(2);
        let before = node.status()?;
        for how in ["systemctl restart ashlar-agent", "systemctl kill -s KILL ashlar-agent"] {
            node.sh(how)?;
            three.fleet.until_ready(&three.fleet.all(), PATIENCE)?;
            let after = node.status()?;
            ensure!(before.identity == after.identity, "{before:?} became {after:?}");
            ensure!(before.cluster == after.cluster, "{before:?} became {after:?}");
        }
        Ok(())
    })
}

/// What dies alone, on a box that goes on, is nobody's to start but ours.
#[test]
fn a_brick_and_a_self_heal_daemon_that_die_run_again_within_a_minute() -> Result<()> {
    THREE.lend(|three| {
        let node = three.fleet.node(2);
        let runs = "pgrep -x glusterfsd >/dev/null && pgrep -f process-name.glustershd >/dev/null";
        node.sh(runs)?;
        node.sh("pkill -KILL -x glusterfsd; pkill -KILL -f process-name.glustershd")?;
        let again = || node.sh(runs).map(Some);
        three.fleet.until("brick and self-heal daemon run again", MINUTE, again)?;
        three.fleet.until_ready(&three.fleet.all(), PATIENCE)?;
        ensure!(node.sh("ashlarctl history")?.contains("start the"), "it tells of what it did");
        Ok(())
    })
}

#[test]
fn no_unit_has_failed_and_no_console_tells_of_trouble() -> Result<()> {
    // Consoles are looked through after every test to which three were lent.
    THREE.lend(|three| claims::no_unit_has_failed(&three.fleet))
}
