//! Power that comes back, on real disks.

use super::{PATIENCE, THREE};
use anyhow::{Result, ensure};
use ashlar_tests::claims;

/// Three at once need twice the emulation and are a drill (`just drill vm-loss`): of the
/// cluster's side of it the lab has the proof.
#[test]
fn one_that_reboots_is_in_the_same_cluster_with_its_data() -> Result<()> {
    THREE.lend(|three| {
        let node = three.fleet.node(1);
        let machine = node.sh("cat /etc/machine-id")?;
        node.sh("touch /etc/forgotten")?;
        let took = claims::a_reboot_leaves_the_same_cluster(&three.fleet, &[node], PATIENCE)?;
        println!("ready again in {:.0} s", took.as_secs_f64());
        // /etc is volatile, but for what is listed.
        ensure!(node.sh("cat /etc/machine-id")? == machine, "another machine-id");
        node.sh("test ! -e /etc/forgotten")?;
        Ok(())
    })
}
