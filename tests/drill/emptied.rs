//! A box whose data partition is lost: `just drill emptied`.

use crate::PATIENCE;
use crate::writing;
use anyhow::{Result, ensure};
use ashlar_machine::Backend;
use ashlar_tests::fleet::{Fleet, Node};
use ashlar_tests::site;
use std::time::Instant;

/// Of giving an emptied brick back, those at which power may fail, each as what shell waits
/// for without a pause: glusterd is asked to let the brick go, it is asked to take the empty
/// one, it has marked the directory and told nobody, it has told the others.
const MOMENTS: [&str; 4] = [
    "pgrep -f '[r]eset-brick.* start'",
    "pgrep -f '[r]eset-brick.* commit force'",
    "test -e /data/bricks/clusterfs/brick/.glusterfs",
    "test -e /data/bricks/clusterfs/brick/.glusterfs/indices",
];

/// The box is switched on, and stands still at this moment, until its power is cut.
fn lost_at(fleet: &Fleet, lost: &Node<'_>, moment: &str) -> Result<()> {
    fleet.start(lost.name())?;
    lost.sh(&format!(
        "systemd-run --quiet --unit=moment bash -c \"until {moment} >/dev/null; do :; done; \
         pkill -STOP 'gluster|ashlar-agent'; touch /run/moment\""
    ))?;
    fleet
        .until(moment, PATIENCE, || Ok(lost.try_sh("test -e /run/moment")?.success().then_some(())))
}

/// One of three comes back with an empty data partition while another one writes, and loses
/// power while its brick is given back. It has its copy, its containers and its place in the
/// Swarm again, and nobody typed a thing.
#[test]
fn a_box_that_lost_its_data_partition_is_given_its_copy_back() -> Result<()> {
    let fleet = Fleet::on(Backend::Lab, "lab-emptied", 3, &site::expecting(3, "lab-emptied")?)?;
    let all = fleet.all();
    fleet.until_ready(&all, PATIENCE)?;
    let (writer, lost) = (&all[0], &all[2]);
    writer.sh("mkdir /srv/cluster/kept && cd /srv/cluster/kept && for i in $(seq 100); do \
         head -c 50000 /dev/urandom >$i; done && sync -f . && sha256sum * >/run/kept")?;
    writing::begin(writer)?;

    // What runs would write there while it is removed.
    lost.sh("systemctl stop ashlar-agent docker.socket docker containerd glusterd; \
         pkill -KILL gluster; rm -rf /data/* && ! ls /data/bricks")?;
    for moment in MOMENTS {
        fleet.kill(lost.name())?;
        lost_at(&fleet, lost, moment)?;
    }
    fleet.kill(lost.name())?;
    fleet.start(lost.name())?;
    let began = Instant::now();
    writing::until_ready(&fleet, &all)?;
    println!("three work {:.1} s after it was switched on", began.elapsed().as_secs_f64());
    writing::nothing_is_lost(writer, &all)?;
    fleet.until_ready(&all, PATIENCE)?;

    // Of what it holds itself, not of what the volume shows.
    let files = "find /data/bricks/clusterfs/brick/kept -type f -size +48k | wc -l";
    fleet.until("its own copy is whole", PATIENCE, || {
        Ok((lost.sh(files)? == "100").then_some(()))
    })?;
    let sums = writer.sh("cat /run/kept")?;
    for kept in ["/srv/cluster/kept", "/data/bricks/clusterfs/brick/kept"] {
        let check = format!("cd {kept} && sha256sum --quiet --check -");
        lost.sh_with(&check, sums.as_bytes())?;
    }
    let managers = writer.sh("docker node ls --format '{{.Status}} {{.ManagerStatus}}'")?;
    let up = managers.lines().filter(|line| line.starts_with("Ready") && line.len() > 6).count();
    ensure!(up == 3 && managers.lines().count() == 3, "{managers}");
    fleet.consoles_are_clean()
}
