//! The lab's segment: a bridge in a network namespace of the cluster's own, and
//! a namespace a node. Nothing of it touches the host's network.

use crate::error::Result;
use crate::process::run;
use crate::store::NodeRecord;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The network namespace of a cluster's bridge, or of one of its nodes.
pub(super) fn namespace(cluster: &str, node: Option<&NodeRecord>) -> String {
    match node {
        None => format!("ashlar-{cluster}"),
        Some(node) => format!("ashlar-{cluster}-{}", node.name),
    }
}

/// Where `ip netns` keeps a namespace.
pub(super) fn path(namespace: &str) -> PathBuf {
    Path::new("/run/netns").join(namespace)
}

/// Gives a node a fresh network with one cable to the bridge. Everything that
/// the node's daemons made in the old one is gone, as after a power cut.
pub(super) fn plug(cluster: &str, node: &NodeRecord) -> Result<()> {
    unplug(cluster, node)?;
    let segment = namespace(cluster, None);
    if !path(&segment).exists() {
        ip(["netns", "add", &segment])?;
        ip(["-n", &segment, "link", "add", "segment", "type", "bridge", "stp_state", "0"])?;
        ip(["-n", &segment, "link", "set", "segment", "up"])?;
    }
    cable(cluster, node).into_iter().try_for_each(ip)
}

/// The arguments of the `ip` commands that make a node's network.
fn cable(cluster: &str, node: &NodeRecord) -> [Vec<String>; 3] {
    let (segment, own) = (namespace(cluster, None), namespace(cluster, Some(node)));
    let words = |line: &[&str]| line.iter().map(|word| (*word).to_owned()).collect();
    // `host0` is the name by which systemd knows a container's cable.
    [
        words(&["netns", "add", &own]),
        words(&[
            "-n", &segment, "link", "add", &node.name, "type", "veth", "peer", "name", "host0",
            "address", &node.mac, "netns", &own,
        ]),
        words(&["-n", &segment, "link", "set", &node.name, "master", "segment", "up"]),
    ]
}

/// Shell commands that do what [`plug`] does, for a node that reboots by itself.
/// Names here consist of letters, digits, dashes and colons.
pub(super) fn replug_script(cluster: &str, node: &NodeRecord) -> String {
    let (segment, own) = (namespace(cluster, None), namespace(cluster, Some(node)));
    let mut script =
        format!("ip -n {segment} link del {} || true\nip netns del {own} || true\n", node.name);
    for line in cable(cluster, node) {
        script.push_str(&format!("ip {}\n", line.join(" ")));
    }
    script
}

/// Takes a node's network away.
pub(super) fn unplug(cluster: &str, node: &NodeRecord) -> Result<()> {
    let own = namespace(cluster, Some(node));
    if !path(&own).exists() {
        return Ok(());
    }
    // The namespace lingers while anything holds it; the cable goes at once.
    let _ = ip(["-n", &namespace(cluster, None), "link", "del", &node.name]);
    ip(["netns", "del", &own])
}

/// Takes the carrier from a node's cable, or plugs it into the segment.
pub(super) fn link(cluster: &str, node: &NodeRecord, up: bool) -> Result<()> {
    let segment = namespace(cluster, None);
    let set = ["-n", &segment, "link", "set", &node.name];
    let how: &[&str] = if up { &["master", "segment", "up"] } else { &["down"] };
    ip(set.iter().chain(how))
}

/// Plugs a node's cable into a bridge that no way leads from to the segment: it has
/// carrier, and sees nobody but those that were plugged in there as well.
pub(super) fn part(cluster: &str, node: &NodeRecord) -> Result<()> {
    let segment = namespace(cluster, None);
    if ip(["-n", &segment, "link", "show", "apart"]).is_err() {
        ip(["-n", &segment, "link", "add", "apart", "type", "bridge", "stp_state", "0"])?;
        ip(["-n", &segment, "link", "set", "apart", "up"])?;
    }
    ip(["-n", &segment, "link", "set", &node.name, "master", "apart", "up"])
}

/// Removes the segment.
pub(super) fn remove(cluster: &str) -> Result<()> {
    let segment = namespace(cluster, None);
    if path(&segment).exists() { ip(["netns", "del", &segment]) } else { Ok(()) }
}

fn ip<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Result<()> {
    run(Command::new("ip").args(arguments), "iproute2").map(drop)
}
