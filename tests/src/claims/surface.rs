//! What a node shows to the network.

use crate::fleet::Fleet;
use anyhow::{Result, ensure};

/// Every unit that was started runs, or has ended well.
///
/// # Errors
/// With the failed ones of the first node that has some.
pub fn no_unit_has_failed(fleet: &Fleet) -> Result<()> {
    for node in fleet.nodes() {
        let failed = node.sh("systemctl --failed --no-legend --plain")?;
        ensure!(failed.is_empty(), "{}:\n{failed}", node.name());
    }
    Ok(())
}

/// Programs that may listen on other addresses than loopback, and why.
const LISTENERS: &[(&str, &str)] = &[
    ("ashlar-agent", "the agents' API, the ring, and mDNS to find it"),
    ("glusterd", "storage management"),
    ("glusterfsd", "bricks"),
    ("glusterfs", "self-heal daemon"),
    ("dockerd", "the Swarm"),
    ("systemd-network", "the DHCP client"),
];

/// Only those listen. (The kernel's own sockets, VXLAN for one, name no program.)
///
/// # Errors
/// With the line of `ss` when another does.
pub fn nobody_listens_but_ours(fleet: &Fleet) -> Result<()> {
    for node in fleet.nodes() {
        let sockets = node.sh("ss --no-header --listening --numeric --tcp --udp --processes")?;
        for line in sockets.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [_, _, _, _, address, ..] = words.as_slice() else { continue };
            let local = address.starts_with("127.") || address.starts_with("[::1]");
            let Some((_, rest)) = line.split_once("users:((\"") else { continue };
            let program = rest.split('"').next().unwrap_or_default();
            let known = LISTENERS.iter().any(|(name, _)| program == *name);
            ensure!(local || known, "{}: {program} listens:\n{line}", node.name());
        }
    }
    Ok(())
}
