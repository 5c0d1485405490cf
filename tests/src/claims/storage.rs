//! Files written anywhere are everywhere, three times, and encrypted on the way.

use crate::fleet::Fleet;
use anyhow::{Result, ensure};
use std::time::Duration;

/// A file written on each node is read, the same, on all the others.
///
/// # Errors
/// When it is not.
pub fn a_file_is_read_on_every_node(fleet: &Fleet) -> Result<()> {
    for writer in fleet.nodes() {
        let file = format!("/srv/cluster/written-on-{}", writer.name());
        let written = writer.sh(&format!(
            "head -c 100000 /dev/urandom >{file} && sync {file} && sha256sum <{file}"
        ))?;
        for reader in fleet.nodes() {
            let what = format!("{} reading what {} wrote", reader.name(), writer.name());
            fleet.until(&what, Duration::from_secs(60), || {
                let read = reader.sh(&format!("sha256sum <{file}"))?;
                ensure!(read == written, "{read} instead of {written}");
                Ok(Some(()))
            })?;
        }
        writer.sh(&format!("rm {file}"))?;
    }
    Ok(())
}

/// Files that a node has read and another one then wrote over are read as that
/// one wrote them, also when the storage client's thread that would tell the
/// kernel so gets no processor.
///
/// # Errors
/// With what it read instead.
pub fn what_another_box_wrote_over_files_is_read(fleet: &Fleet) -> Result<()> {
    let (writer, reader) = (fleet.node(1), fleet.node(2));
    let write = "cd /srv/cluster && for n in 1 2 3 4 5 6 7 8; do \
                 head -c 1000000 /dev/urandom >over-$n; done && sync over-* && sha256sum over-*";
    let before = writer.sh(write)?;
    fleet.until("files to write over", Duration::from_secs(60), || {
        Ok((reader.sh("cd /srv/cluster && sha256sum over-*")? == before).then_some(()))
    })?;
    let schedule = |policy: &str| {
        reader.sh(&format!(
            "for name in $(grep -lx glfs_fusenoti /proc/[0-9]*/task/*/comm); do \
             chrt {policy} --pid 0 $(basename $(dirname $name)) || exit 1; done"
        ))
    };
    schedule("--idle")?;
    let written = writer.sh(write)?;
    // The kernel and the client remember the times of a file for a second each.
    let read = reader
        .sh("cd /srv/cluster && sleep 3; trap 'kill $busy' EXIT; for n in $(seq $(nproc)); do \
         sh -c 'while :; do :; done' >/dev/null 2>&1 & busy=\"$busy $!\"; done; sha256sum over-*");
    schedule("--other")?;
    let read = read?;
    ensure!(read == written, "{read}\ninstead of\n{written}\nand before\n{before}");
    writer.sh("rm /srv/cluster/over-*").map(drop)
}

/// GlusterFS says of the volume: three copies, TLS on management and data.
///
/// # Errors
/// With its words when it says something else.
pub fn the_volume_has_three_copies_and_tls(fleet: &Fleet) -> Result<()> {
    for node in fleet.nodes() {
        let info = node.sh("gluster volume info clusterfs")?;
        for line in ["Status: Started", "1 x 3 = 3", "client.ssl: on", "server.ssl: on"] {
            ensure!(info.contains(line), "{}: no `{line}` in:\n{info}", node.name());
        }
        // The switch for the management plane is a file that glusterd looks for.
        node.sh("test -e /var/lib/glusterd/secure-access")?;
    }
    let bricks = fleet.node(1).sh("gluster volume status clusterfs")?;
    let online = bricks.lines().filter(|line| line.split_whitespace().rev().nth(1) == Some("Y"));
    ensure!(online.count() >= 3, "not every brick is online:\n{bricks}");
    Ok(())
}
