//! A box as it was before its first boot. Two boots and more: `just drill reset`.

use anyhow::{Result, ensure};
use ashlar_machine::Backend;
use ashlar_tests::fleet::Fleet;
use ashlar_tests::site;
use std::time::Duration;

/// For a machine to boot without KVM, and to be what is asked.
const PATIENCE: Duration = Duration::from_secs(900);

#[test]
fn a_reset_that_loses_power_half_way_ends_in_another_node_of_the_same_site() -> Result<()> {
    let fleet = Fleet::on(Backend::Vm, "vm-reset", 1, &site::fresh("reset")?)?;
    let node = fleet.node(1);
    let name = fleet.until("an identity", PATIENCE, || Ok(Some(node.hostname()?)))?;
    node.sh("touch /data/old /var/lib/old && sync")?;

    // Alone in its cluster, or not yet in one: the name settles it either way.
    let asked = node.sh(&format!("ashlarctl reset factory --keep-site --json --name {name}"))?;
    ensure!(asked.contains("\"begun\":true"), "{asked}");
    let console = || fleet.cluster().console_tail(node.name(), 100_000);
    fleet.until("the initrd's reset", PATIENCE, || {
        Ok(console().contains("emptying this box's disk").then_some(()))
    })?;
    fleet.kill(node.name())?;
    fleet.start(node.name())?;

    let now = fleet.until("another identity", PATIENCE, || Ok(Some(node.hostname()?)))?;
    ensure!(now != name, "{now} is still the same node");
    node.sh("test ! -e /data/old && test ! -e /var/lib/old")?;
    let left = node.try_sh("ls /sys/firmware/efi/efivars/AshlarReset-*")?;
    ensure!(!left.success(), "the next boot would reset it again: {}", left.text());
    ensure!(node.status()?.site.as_deref() == Some("reset"), "another site");
    Ok(())
}
