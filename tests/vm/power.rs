//! Power that fails, on real disks.

use super::{PATIENCE, THREE};
use anyhow::{Result, ensure};
use ashlar_tests::claims;

#[test]
fn the_loss_of_one_is_survived_and_its_return_healed() -> Result<()> {
    let fleet = &THREE.borrow()?.fleet;
    let [storage, moved, returned] =
        claims::the_loss_of_one_is_survived_and_healed(fleet, PATIENCE, PATIENCE)?;
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
    let fleet = &THREE.borrow()?.fleet;
    let node = fleet.node(1);
    let machine = node.sh("cat /etc/machine-id")?;
    node.sh("touch /etc/forgotten")?;
    let took = claims::a_reboot_of_all_leaves_the_same_cluster(fleet, PATIENCE)?;
    println!("ready again in {:.0} s", took.as_secs_f64());
    // /etc is volatile, but for what is listed.
    ensure!(node.sh("cat /etc/machine-id")? == machine, "another machine-id");
    node.sh("test ! -e /etc/forgotten")?;
    Ok(())
}
