//! Boxes that give up their place in a cluster: `just drill reset-cluster`.

use crate::PATIENCE;
use anyhow::{Context, Result, ensure};
use ashlar_machine::Backend;
use ashlar_site::Site;
use ashlar_tests::fleet::{Fleet, Node};
use ashlar_tests::{site, workload};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// After so many seconds the place that a box gave up is given away.
const GRACE: u64 = 10;

/// The sum of what was written, in a directory of the box.
fn sum(node: &Node<'_>, directory: &str) -> Result<String> {
    node.sh(&format!("sha256sum <{directory}/takings"))
}

/// Gives up its place, by the name that a person types.
fn reset(node: &Node<'_>) -> Result<()> {
    let name = node.status()?.identity.context("an identity")?.name;
    node.sh(&format!("ashlarctl reset cluster --name {name}")).map(drop)
}

/// One of three gives up its place: it is in again as another box, with all that the others
/// have, and its old copy stays. Then all of them do so at once, and form another cluster.
#[test]
fn a_box_that_resets_its_place_is_in_again_and_a_site_that_does_forms_anew() -> Result<()> {
    let expecting = site::expecting(3, "lab-reset")?;
    let site = Site { grace_seconds: Some(GRACE), ..expecting };
    let fleet = Fleet::on(Backend::Lab, "lab-reset", 3, &site)?;
    let all = fleet.all();
    fleet.until_ready(&all, PATIENCE)?;
    let written = all[0].sh(
        "head -c 3000000 /dev/urandom >/srv/cluster/takings && sync -f /srv/cluster/takings && \
         sha256sum </srv/cluster/takings",
    )?;
    workload::load(&fleet)?;
    let begun = workload::begin_tills(&all[0]);
    begun.context("of three each manages")?;
    let everywhere: Vec<_> = all.iter().collect();
    workload::until_tills_run(&fleet, &everywhere, PATIENCE)?;

    let gone = &all[2];
    let was = gone.status()?.identity.context("an identity")?;
    let shown = gone.sh("ashlarctl reset cluster --dry-run")?;
    ensure!(shown.contains(&was.name) && shown.contains("set aside"), "{shown}");
    ensure!(gone.status()?.identity.as_ref() == Some(&was), "it was only to say so");
    let began = Instant::now();
    reset(gone)?;
    fleet.until("it is another box", PATIENCE, || {
        let now = gone.status()?.identity;
        Ok(now.is_some_and(|now| now.id != was.id).then_some(()))
    })?;
    // Its old place is given away first.
    let long = PATIENCE + Duration::from_secs(GRACE);
    fleet.until("three copies, and no trace of the old one", long, || {
        let storage = gone.status()?.storage.context("the storage is not known")?;
        let whole = storage.bricks_online == 3 && storage.pending_heals == Some(0);
        let nodes = all[0].sh("docker node ls --format '{{.Hostname}}'")?;
        let listed = nodes.contains(&was.name) || nodes.lines().count() != 3;
        Ok((whole && !listed).then_some(()))
    })?;
    fleet.until_ready(&all, PATIENCE)?;
    println!("in again, with a copy, after {:.0} s", began.elapsed().as_secs_f64());
    let aside = format!("/data/bricks/clusterfs/set-aside-{}", was.id);
    for directory in ["/srv/cluster", "/data/bricks/clusterfs/brick*", &aside] {
        ensure!(sum(gone, directory)? == written, "another file in {directory}");
    }
    workload::until_tills_run(&fleet, &everywhere, PATIENCE)?;

    let before = gone.status()?.cluster.context("a cluster")?;
    let began = Instant::now();
    std::thread::scope(|scope| {
        let asked: Vec<_> = all.iter().map(|node| scope.spawn(|| reset(node))).collect();
        asked.into_iter().try_for_each(|asked| asked.join().expect("a reset"))
    })?;
    fleet.until("they are in another cluster", PATIENCE, || {
        let mut clusters = BTreeSet::new();
        for node in &all {
            clusters.insert(node.status()?.cluster);
        }
        let one = clusters.pop_first().filter(|_| clusters.is_empty()).flatten();
        Ok(one.is_some_and(|one| one != before).then_some(()))
    })?;
    fleet.until_ready(&all, PATIENCE)?;
    println!("the site formed anew in {:.0} s", began.elapsed().as_secs_f64());
    for node in &all {
        ensure!(node.sh("ls /srv/cluster")?.is_empty(), "another cluster's files");
        let copies = "sha256sum /data/bricks/clusterfs/set-aside-*/takings | cut -d' ' -f1 | uniq";
        ensure!(written.starts_with(&node.sh(copies)?), "{}: another copy", node.name());
    }
    fleet.consoles_are_clean()
}
