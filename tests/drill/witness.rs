//! Two boxes with data and a witness: `just drill witness`.

use crate::PATIENCE;
use anyhow::{Context, Result, ensure};
use ashlar_machine::Backend;
use ashlar_site::{NetworkPlan, Site, SiteNode};
use ashlar_tests::fleet::{Fleet, Node};
use ashlar_tests::{site, workload};

/// The name from which the nodes' MAC addresses follow.
const NAME: &str = "lab-witness";

/// Whichever of the two fails, the other one goes on beside the witness; a copy that
/// missed something waits for the one that has it; the witness carries neither a file's
/// content nor a task.
#[test]
fn a_witness_settles_which_of_two_goes_on() -> Result<()> {
    let (fleet, [first, second, witness]) = formed()?;
    let fleet = &fleet;
    let (first, second, witness) = (fleet.node(first), fleet.node(second), fleet.node(witness));
    let data = [&first, &second];
    arbiter_is(&first, &witness)?;

    workload::load(fleet)?;
    let image = workload::IMAGE;
    witness.sh(&format!("docker service create -d --mode global --name tills {image}"))?;
    let tasks = "docker ps --quiet --filter name=tills | grep -c .";
    fleet.until("a task on each box with data", PATIENCE, || {
        let runs = |node: &Node<'_>| Ok::<_, anyhow::Error>(node.sh(tasks)? == "1");
        Ok((runs(&first)? && runs(&second)?).then_some(()))
    })?;
    ensure!(!witness.try_sh(tasks)?.success(), "a task runs on the witness");

    for (dead, left) in [(&first, &second), (&second, &first)] {
        println!("{} loses its power", dead.name());
        fleet.kill(dead.name())?;
        let file = format!("/srv/cluster/without-{}", dead.name());
        fleet.until("the other one writes", PATIENCE, || {
            left.sh(&format!("echo takings >{file} && sync -f {file}"))?;
            Ok(Some(()))
        })?;
        fleet.until("both are ready", PATIENCE, || {
            Ok((left.status()?.ready && witness.status()?.ready).then_some(()))
        })?;
        // What it comes back to is a witness that knows what it missed, and no copy.
        fleet.kill(left.name())?;
        fleet.start(dead.name())?;
        fleet.until("it says for whom it waits", PATIENCE, || {
            let status = dead.status()?;
            ensure!(!status.ready, "it is ready, and {file} is not there");
            let waits = status.phases.iter().any(|p| p.detail.contains("as the witness knows"));
            Ok(waits.then_some(()))
        })?;
        ensure!(!dead.try_sh(&format!("timeout 20 touch {file}-too"))?.success(), "it writes");
        fleet.start(left.name())?;
        fleet.until_ready(&fleet.all(), PATIENCE)?;
        for node in data {
            ensure!(node.sh(&format!("cat {file}"))? == "takings", "{}", node.name());
        }
    }
    let content =
        "find /data/bricks/clusterfs -path '*/.glusterfs' -prune -o -type f -size +0 -print";
    ensure!(witness.sh(content)?.is_empty(), "the witness holds content");
    fleet.consoles_are_clean()
}

/// Three boxes of which the third one's site makes it a witness, ready: their numbers,
/// those with data in the order of their copies.
fn formed() -> Result<(Fleet, [usize; 3])> {
    let third = {
        let none = site::fresh(NAME)?;
        let fleet = Fleet::off(NAME, 3, &none)?;
        fleet.cluster().nodes().into_iter().nth(2).context("a third node")?.mac
    };
    let node = vec![SiteNode { witness: true, ..SiteNode::by_mac(third) }];
    let network = NetworkPlan { node, ..NetworkPlan::default() };
    let fleet = Fleet::off(NAME, 3, &Site { network, ..site::expecting(3, NAME)? })?;
    ensure!(fleet.cluster().backend() == Backend::Lab, "the lab");
    let all = fleet.all();
    all.iter().try_for_each(|node| fleet.start(node.name()))?;
    let took = fleet.until_ready(&all, PATIENCE)?;
    println!("two and a witness ready after {:.1} s", took.as_secs_f64());
    fleet.until("the witness is set", PATIENCE, || {
        let storage = all[0].status()?.storage.context("storage")?;
        Ok((storage.bricks == 3 && storage.replicas == 2).then_some(()))
    })?;
    fleet.until_ready(&all, PATIENCE)?;
    let bricks = all[0].sh("gluster --mode=script volume info clusterfs | grep '^Brick1'")?;
    let first = if bricks.contains(&all[0].address()?) { 1 } else { 2 };
    drop(all);
    Ok((fleet, [first, 3 - first, 3]))
}

/// GlusterFS's third brick is the witness's, and an arbiter.
fn arbiter_is(node: &Node<'_>, witness: &Node<'_>) -> Result<()> {
    let third = node.sh("gluster --mode=script volume info clusterfs | grep '^Brick3'")?;
    ensure!(third.contains(&witness.address()?) && third.contains("(arbiter)"), "{third}");
    let nodes = node.sh("docker node ls --format '{{.Availability}} {{.ManagerStatus}}'")?;
    ensure!(nodes.matches("Drain").count() == 1, "{nodes}");
    ensure!(
        nodes.lines().all(|line| line.contains("Leader") || line.contains("Reachable")),
        "{nodes}"
    );
    Ok(())
}
