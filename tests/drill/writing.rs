//! Somebody who writes into the volume while something else happens.

use anyhow::{Context, Result, ensure};
use ashlar_tests::fleet::Node;

/// Writes one small file after the other, and a line of each to a file that stays
/// open: the number is noted once both are on the disks of the cluster.
const BEGIN: &str = r#"
mkdir -p /srv/cluster/tills && touch /run/writes && cat >/run/writer <<'END'
i=0; exec 7>>/srv/cluster/tills/all
while [ -e /run/writes ]; do
  i=$((i+1))
  echo $i >&7 && printf %s $i >/srv/cluster/tills/$i && sync /srv/cluster/tills/$i && echo $i >/run/acked
done
END
systemd-run --quiet --unit=writer sh /run/writer"#;

/// How many writes were acknowledged, once it has ended.
const END: &str = "\
    rm /run/writes; while systemctl is-active --quiet writer; do sleep 0.2; done; cat /run/acked";

/// Counts what was acknowledged and is not there, or is there otherwise.
const VERIFY: &str = r#"
bad=0
for i in $(seq $n); do [ "$(cat /srv/cluster/tills/$i)" = $i ] || bad=$((bad+1)); done
seq $n >/run/expected
head -n $n /srv/cluster/tills/all | cmp -s - /run/expected || bad=$((bad+1))
echo $bad"#;

/// A writer begins on this box.
pub(crate) fn begin(node: &Node<'_>) -> Result<()> {
    node.sh(BEGIN).map(drop)
}

/// The writer ends, and each of these boxes reads all that was acknowledged.
pub(crate) fn nothing_is_lost(writer: &Node<'_>, readers: &[Node<'_>]) -> Result<()> {
    let written: u64 = writer.sh(END)?.parse().context("how much it wrote")?;
    for node in readers {
        let bad = node.sh(&format!("n={written}{VERIFY}"))?;
        println!("{written} acknowledged writes, {bad} of them lost on {}", node.name());
        ensure!(bad == "0" && written > 0, "{}: {bad} of {written} are lost", node.name());
    }
    Ok(())
}
