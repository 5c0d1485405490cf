//! A cluster that grows under its users' hands: `just drill growth`.

use crate::PATIENCE;
use crate::writing;
use anyhow::{Result, ensure};
use ashlar_tests::fleet::{Fleet, Node};
use ashlar_tests::site;
use std::time::{Duration, Instant};

/// Moving files takes its time on a machine that has six boxes to play.
const MOVING: Duration = Duration::from_secs(900);

/// A directory as a brick leaves it that was given up, and, but for the file, a check of
/// glusterd that did not get to its end.
const MARK: &str = "\
    cd /data/bricks/clusterfs && mkdir -p brick && echo takings >brick/old && \
    setfattr -n trusted.glusterfs.volume-id -v 0x21668ec97e0749d291c16f5c3f43edf2 brick";

/// Three become six while one of them writes; one of the new ones carries the mark of
/// another brick, with a file, and loses power while files move. All that was
/// acknowledged is there at the end, over two sets.
#[test]
fn three_boxes_become_six_and_no_acknowledged_write_is_lost() -> Result<()> {
    let fleet = Fleet::off("lab-growth", 6, &site::expecting(3, "lab-growth")?)?;
    let all = fleet.all();
    let (first, more) = all.split_at(3);
    first.iter().try_for_each(|node| fleet.start(node.name()))?;
    fleet.until_ready(first, PATIENCE)?;
    let writer = &first[0];
    let before = room(writer)?;
    writer.sh("mkdir /srv/cluster/kept && cd /srv/cluster/kept && for i in $(seq 200); do \
         head -c 50000 /dev/urandom >$i; done && sync -f . && sha256sum * >/run/kept")?;
    writing::begin(writer)?;
    let cut = &more[2];
    fleet.start(cut.name())?;
    fleet.until("a directory is marked", PATIENCE, || cut.sh(MARK).map(Some))?;

    more[..2].iter().try_for_each(|node| fleet.start(node.name()))?;
    let began = Instant::now();
    let moves = fleet.until("files move to a second set", PATIENCE, || {
        let alerts = writer.status()?.alerts;
        Ok(alerts.iter().any(|alert| alert.id == "spreading").then(|| began.elapsed()))
    })?;
    println!("files move {:.1} s after three more boxes were switched on", moves.as_secs_f64());
    fleet.kill(cut.name())?;
    fleet.until("the loss is seen", PATIENCE, || {
        let alerts = writer.status()?.alerts;
        Ok(alerts.iter().any(|alert| alert.id == "copy-offline").then_some(()))
    })?;
    ensure!(noted(writer)?.is_empty(), "files are called spread while a box is off");
    fleet.start(cut.name())?;
    fleet.until("all files are spread", MOVING, || {
        Ok(noted(writer)?.starts_with("2:").then_some(()))
    })?;
    println!("two sets {:.1} s after that", (began.elapsed() - moves).as_secs_f64());
    writing::nothing_is_lost(writer, std::slice::from_ref(writer))?;
    fleet.until_ready(&all, PATIENCE)?;
    fleet.until("nothing is left to say", PATIENCE, || {
        // Its partitions are directories of this host's disk, of which others have a part.
        let alerts = writer.status()?.alerts;
        Ok(alerts.iter().all(|alert| alert.id == "disk-filling").then_some(()))
    })?;

    writer.sh("cd /srv/cluster/kept && sha256sum --quiet --check /run/kept")?;
    ensure!(room(writer)? > before + before / 2, "there is no more room than before");
    for node in more {
        let files = node.sh("find /data/bricks/clusterfs/brick* -type f -size +0 | wc -l")?;
        ensure!(files.parse::<u64>()? > 0, "{} holds no file", node.name());
    }
    let aside = cut.sh("cat /data/bricks/clusterfs/set-aside-*/old")?;
    ensure!(aside == "takings", "what lay in the marked directory: {aside}");
    fleet.consoles_are_clean()
}

/// The size of the cluster's volume, in kilobytes.
fn room(node: &Node<'_>) -> Result<u64> {
    Ok(node.sh("df --output=size /srv/cluster | tail -n 1")?.trim().parse()?)
}

/// What the volume notes of where its files are; nothing if there is no such note.
fn noted(node: &Node<'_>) -> Result<String> {
    node.sh("gluster --mode=script volume info clusterfs | sed -n 's/^user.ashlar-spread: //p'")
}
