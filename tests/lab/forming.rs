//! How clusters come to be, from any order of power buttons.

use super::{PATIENCE, THREE};
use anyhow::{Context, Result, ensure};
use ashlar_tests::command::Ashlar;
use ashlar_tests::fleet::{Fleet, always};
use ashlar_tests::project::programs;
use ashlar_tests::site;
use std::collections::BTreeSet;

#[test]
fn three_nodes_switched_on_together_become_one_cluster() -> Result<()> {
    THREE.lend(|three| {
        let mut clusters = BTreeSet::new();
        for node in three.fleet.nodes() {
            clusters.insert(node.status()?.cluster.map(|id| id.to_string()));
        }
        ensure!(clusters.len() == 1 && !clusters.contains(&None), "{clusters:?}");
        println!("power-on to ready: {:.1} s", three.formed.as_secs_f64());
        Ok(())
    })
}

#[test]
fn a_fourth_node_joins_three_that_are_ready() -> Result<()> {
    let site = site::expecting(3, "lab-four")?;
    let fleet = Fleet::off("lab-four", 4, &site)?;
    let all = fleet.all();
    let (three, fourth) = (&all[..3], all[3]);
    three.iter().try_for_each(|node| fleet.start(node.name()))?;
    fleet.until_ready(three, PATIENCE)?;
    fleet.start(fourth.name())?;
    let took = fleet.until_ready(&all, PATIENCE)?;
    println!("a fourth node was ready {:.1} s after power-on", took.as_secs_f64());
    fourth.sh("echo from-four >/srv/cluster/four")?;
    let read = three[0].sh("cat /srv/cluster/four")?;
    ensure!(read == "from-four", "{read:?}");
    fleet.consoles_are_clean()
}

#[test]
fn a_cluster_of_one_grows_to_three_as_boxes_are_switched_on() -> Result<()> {
    let site = site::fresh("lab-grow")?;
    let fleet = Fleet::off("lab-grow", 3, &site)?;
    let all = fleet.all();
    for count in 1..=all.len() {
        fleet.start(all[count - 1].name())?;
        let took = fleet.until_ready(&all[..count], PATIENCE)?;
        println!("{count} of 3: ready {:.1} s after power-on", took.as_secs_f64());
        let line = format!("written when there were {count}\n");
        all[count - 1].sh_with("cat >>/srv/cluster/story", line.as_bytes())?;
    }
    for node in &all {
        let story = node.sh("cat /srv/cluster/story")?;
        ensure!(story.lines().count() == 3, "{}: {story:?}", node.name());
    }
    fleet.consoles_are_clean()
}

#[test]
fn nobody_founds_before_the_expected_number_is_there() -> Result<()> {
    let site = site::expecting(3, "lab-expect")?;
    let fleet = Fleet::off("lab-expect", 3, &site)?;
    let all = fleet.all();
    all[..2].iter().try_for_each(|node| fleet.start(node.name()))?;
    // Two have found each other, say that they wait, and go on waiting for
    // longer than the ring takes to settle.
    fleet.until("two that wait for the third", PATIENCE, || {
        let status = all[0].status()?;
        let waits = status.phases.iter().any(|phase| phase.detail.contains("2 of 3 expected"));
        let since = status.phases.iter().find_map(|phase| phase.reached);
        let uptime: f64 = all[0].sh("cut -d' ' -f1 /proc/uptime")?.parse()?;
        let long = since.is_some_and(|since| uptime - since > 20.0);
        always(status.cluster.is_none(), "a cluster was founded with two of three")?;
        Ok((waits && long).then_some(()))
    })?;
    fleet.start(all[2].name())?;
    fleet.until_ready(&all, PATIENCE)?;
    fleet.consoles_are_clean()
}

#[test]
fn the_demo_ends_with_one_object_when_three_are_ready() -> Result<()> {
    let ran = Ashlar::new(["demo", "--headless", "--json", "--backend", "lab", "--agent-dir"])?
        .arg(programs()?)
        .succeeds()?;
    let result = ran.json()?;
    ensure!(result["ready"] == 3 && result["image_bytes"].is_u64(), "{result}");
    let nodes = result["nodes"].as_array().context("nodes")?;
    ensure!(nodes.len() == 3, "{result}");
    for node in nodes {
        ensure!(node["name"].is_string(), "{result}");
        let mut before = 0.0;
        for phase in ["kernel", "agent", "ring", "pki", "storage", "swarm", "ready"] {
            let after = node["phases"][phase].as_f64();
            let after = after.with_context(|| format!("no time of {phase}: {result}"))?;
            ensure!(phase == "swarm" || after >= before, "{phase} came too early: {result}");
            before = after;
        }
    }
    Ok(())
}
