//! Two clusters of one site that meet: `just drill meet`.

use crate::PATIENCE;
use crate::writing;
use anyhow::{Context, Result, ensure};
use ashlar_tests::command::unwrapped;
use ashlar_tests::fleet::{Fleet, Node, always};
use ashlar_tests::{site, workload};
use std::time::Instant;

/// For how many seconds two clusters that both hold data are looked at: longer than one
/// takes to dissolve that holds none.
const STAND: f64 = 60.0;

/// Whoever holds data goes on, though its id comes last; nobody types anything; and who
/// writes there while it happens loses nothing.
#[test]
fn of_two_clusters_that_meet_the_one_without_data_becomes_part_of_the_other() -> Result<()> {
    let fleet = apart("lab-meet")?;
    let (empty, kept) = ordered(&fleet)?;
    let (was, cluster) = (empty.status()?.identity, cluster(&kept)?);
    writing::begin(&kept)?;

    fleet.cluster().restore("node1")?;
    let met = Instant::now();
    fleet.until("both say so, and are not ready", PATIENCE, || both_say_so(&fleet))?;
    println!("both say so {:.1} s after they met", met.elapsed().as_secs_f64());
    fleet.until("they are one cluster", PATIENCE, || are_one(&fleet, &cluster))?;
    println!("one cluster of two {:.1} s after they met", met.elapsed().as_secs_f64());
    ensure!(empty.status()?.identity != was, "it joined as a new box");
    writing::nothing_is_lost(&kept, &fleet.all())?;
    fleet.until_ready(&fleet.all(), PATIENCE)?;
    fleet.consoles_are_clean()
}

/// Both hold files, a stack and a secret: both go on as they are and say what settles it.
/// That is done as they say; what the one that ends had in files is where it was said.
#[test]
fn of_two_clusters_with_data_neither_changes_until_a_person_says_which_goes_on() -> Result<()> {
    let fleet = apart("lab-merge")?;
    // The one that nobody would choose by its id.
    let (stays, ends) = ordered(&fleet)?;
    let (into, from) = (cluster(&stays)?, cluster(&ends)?);
    workload::load(&fleet)?;
    for node in [&stays, &ends] {
        leave_something(node)?;
        fleet.until("the stack runs", PATIENCE, || works(node).map(Some))?;
    }
    let summed = ends.sh("sha256sum </srv/cluster/takings")?;
    let was = ends.status()?.identity.context("an identity")?;
    writing::begin(&stays)?;

    fleet.cluster().restore("node1")?;
    fleet.until("both say so, and are not ready", PATIENCE, || both_say_so(&fleet))?;
    let since = uptime(&ends)?;
    fleet.until("neither has changed for a while", PATIENCE, || {
        always(cluster(&stays)? == into && cluster(&ends)? == from, "one of them changed")?;
        Ok((uptime(&ends)? > since + STAND).then_some(()))
    })?;
    for (node, own, other) in [(&stays, &into, &from), (&ends, &from, &into)] {
        let merge = format!("ashlarctl cluster merge --into {other}");
        let status = node.status()?;
        let alert = status.alerts.iter().find(|alert| alert.id == "another-cluster");
        let alert = alert.context("an alert")?;
        ensure!(alert.words.contains("both hold data"), "{alert:?}");
        ensure!(alert.cure.contains(&merge) && alert.cure.contains(own.as_str()), "{alert:?}");
        for shown in ["ashlarctl status", "ashlar-console --once"] {
            // 3 is "not ready".
            let said = node.try_sh(shown)?;
            let text = unwrapped(&said.text());
            ensure!(said.code == 3 && text.contains(&merge), "{}: {}", node.name(), said.text());
        }
        works(node)?;
    }

    let merge = format!("ashlarctl cluster merge --into {into}");
    let shown = ends.sh(&format!("{merge} --dry-run"))?;
    println!("{shown}");
    let aside = format!("/data/bricks/clusterfs/set-aside-{}", was.id);
    for word in [aside.as_str(), "service till_till", "secret till_key"] {
        ensure!(shown.contains(word), "{word} is not in it");
    }
    ensure!(!ends.try_sh(&merge)?.success(), "nobody typed the site's name");
    ensure!(!ends.try_sh(&format!("{merge} --name another"))?.success(), "another site's name");
    works(&ends)?;
    println!("{}", ends.sh(&format!("{merge} --name lab-merge"))?);
    let asked = Instant::now();
    fleet.until("they are one cluster", PATIENCE, || are_one(&fleet, &into))?;
    println!("one cluster of two {:.1} s after it was asked for", asked.elapsed().as_secs_f64());

    ensure!(ends.sh(&format!("sha256sum <{aside}/takings"))? == summed, "what is set aside");
    ensure!(ends.sh("cat /srv/cluster/whose")? == stays.hostname()?, "the other one's files");
    works(&stays)?;
    writing::nothing_is_lost(&stays, &fleet.all())?;
    // The copy that began anew heals file by file: thousands of them.
    fleet.until_ready(&fleet.all(), PATIENCE * 3)?;
    fleet.consoles_are_clean()
}

