//! One box that writes to the cluster while something is done to it.

use anyhow::{Context, Result, ensure};
use ashlar_tests::fleet::Node;

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

/// Begins to write on this node.
pub(crate) fn begin(node: &Node<'_>) -> Result<()> {
    node.sh(WRITER).map(drop)
}

/// Ends it: all that was acknowledged is there.
pub(crate) fn nothing_was_lost(node: &Node<'_>) -> Result<()> {
    let counted = node.sh(VERIFY)?;
    let (written, bad) = counted.split_once(' ').context("two numbers")?;
    println!("{written} acknowledged writes, {bad} of them lost");
    ensure!(bad == "0" && written.parse::<u64>()? > 0, "{counted}");
    Ok(())
}
