//! A box that is gone for good.

use super::PATIENCE;
use anyhow::{Context, Result, ensure};
use ashlar_site::Site;
use ashlar_tests::fleet::{Fleet, Node};
use ashlar_tests::site;
use std::time::Instant;

/// In seconds: the shortest that a site may ask for.
const GRACE: u64 = 10;

/// Three copies and a box to spare. One that holds a copy dies; nobody types
/// anything; then it is found again and switched on.
#[test]
fn a_box_that_died_for_good_is_replaced_and_comes_back_as_another() -> Result<()> {
    let site = Site { grace_seconds: Some(GRACE), ..site::expecting(4, "lab-replace")? };
    let fleet = Fleet::off("lab-replace", 4, &site)?;
    let all = fleet.all();
    all.iter().try_for_each(|node| fleet.start(node.name()))?;
    fleet.until_ready(&all, PATIENCE)?;

    let (mut holders, mut spares) = (Vec::new(), Vec::new());
    for node in all {
        let holds = node.try_sh("pgrep -x glusterfsd")?.success();
        if holds { holders.push(node) } else { spares.push(node) }
    }
    ensure!(holders.len() == 3 && spares.len() == 1, "{} give a brick", holders.len());
    let (dead, spare) = (holders.pop().context("a holder")?, spares[0]);
    let left: Vec<_> = holders.into_iter().chain([spare]).collect();
    let before = dead.status()?;
    let was = before.identity.context("an identity")?;
    let written = dead.sh(
        "head -c 3000000 /dev/urandom >/srv/cluster/takings && sync -f /srv/cluster/takings && \
         sha256sum </srv/cluster/takings",
    )?;

    let killed = Instant::now();
    fleet.kill(dead.name())?;
    fleet.until("its place is given away everywhere", PATIENCE, || {
        let (name, address) = (&was.name, was.address);
        let trace = "gluster --mode=script peer status; \
                     gluster --mode=script volume info clusterfs; ashlarctl members; \
                     docker node ls --format '{{.Hostname}}' 2>/dev/null || true";
        for node in &left {
            let traces = node.sh(trace)?;
            ensure!(!traces.contains(name.as_str()), "{} knows {name}", node.name());
            ensure!(!traces.contains(&address.to_string()), "{} knows {address}", node.name());
        }
        Ok(Some(()))
    })?;
    println!("replaced {:.1} s after it died", killed.elapsed().as_secs_f64());
    fleet.until_ready(&left, PATIENCE)?;
    println!("three whole copies {:.1} s after it died", killed.elapsed().as_secs_f64());
    for node in &left {
        ensure!(copy(node, "brick*")? == written, "{}: another file", node.name());
    }
    // Not before its engine has heard that the dead one is none.
    fleet.until("the box in its place manages the Swarm", PATIENCE, || {
        let manages = spare.sh("docker info --format '{{.Swarm.ControlAvailable}}'")?;
        Ok((manages == "true").then_some(()))
    })?;

    let again = Instant::now();
    fleet.start(dead.name())?;
    fleet.until("it is another box", PATIENCE, || {
        let now = dead.status()?.identity.context("an identity")?;
        ensure!(now.id != was.id && now.name != was.name && now.address != was.address, "{now:?}");
        Ok(Some(()))
    })?;
    fleet.until_ready(&fleet.all(), PATIENCE)?;
    println!("back as another box {:.1} s after power-on", again.elapsed().as_secs_f64());
    let after = dead.status()?;
    ensure!(after.cluster == before.cluster, "another cluster: {after:?}");
    ensure!(copy(&dead, &format!("set-aside-{}", was.id))? == written, "its copy is set aside");
    ensure!(after.members.iter().all(|m| m.name != was.name), "{:?}", after.members);
    ensure!(dead.sh("sha256sum </srv/cluster/takings")? == written, "it reads what they have");
    fleet.consoles_are_clean()
}

/// The sum of the file in this copy of the volume.
fn copy(node: &Node<'_>, name: &str) -> Result<String> {
    node.sh(&format!("cat /data/bricks/clusterfs/{name}/takings | sha256sum"))
}
