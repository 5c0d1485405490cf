//! A box whose data partition broke: `just drill broken-data`. What the box's own program
//! makes of broken file systems is shown with loop devices (`just test disk`); here it is
//! what the cluster makes of a box after that.

use crate::PATIENCE;
use crate::writing;
use anyhow::{Result, ensure};
use ashlar_machine::Backend;
use ashlar_tests::fleet::{Fleet, Node};
use ashlar_tests::site;
use std::time::{Duration, Instant};

/// For emulated machines.
const LONG: Duration = Duration::from_secs(1800);

const BRICK: &str = "/data/bricks/clusterfs/brick";

/// So many files, and their sums in `/run/kept` of this node.
fn keep(node: &Node<'_>, files: u32) -> Result<()> {
    node.sh(&format!(
        "mkdir /srv/cluster/kept && cd /srv/cluster/kept && for i in $(seq {files}); do \
         head -c 50000 /dev/urandom >$i; done && sync -f . && sha256sum * >/run/kept"
    ))
    .map(drop)
}

/// The box's own copy has what another one noted, whatever the volume shows.
fn is_whole(fleet: &Fleet, noted: &Node<'_>, own: &Node<'_>, within: Duration) -> Result<()> {
    let wanted = noted.sh("wc -l </run/kept")?;
    let files = format!("find {BRICK}/kept -type f -size +48k 2>/dev/null | wc -l");
    fleet
        .until("its own copy is whole", within, || Ok((own.sh(&files)? == wanted).then_some(())))?;
    let sums = noted.sh("cat /run/kept")?;
    let check = format!("cd {BRICK}/kept && sha256sum --quiet --check -");
    own.sh_with(&check, sums.as_bytes()).map(drop)
}

/// A lab box has no partition of its own: what a repair leaves is made by hand, files that
/// are cut short and names that are gone, of which GlusterFS knows nothing.
#[test]
fn a_copy_that_a_repair_cut_short_is_set_aside_and_filled_by_the_others() -> Result<()> {
    // On data partitions of their own: this host's may be too full for a second brick.
    let site = site::expecting(3, "lab-broken")?;
    let fleet = Fleet::off_with_data("lab-broken", 3, &site, 4)?;
    let all = fleet.all();
    all.iter().try_for_each(|node| fleet.start(node.name()))?;
    fleet.until_ready(&all, PATIENCE)?;
    let (writer, broken) = (&all[0], &all[2]);
    keep(writer, 100)?;
    is_whole(&fleet, writer, broken, PATIENCE)?;
    writing::begin(writer)?;
    broken.sh(&format!(
        "systemctl stop ashlar-agent docker.socket docker containerd glusterd; \
         pkill -KILL gluster; cd {BRICK}/kept && truncate -s 0 $(seq 30) && rm $(seq 31 40) && \
         echo '{{\"version\": 1, \"at\": 1790000000, \"log_dropped\": true, \"torn\": 0}}' \
             >/var/lib/ashlar/data-repaired.json && sync"
    ))?;
    fleet.kill(broken.name())?;
    fleet.start(broken.name())?;
    let began = Instant::now();
    fleet.until("what the repair cost is given back", PATIENCE, || {
        let noted = broken.sh("ls /var/lib/ashlar/data-repaired.json 2>/dev/null || echo none")?;
        Ok((noted == "none").then_some(()))
    })?;
    writing::until_ready(&fleet, &all)?;
    println!("three work {:.1} s after it was switched on", began.elapsed().as_secs_f64());
    writing::nothing_is_lost(writer, &all)?;
    fleet.until_ready(&all, PATIENCE)?;
    is_whole(&fleet, writer, broken, PATIENCE)?;
    // What it was in doubt of is there for whoever misses something.
    let aside = broken.sh("find /data/bricks/clusterfs/set-aside-*/kept -size 0 | wc -l")?;
    ensure!(aside == "30", "{aside} files are set aside as the repair left them");
    fleet.consoles_are_clean()
}

/// What is broken of the partition of a box that runs, just before its power fails: so much
/// that a repair helps, then every superblock.
const GARBLED: &str = "dd if=/dev/urandom of=/dev/ashlar/data bs=512 seek=1 count=7 \
    oflag=direct conv=notrunc";
const GONE: &str = "eval $(xfs_info /data | tr ', ' '\\n\\n' | grep -E '^(agcount|agsize)=') && \
    block=$(stat -f -c %S /data) && for ag in $(seq 0 $((agcount - 1))); do \
    dd if=/dev/zero of=/dev/ashlar/data bs=4096 count=16 oflag=direct conv=notrunc \
        seek=$((ag * agsize * block / 4096)); done";

#[test]
fn a_box_whose_data_partition_broke_repairs_it_or_makes_it_anew_and_is_ready_again() -> Result<()> {
    let fleet = Fleet::on(Backend::Vm, "vm-broken", 3, &site::expecting(3, "vm-broken")?)?;
    let all = fleet.all();
    fleet.until_ready(&all, LONG)?;
    let (noted, broken) = (&all[0], &all[2]);
    // An emulated machine writes one of them in a second or more.
    keep(noted, 20)?;
    for (what, done) in [(GARBLED, "let the other copies fill"), (GONE, "make this node's data")] {
        fleet.until_ready(&all, LONG)?;
        is_whole(&fleet, noted, broken, LONG)?;
        broken.sh(&format!("sync && {what}"))?;
        fleet.kill(broken.name())?;
        fleet.start(broken.name())?;
        let began = Instant::now();
        fleet.until("it gives its files back", LONG, || {
            Ok(broken.sh("ashlarctl history")?.contains(done).then_some(()))
        })?;
        fleet.until_ready(&all, LONG)?;
        println!("{done}: ready {:.0} s after power-on", began.elapsed().as_secs_f64());
        is_whole(&fleet, noted, broken, LONG)?;
        broken.sh("! ls /var/lib/ashlar/data-repaired.json && findmnt --types xfs /data")?;
        let said = broken.sh("journalctl -b -u ashlar-mend-data -o cat")?;
        ensure!(said.contains("data partition: "), "it was not looked at: {said}");
    }
    let managers = noted.sh("docker node ls --format '{{.Status}} {{.ManagerStatus}}'")?;
    let up = managers.lines().filter(|line| line.starts_with("Ready") && line.len() > 6).count();
    ensure!(up == 3 && managers.lines().count() == 3, "{managers}");
    Ok(())
}
