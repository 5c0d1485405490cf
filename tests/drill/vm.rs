//! Claims that the lab proves every day with the same daemons, on emulated
//! machines with their own kernel, disks and firmware: `just drill vm-loss`.

use anyhow::Result;
use ashlar_machine::Backend;
use ashlar_tests::claims;
use ashlar_tests::shared::Shared;
use std::time::Duration;

/// As in the vm tier.
const PATIENCE: Duration = Duration::from_secs(1200);

static THREE: Shared = Shared::new(Backend::Vm, "vm-drill", PATIENCE);

#[test]
fn a_file_written_on_one_is_read_on_the_others() -> Result<()> {
    THREE.lend(|three| claims::a_file_is_read_on_every_node(&three.fleet))
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
fn no_secret_is_in_a_journal_or_an_argument_list() -> Result<()> {
    THREE.lend(|three| claims::secrets_are_not_in_journal_or_arguments(&three.fleet, &three.site))
}

#[test]
fn the_loss_of_one_is_survived_and_its_return_healed() -> Result<()> {
    let [storage, moved, returned] = THREE.lend(|three| {
        claims::the_loss_of_one_is_survived_and_healed(&three.fleet, PATIENCE, PATIENCE)
    })?;
    println!(
        "after a kill: storage writable in {:.0} s, tasks moved in {:.0} s; after its return: \
         ready and healed in {:.0} s",
        storage.as_secs_f64(),
        moved.as_secs_f64(),
        returned.as_secs_f64()
    );
    Ok(())
}

#[test]
fn three_that_reboot_at_once_are_the_same_cluster_with_its_data() -> Result<()> {
    THREE.lend(|three| {
        let all = three.fleet.all();
        let took = claims::a_reboot_leaves_the_same_cluster(&three.fleet, &all, PATIENCE)?;
        println!("ready again in {:.0} s", took.as_secs_f64());
        Ok(())
    })
}