/// Two boxes of a site, each of which founded a cluster of its own.
fn apart(name: &str) -> Result<Fleet> {
    let fleet = Fleet::off(name, 2, &site::fresh(name)?)?;
    fleet.start("node1")?;
    fleet.cluster().part("node1")?;
    fleet.start("node2")?;
    for node in fleet.nodes() {
        fleet.until_ready(&[node], PATIENCE)?;
    }
    Ok(fleet)
}

/// The two, in the order of their clusters' ids.
fn ordered(fleet: &Fleet) -> Result<(Node<'_>, Node<'_>)> {
    let (one, two) = (fleet.node(1), fleet.node(2));
    let (first, second) = (cluster(&one)?, cluster(&two)?);
    ensure!(first != second, "they are one cluster");
    Ok(if first < second { (one, two) } else { (two, one) })
}

fn cluster(node: &Node<'_>) -> Result<String> {
    Ok(node.status()?.cluster.context("no cluster")?.to_string())
}

fn uptime(node: &Node<'_>) -> Result<f64> {
    Ok(node.sh("cut -d' ' -f1 /proc/uptime")?.parse()?)
}

/// Whether both have the alert, and neither calls itself ready.
fn both_say_so(fleet: &Fleet) -> Result<Option<()>> {
    for node in fleet.nodes() {
        let status = node.status()?;
        let says = status.alerts.iter().any(|alert| alert.id == "another-cluster");
        if status.ready || !says {
            return Ok(None);
        }
    }
    Ok(Some(()))
}

/// Whether both are ready in this cluster. What is written is healed later: as long as
/// somebody writes there is always something.
fn are_one(fleet: &Fleet, cluster: &str) -> Result<Option<()>> {
    for node in fleet.nodes() {
        let status = node.status()?;
        if !status.ready || self::cluster(&node)? != cluster {
            return Ok(None);
        }
    }
    Ok(Some(()))
}

/// Files, a stack and a secret.
fn leave_something(node: &Node<'_>) -> Result<()> {
    let image = workload::IMAGE;
    let left = node.sh(&format!(
        "cd /srv/cluster && hostname >whose && head -c 3000000 /dev/urandom >takings && sync -f . \
         && cd /run && hostname >key && cat >till.yaml <<END\n\
         services: {{till: {{image: '{image}', secrets: [key]}}}}\n\
         secrets: {{key: {{file: ./key}}}}\n\
         END\n\
         docker stack deploy --resolve-image never --compose-file till.yaml till"
    ));
    left.map(drop)
}

/// What it left is there, and the stack runs.
fn works(node: &Node<'_>) -> Result<()> {
    node.sh("[ $(cat /srv/cluster/whose) = $(hostname) ] && docker secret inspect till_key")?;
    let tasks = "docker service ls --filter name=till_till --format '{{.Replicas}}'";
    let tasks = node.sh(tasks)?;
    ensure!(tasks == "1/1", "{}: {tasks} tasks", node.name());
    Ok(())
}
