//! A box that a person takes out: `just drill node-remove`.

use crate::PATIENCE;
use anyhow::{Context, Result, ensure};
use ashlar_tests::fleet::{Fleet, Node};
use ashlar_tests::{claims, site, workload};
use std::time::{Duration, Instant};

/// The leader of four, which holds a copy and runs tasks, is taken out, kept, taken
/// out again, switched off and on, and let in; then the cluster shrinks to two, with a cut
/// of power in the middle.
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

    managers_first(&mut left);
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

    // Four, three, two; the last one loses power on its way out.
    let shrunk = Instant::now();
    for (gone, cut) in [(taken, false), (left[2], true)] {
        let name = gone.status()?.identity.context("an identity")?.name;
        // Not while the one before is on its way.
        fleet.until("it may be asked for", PATIENCE, || {
            Ok(desk.try_sh(&format!("ashlarctl node remove {name} --yes"))?.success().then_some(()))
        })?;
        if cut {
            ensure!(out(&gone)?.is_none(), "it went before its power could be cut");
            fleet.kill(gone.name())?;
            fleet.start(gone.name())?;
        }
        fleet.until("it is out", PATIENCE, || out(&gone))?;
    }
    fleet.until_ready(&left[..2], PATIENCE)?;
    println!("two of four left after {:.1} s", shrunk.elapsed().as_secs_f64());
    for node in &left[..2] {
        ensure!(copy(node, "brick*")? == written, "{}: another file", node.name());
    }
    fleet.consoles_are_clean()
}

/// One of four that holds a copy is struck off while its agent is stopped, so that it
/// hears nothing: its storage and its engine run on, and get nothing from the others. The
/// ring's key, which it knows, is replaced, and it is not given the new one.
#[test]
fn a_stolen_box_that_hears_nothing_is_shut_out_though_it_runs() -> Result<()> {
    let site = site::expecting(4, "lab-revoke")?;
    let fleet = Fleet::off("lab-revoke", 4, &site)?;
    let all = fleet.all();
    all.iter().try_for_each(|node| fleet.start(node.name()))?;
    fleet.until_ready(&all, PATIENCE)?;
    let (mut stolen, mut left) = (None, Vec::new());
    for node in all {
        let status = node.status()?;
        let address = status.identity.context("an identity")?.address;
        let leads = status.swarm.is_some_and(|swarm| swarm.leader);
        let holds = node.sh("gluster volume info clusterfs")?.contains(&format!("{address}:"));
        if stolen.is_none() && holds && !leads {
            stolen = Some(node);
        } else {
            left.push(node);
        }
    }
    let stolen = stolen.context("a box with a copy that does not lead")?;
    managers_first(&mut left);
    let was = stolen.status()?.identity.context("an identity")?;
    let (name, desk) = (&was.name, left[0]);
    stolen.sh("echo before >/srv/cluster/till")?;
    let mount = format!(
        "mkdir -p /run/thief && timeout 40 mount -t glusterfs {}:/clusterfs /run/thief",
        desk.address()?
    );
    stolen.sh(&format!("{mount} && umount /run/thief"))?;
    stolen.sh("systemctl stop ashlar-agent")?;

    ensure!(!desk.try_sh(&format!("ashlarctl node revoke {name}"))?.success(), "nobody typed it");
    let asked = Instant::now();
    println!("{}", desk.sh(&format!("ashlarctl node revoke {name} --yes"))?);
    fleet.until("every other box serves it no more", Duration::from_secs(20), || {
        let listed = |node: &Node<'_>| node.sh("cat /var/lib/ashlar/struck-off.json");
        let know = left.iter().filter(|node| listed(node).is_ok_and(|l| l.contains(&was.id.0)));
        Ok((know.count() == left.len()).then_some(()))
    })?;
    println!("all know of it {:.1} s after it was asked for", asked.elapsed().as_secs_f64());
    fleet.until("nothing is left of it", PATIENCE, || {
        let listed = "gluster --mode=script peer status; \
                      gluster --mode=script volume info clusterfs | grep -v ssl-allow; \
                      docker node ls --format '{{.Hostname}}' 2>/dev/null || true";
        for node in &left {
            let listed = node.sh(listed)?;
            let traces = [name.clone(), was.address.to_string()];
            if let Some(trace) = traces.iter().find(|trace| listed.contains(*trace)) {
                anyhow::bail!("{} lists {trace}", node.name());
            }
        }
        Ok(Some(()))
    })?;
    println!("no trace of it {:.1} s after it was asked for", asked.elapsed().as_secs_f64());
    let write = stolen.try_sh("timeout 20 sh -c 'echo after >/srv/cluster/till'")?;
    ensure!(!write.success(), "it writes to the volume");
    ensure!(!stolen.try_sh(&mount)?.success(), "it mounts the volume anew");
    fleet.until_ready(&left, PATIENCE)?;
    ensure!(desk.sh("cat /srv/cluster/till")? == "before", "another file");

    desk.sh("ashlarctl ring rotate --yes --timeout 170")?;
    for node in &left {
        claims::an_outsider_is_refused(node, &left, &site.ring_key)?;
    }

    // Was it a mistake, the box hears of it, and does nothing until it is let in.
    stolen.sh("systemctl start ashlar-agent")?;
    fleet.until("it is out", PATIENCE, || out(&stolen))?;
    fleet.consoles_are_clean()
}

/// Puts those that manage the Swarm first: the others have no say over the rest.
fn managers_first(nodes: &mut [Node<'_>]) {
    nodes.sort_by_cached_key(|node| {
        let manages = node.status().ok().and_then(|status| status.swarm).is_some_and(|s| s.manager);
        !manages
    });
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
