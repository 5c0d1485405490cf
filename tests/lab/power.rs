//! Power that fails.

use super::{PATIENCE, THREE};
use anyhow::{Result, bail, ensure};
use ashlar_tests::claims;

#[test]
fn the_loss_of_one_is_survived_and_its_return_healed() -> Result<()> {
    let [storage, moved, returned] = THREE.lend(|three| {
        claims::the_loss_of_one_is_survived_and_healed(&three.fleet, PATIENCE, PATIENCE)
    })?;
    println!(
        "after a kill: storage writable in {:.1} s, tasks moved in {:.1} s; after its return: \
         ready and healed in {:.1} s",
        storage.as_secs_f64(),
        moved.as_secs_f64(),
        returned.as_secs_f64()
    );
    Ok(())
}

#[test]
fn a_power_cut_of_all_three_leaves_the_same_cluster_with_its_data() -> Result<()> {
    let took = THREE
        .lend(|three| claims::a_power_cut_of_all_leaves_the_same_cluster(&three.fleet, PATIENCE))?;
    println!("ready again in {:.1} s", took.as_secs_f64());
    Ok(())
}

#[test]
fn three_that_shut_down_and_start_again_are_the_same_cluster() -> Result<()> {
    THREE.lend(|three| {
        let fleet = &three.fleet;
        let cluster = fleet.node(1).status()?.cluster;
        std::thread::scope(|scope| {
            let stops: Vec<_> = fleet
                .nodes()
                .map(|node| scope.spawn(move || fleet.cluster().stop(node.name())))
                .collect();
            stops.into_iter().try_for_each(|stop| match stop.join() {
                Ok(stopped) => Ok(stopped?),
                Err(_) => bail!("stopping a node panicked"),
            })
        })?;
        fleet.nodes().try_for_each(|node| fleet.start(node.name()))?;
        fleet.until_ready(&fleet.all(), PATIENCE)?;
        for node in fleet.nodes() {
            ensure!(node.status()?.cluster == cluster, "{}: another cluster", node.name());
        }
        Ok(())
    })
}
