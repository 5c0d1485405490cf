//! Somebody who writes into the volume while something else happens.

use crate::PATIENCE;
use anyhow::{Context, Result, ensure};
use ashlar_tests::fleet::{Fleet, Node};
use std::time::Instant;

/// Writes one small file after the other, and a line of each to a file that stays open:
/// the number is noted once both are on the disks of the cluster. A write that is refused
/// is counted and tried again, so that every number up to the one noted was acknowledged.
const BEGIN: &str = r#"
mkdir -p /srv/cluster/tills && touch /run/writes && echo 0 >/run/refused && cat >/run/writer <<'END'
i=1; refused=0; exec 7>>/srv/cluster/tills/all
while [ -e /run/writes ]; do
  if echo $i >&7 && printf %s $i >/srv/cluster/tills/$i &&
      sync /srv/cluster/tills/$i /srv/cluster/tills/all; then
    echo $i >/run/acked; i=$((i+1))
  else
    refused=$((refused+1)); echo $refused >/run/refused; sleep 0.2
  fi
done
END
systemd-run --quiet --unit=writer sh /run/writer"#;

/// How many writes were acknowledged and how many refused, once it has ended.
const END: &str = "\
    rm /run/writes; while systemctl is-active --quiet writer; do sleep 0.2; done; \
    cat /run/acked /run/refused";

/// Counts what was acknowledged and is not there, or is there otherwise: files that do not
/// hold their own name and nothing else, and lines that are not in the file of all. Each
/// file that is opened costs an answer of every box, so several are read at a time, by so
/// many that what one reader prints goes through the pipe in one piece.
const VERIFY: &str = r#"
cd /srv/cluster/tills || exit 1
files=$(seq $n | xargs -P 8 -n 100 grep -H '' 2>/run/unread | awk -F: '
  { lines[$1]++ }
  NF == 2 && $1 == $2 { right[$1] }
  END { for (name in right) if (lines[name] == 1) whole++; print whole + 0 }')
lines=$(awk -v n=$n '
  $0 ~ /^[0-9]+$/ && $0 >= 1 && $0 <= n { there[$0] }
  END { for (number in there) found++; print found + 0 }' all)
head -n 3 /run/unread >&2
echo $((n-files)) $((n-lines))"#;

/// A writer begins on this box.
pub(crate) fn begin(node: &Node<'_>) -> Result<()> {
    node.sh(BEGIN).map(drop)
}

/// Waits until these are ready while the writer goes on: as long as somebody writes, there
/// may always be something to heal.
pub(crate) fn until_ready(fleet: &Fleet, nodes: &[Node<'_>]) -> Result<()> {
    fleet.until("all are ready", PATIENCE, || {
        for node in nodes {
            if !node.status()?.ready {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })
}

/// The writer ends, and each of these boxes reads all that was acknowledged.
pub(crate) fn nothing_is_lost(writer: &Node<'_>, readers: &[Node<'_>]) -> Result<()> {
    let ended = writer.sh(END)?;
    let (written, refused) = ended.split_once('\n').context("how much it wrote")?;
    let written: u64 = written.parse().context("how much it wrote")?;
    println!("{written} writes were acknowledged, {refused} refused and tried again");
    ensure!(written > 0, "nothing was written");
    for node in readers {
        let began = Instant::now();
        let done = node.try_sh(&format!("n={written}{VERIFY}"))?;
        let (missing, name) = (done.text(), node.name());
        let took = began.elapsed().as_secs_f64();
        println!("{name} reads them in {took:.1} s; files and lines lost: {}", missing.trim());
        ensure!(
            done.success() && missing.trim() == "0 0",
            "{name}: of {written} files and lines are lost: {missing}{}",
            done.error_text()
        );
    }
    Ok(())
}
