//! Two boxes without a witness, of which the first dies for good: `just drill alone`.

use crate::PATIENCE;
use anyhow::{Result, ensure};
use ashlar_tests::fleet::Fleet;
use ashlar_tests::{site, workload};
use std::time::{Duration, Instant};

/// The second keeps a seat within this: it asks every quarter of a minute.
const KEPT: Duration = Duration::from_secs(90);

/// A person says at the second that the first is gone for good: it goes on with what was
/// acknowledged, and with services, configs and secrets. A fresh box takes the place; the
/// first, which comes back all the same, yields and joins as a new one.
#[test]
fn of_two_boxes_the_second_goes_on_alone_when_a_person_says_so() -> Result<()> {
    let fleet = Fleet::off("lab-alone", 3, &site::expecting(2, "lab-alone")?)?;
    let all = fleet.all();
    let (pair, fresh) = (&all[..2], &all[2]);
    pair.iter().try_for_each(|node| fleet.start(node.name()))?;
    fleet.until_ready(pair, PATIENCE)?;
    let bricks = pair[0].sh("gluster --mode=script volume info clusterfs | grep '^Brick1'")?;
    let at = usize::from(!bricks.contains(&pair[0].address()?));
    let (first, other) = (&pair[at], &pair[1 - at]);
    let (gone, address) = (first.hostname()?, first.address()?);

    for (node, why) in [(first, "goes on by itself"), (other, "is seen")] {
        let refused = node.try_sh("ashlarctl cluster go-on-alone --dry-run 2>&1")?;
        let said = String::from_utf8_lossy(&refused.stdout).into_owned();
        ensure!(!refused.success() && said.contains(why), "{}: {said}", node.name());
    }

    workload::load_on(pair)?;
    workload::begin_tills(first)?;
    workload::until_tills_run(&fleet, &[first, other], PATIENCE)?;
    first.sh(
        "mkdir /srv/cluster/receipts && for i in $(seq 50); do echo $i >/srv/cluster/receipts/$i \
         && sync /srv/cluster/receipts/$i; done",
    )?;
    fleet.until("the second keeps what the Swarm knows", KEPT, || {
        let kept = "test -e /var/lib/ashlar/seat/kept.json && \
                    echo $(( $(date +%s) - $(stat -c %Y /var/lib/ashlar/seat/kept.json) ))";
        Ok((other.sh(kept)?.parse::<u64>()? < 10).then_some(()))
    })?;

    println!("{} dies for good", first.name());
    fleet.kill(first.name())?;
    fleet.until("the second says for whom it waits", PATIENCE, || {
        let status = other.status()?;
        let says = |detail: &str| detail.contains("of two copies the side of the first decides");
        Ok(status.phases.iter().any(|p| says(&p.detail)).then_some(()))
    })?;
    let word = format!("ashlarctl cluster go-on-alone --name {gone}");
    fleet.until("a person's word is taken", PATIENCE, || {
        Ok(other.try_sh(&word)?.success().then_some(()))
    })?;
    let said = Instant::now();
    // Ready is taken back only a while after something is gone.
    fleet.until("it leads alone", PATIENCE, || {
        let status = other.status()?;
        let leads = |detail: &str| detail.starts_with("leader, ");
        Ok(status.phases.iter().any(|p| leads(&p.detail)).then_some(()))
    })?;
    fleet.until_ready(std::slice::from_ref(other), PATIENCE)?;
    println!("ready {:.1} s after the word", said.elapsed().as_secs_f64());
    let receipts = "cd /srv/cluster/receipts && ls | wc -l && cat * | sort -n | tail -n 1";
    ensure!(other.sh(receipts)? == "50\n50", "receipts are missing");
    other.sh("echo alone >/srv/cluster/alone && sync /srv/cluster/alone")?;
    other.sh("docker secret inspect till && docker config inspect shop")?;
    workload::until_tills_run(&fleet, &[other], PATIENCE)?;

    println!("a fresh box takes its place");
    fleet.start(fresh.name())?;
    fleet.until_ready(&[*other, *fresh], PATIENCE)?;
    fleet.until("there are two copies again", PATIENCE, || {
        let info = other.sh("gluster --mode=script volume info clusterfs")?;
        Ok((info.contains(&fresh.address()?) && !info.contains(&address)).then_some(()))
    })?;
    fresh.sh("cat /srv/cluster/alone && docker info | grep -q 'Swarm: active'")?;

    println!("{} comes back all the same", first.name());
    fleet.start(first.name())?;
    fleet.until("it is another box", PATIENCE, || {
        Ok((first.hostname().is_ok_and(|name| name != gone)).then_some(()))
    })?;
    fleet.until_ready(&all, PATIENCE * 2)?;
    let aside = first.sh("ls /data/bricks/clusterfs/set-aside-*/receipts | wc -l")?;
    ensure!(aside == "50", "its old copy is not where it was said: {aside}");
    for node in &all {
        ensure!(node.sh("cat /srv/cluster/alone")? == "alone", "{}", node.name());
        let seat = node.try_sh("test -e /var/lib/ashlar/seat")?;
        ensure!(!seat.success(), "{} keeps a seat that nobody needs", node.name());
    }
    fleet.consoles_are_clean()
}
