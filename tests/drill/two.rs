//! Two boxes without a witness, of which one is switched off in order: `just drill two`.

use crate::PATIENCE;
use anyhow::{Context, Result, ensure};
use ashlar_machine::Backend;
use ashlar_tests::fleet::{Fleet, Node};
use ashlar_tests::{site, workload};

/// The other one goes on with services, configs and secrets; the one that handed over
/// serves nobody before it has seen the other one, and has its turn again when it is whole.
#[test]
fn of_two_boxes_one_that_is_switched_off_hands_over_and_yields_when_it_is_back() -> Result<()> {
    let fleet = Fleet::on(Backend::Lab, "lab-two", 2, &site::expecting(2, "lab-two")?)?;
    fleet.until_ready(&fleet.all(), PATIENCE)?;
    let bricks =
        fleet.node(1).sh("gluster --mode=script volume info clusterfs | grep '^Brick1'")?;
    let number = if bricks.contains(&fleet.node(1).address()?) { 1 } else { 2 };
    let (first, other) = (fleet.node(number), fleet.node(3 - number));
    manages(&fleet, &first)?;

    workload::load(&fleet)?;
    workload::begin_tills(&first)?;
    workload::until_tills_run(&fleet, &[&first, &other], PATIENCE)?;

    println!("{} is switched off in order", first.name());
    first.sh("ashlarctl power off --yes")?;
    fleet.until("it is off", PATIENCE, || Ok(first.try_sh("true").is_err().then_some(())))?;
    fleet.until("the other one is ready", PATIENCE, || Ok(other.status()?.ready.then_some(())))?;
    other.sh("echo meanwhile >/srv/cluster/meanwhile && sync -f /srv/cluster/meanwhile")?;
    workload::until_tills_run(&fleet, &[&other], PATIENCE)?;
    other.sh("docker secret inspect till && docker config inspect shop")?;

    println!("{} loses its power, and {} comes first", other.name(), first.name());
    fleet.kill(other.name())?;
    fleet.start(first.name())?;
    fleet.until("it says for whom it waits", PATIENCE, || {
        let status = first.status()?;
        ensure!(!status.ready, "it is ready, and does not have what the other one wrote");
        let says = |detail: &str| detail.contains("went on when this box was switched off");
        Ok(status.phases.iter().any(|p| says(&p.detail)).then_some(()))
    })?;
    let serves = first.try_sh("mountpoint -q /srv/cluster || systemctl -q is-active docker")?;
    ensure!(!serves.success(), "it has the volume mounted, or its engine runs");

    fleet.start(other.name())?;
    fleet.until_ready(&fleet.all(), PATIENCE * 2)?;
    manages(&fleet, &first)?;
    for node in [&first, &other] {
        ensure!(node.sh("cat /srv/cluster/meanwhile")? == "meanwhile", "{}", node.name());
    }
    first.sh("docker secret inspect till && docker config inspect shop")?;
    workload::until_tills_run(&fleet, &[&first, &other], PATIENCE)?;
    fleet.consoles_are_clean()
}

/// Waits until this box alone manages the Swarm.
fn manages(fleet: &Fleet, node: &Node<'_>) -> Result<()> {
    let ask = "docker node ls --filter role=manager --format '{{.Hostname}}'";
    fleet.until("it alone manages", PATIENCE, || {
        let name = node.hostname().context("its name")?;
        Ok((node.sh(ask)? == name).then_some(()))
    })
}
