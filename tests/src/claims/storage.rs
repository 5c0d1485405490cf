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
