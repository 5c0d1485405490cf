//! A box that a person takes out: `just drill node-remove`.

use anyhow::{Context, Result, ensure};
use ashlar_tests::fleet::{Fleet, Node};
use ashlar_tests::{site, workload};
use std::time::{Duration, Instant};

/// As in the lab tier.
const PATIENCE: Duration = Duration::from_secs(240);

/// The leader of four, which holds a copy and runs tasks, is taken out, kept, taken
/// out again, switched off and on, and let in; then the cluster shrinks to two.
#[test]
fn a_box_that_is_taken_out_is_emptied_stays_out_and_is_let_in_again() -> Result<()> {
    let fleet = Fleet::off("lab-remove", 4, &site::expecting(4, "lab-remove")?)?;
    let all = fleet.all();
    all.iter().try_for_each(|node| fleet.start(node.name()))?;
    fleet.until_ready(&all, PATIENCE)?;
    let leads =
        |node: &Node<'_>| Ok::<_, anyhow::Error>(node.status()?.swarm.is_some_and(|s| s.leader));
    let (mut taken, mut left) = (None, Vec::new());
    for node in all {
        if taken.is_none() && leads(&node)? { taken = Some(node) } else { left.push(node) }
    }
    let taken = taken.context("a leader")?;
    let was = taken.status()?.identity.context("an identity")?;
    workload::load(&fleet)?;
    let image = workload::IMAGE;
    taken.sh(&format!("docker service create -d --replicas 4 --name tills {image}"))?;
    let running = "docker service ps tills -f desired-state=running --format '{{.CurrentState}}' \
                   | grep -c ^Running";
    fleet.until("the tasks run", PATIENCE, || Ok((taken.sh(running)? == "4").then_some(())))?;
    let written = taken.sh(
        "head -c 3000000 /dev/urandom >/srv/cluster/takings && sync -f /srv/cluster/takings && \
         sha256sum </srv/cluster/takings",
    )?;

    // Asked on a box that does not lead.
    let desk = left[0];
    let (name, remove) = (&was.name, format!("ashlarctl node remove {}", was.name));
    let shown = desk.sh(&format!("{remove} --dry-run"))?;
    println!("{shown}");
    ensure!(shown.contains("moves to") && shown.contains("3 boxes, 3 copies"), "{shown}");
    ensure!(!desk.try_sh(&remove)?.success(), "nobody confirmed it");
    ensure!(!desk.try_sh("ashlarctl node remove nobody --yes")?.success(), "there is no such box");

    desk.sh(&format!("{remove} --yes"))?;
    desk.sh(&format!("ashlarctl node keep {name}"))?;
    fleet.until("it is kept, and gets tasks", PATIENCE, || {
        let manages = "docker info --format '{{.Swarm.ControlAvailable}}'";
        let mut drained = 0;
        for node in &left {
            if node.sh(manages)? == "true" {
                let list = node.sh("docker node ls --format '{{.Availability}}'")?;
                drained += list.matches("Drain").count();
                return Ok((drained == 0 && list.lines().count() == 4).then_some(()));
            }
        }
        Ok(None)
    })?;
    fleet.until_ready(&fleet.all(), PATIENCE)?;

    let asked = Instant::now();
    desk.sh(&format!("{remove} --yes"))?;
    fleet.until("it is out", PATIENCE, || out(&taken))?;
    println!("out {:.1} s after it was asked for", asked.elapsed().as_secs_f64());
    fleet.until_ready(&left, PATIENCE)?;
    fleet.until("nothing is left of it", PATIENCE, || {
        no_trace(&left, name, &was.address.to_string())
    })?;
    println!("no trace of it {:.1} s after it was asked for", asked.elapsed().as_secs_f64());
    for node in &left {
        ensure!(copy(node, "brick*")? == written, "{}: another file", node.name());
    }
    let aside = format!("set-aside-{}", was.id);
    ensure!(copy(&taken, &aside)? == written, "its copy is set aside");
    fleet.until("its tasks run elsewhere", PATIENCE, || {
        let mut managers = left.iter().filter_map(|node| node.sh(running).ok());
        Ok(managers.next().is_some_and(|n| n == "4").then_some(()))
    })?;

    fleet.kill(taken.name())?;
    fleet.start(taken.name())?;
    fleet.until("it is still out after a reboot", PATIENCE, || out(&taken))?;
    ensure!(no_trace(&left, name, &was.address.to_string())?.is_some(), "it came back by itself");

    taken.sh("ashlarctl node rejoin")?;
    fleet.until_ready(&fleet.all(), PATIENCE)?;
    let now = taken.status()?.identity.context("an identity")?;
    ensure!(now.id != was.id && now.name != was.name, "{now:?}");
    ensure!(taken.sh("sha256sum </srv/cluster/takings")? == written, "it reads what they have");

    // Four, three, two.
    let shrunk = Instant::now();
    for gone in [taken, left[2]] {
        let name = gone.status()?.identity.context("an identity")?.name;
        // Not while the one before is on its way.
        fleet.until("it may be asked for", PATIENCE, || {
            Ok(desk.try_sh(&format!("ashlarctl node remove {name} --yes"))?.success().then_some(()))
        })?;
        fleet.until("it is out", PATIENCE, || out(&gone))?;
    }
    fleet.until_ready(&left[..2], PATIENCE)?;
    println!("two of four left after {:.1} s", shrunk.elapsed().as_secs_f64());
    for node in &left[..2] {
        ensure!(copy(node, "brick*")? == written, "{}: another file", node.name());
    }
    fleet.consoles_are_clean()
}

/// Whether it says that it is out.
fn out(node: &Node<'_>) -> Result<Option<()>> {
    let status = node.status()?;
    let says = status.alerts.iter().any(|alert| alert.id == "taken-out");
    Ok((says && status.identity.is_none()).then_some(()))
}

/// Nobody lists it any more.
fn no_trace(left: &[Node<'_>], name: &str, address: &str) -> Result<Option<()>> {
    let trace = "gluster --mode=script peer status; \
                 gluster --mode=script volume info clusterfs; ashlarctl members; \
                 docker node ls --format '{{.Hostname}}' 2>/dev/null || true";
    for node in left {
        let traces = node.sh(trace)?;
        ensure!(!traces.contains(name), "{} knows {name}", node.name());
        ensure!(!traces.contains(address), "{} knows {address}", node.name());
    }
    Ok(Some(()))
}

/// The sum of the file in this copy of the volume.
fn copy(node: &Node<'_>, name: &str) -> Result<String> {
    node.sh(&format!("cat /data/bricks/clusterfs/{name}/takings | sha256sum"))
}
