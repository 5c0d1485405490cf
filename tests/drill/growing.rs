//! A cluster that grows under its users' hands: `just drill growth`.

use anyhow::{Context, Result, ensure};
use ashlar_tests::fleet::{Fleet, Node};
use ashlar_tests::site;
use std::time::{Duration, Instant};

/// As in the lab tier.
const PATIENCE: Duration = Duration::from_secs(240);

/// Moving files takes its time on a machine that has six boxes to play.
const MOVING: Duration = Duration::from_secs(900);

/// Writes one small file after the other, and a line of each to a file that stays
/// open: the number is noted once both are on the disks of the cluster.
const WRITER: &str = r#"
mkdir -p /srv/cluster/tills && touch /run/writes && cat >/run/writer <<'END'
i=0; exec 7>>/srv/cluster/tills/all
while [ -e /run/writes ]; do
  i=$((i+1))
  echo $i >&7 && printf %s $i >/srv/cluster/tills/$i && sync /srv/cluster/tills/$i && echo $i >/run/acked
done
END
systemd-run --quiet --unit=writer sh /run/writer"#;

/// Counts what was acknowledged and is not there, or is there otherwise.
const VERIFY: &str = r#"
rm /run/writes; while systemctl is-active --quiet writer; do sleep 0.2; done
n=$(cat /run/acked); bad=0
for i in $(seq $n); do [ "$(cat /srv/cluster/tills/$i)" = $i ] || bad=$((bad+1)); done
seq $n >/run/expected
head -n $n /srv/cluster/tills/all | cmp -s - /run/expected || bad=$((bad+1))
echo $n $bad"#;

/// Three become six while one of them writes; one of the new ones loses power while
/// files move. All that was acknowledged is there at the end, over two sets.
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
    writer.sh(WRITER)?;

    more.iter().try_for_each(|node| fleet.start(node.name()))?;
    let began = Instant::now();
    let moves = fleet.until("files move to a second set", PATIENCE, || {
        let alerts = writer.status()?.alerts;
        Ok(alerts.iter().any(|alert| alert.id == "spreading").then(|| began.elapsed()))
    })?;
    println!("files move {:.1} s after three more boxes were switched on", moves.as_secs_f64());
    let cut = &more[2];
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
    fleet.until_ready(&all, PATIENCE)?;
    fleet.until("nothing is left to say", PATIENCE, || {
        Ok(writer.status()?.alerts.is_empty().then_some(()))
    })?;

    let counted = writer.sh(VERIFY)?;
    let (written, bad) = counted.split_once(' ').context("two numbers")?;
    println!("{written} acknowledged writes, {bad} of them lost");
    ensure!(bad == "0" && written.parse::<u64>()? > 0, "{counted}");
    writer.sh("cd /srv/cluster/kept && sha256sum --quiet --check /run/kept")?;
    ensure!(room(writer)? > before + before / 2, "there is no more room than before");
    for node in more {
        let files = node.sh("find /data/bricks/clusterfs/brick -type f -size +0 | wc -l")?;
        ensure!(files.parse::<u64>()? > 0, "{} holds no file", node.name());
    }
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
