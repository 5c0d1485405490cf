//! What three machines are to each other once they are a cluster.

use super::THREE;
use anyhow::Result;
use ashlar_tests::claims;

#[test]
fn three_switched_on_together_become_ready() -> Result<()> {
    let three = THREE.borrow()?;
    println!("power-on to ready: {:.0} s", three.formed.as_secs_f64());
    Ok(())
}

#[test]
fn a_file_written_on_one_is_read_on_the_others() -> Result<()> {
    claims::a_file_is_read_on_every_node(&THREE.borrow()?.fleet)
}

#[test]
fn storage_has_three_copies_with_tls_on_both_planes() -> Result<()> {
    claims::the_volume_has_three_copies_and_tls(&THREE.borrow()?.fleet)
}

#[test]
fn the_swarm_has_three_reachable_managers() -> Result<()> {
    claims::everybody_is_a_reachable_manager(&THREE.borrow()?.fleet)
}

#[test]
fn a_service_with_three_tasks_runs_one_a_node() -> Result<()> {
    claims::a_service_runs_once_on_each_node(&THREE.borrow()?.fleet)
}

#[test]
fn serf_members_lists_three_alive() -> Result<()> {
    claims::the_ring_has_everybody_alive(&THREE.borrow()?.fleet)
}

#[test]
fn an_outsider_with_another_ring_key_is_refused() -> Result<()> {
    claims::an_outsider_with_another_key_is_refused(&THREE.borrow()?.fleet)
}

#[test]
fn no_secret_is_in_a_journal_or_an_argument_list() -> Result<()> {
    let three = THREE.borrow()?;
    claims::secrets_are_not_in_journal_or_arguments(&three.fleet, &three.site)
}

#[test]
fn nobody_listens_but_ours() -> Result<()> {
    claims::nobody_listens_but_ours(&THREE.borrow()?.fleet)
}
