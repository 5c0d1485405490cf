//! systemd's units in a root.

use crate::tree::{Kind, Tree};
use std::collections::BTreeSet;

const DIRECTORIES: [&str; 2] = ["/etc/systemd/system", "/usr/lib/systemd/system"];

/// The names of all units of some kinds that can be loaded by themselves.
pub(crate) fn all(tree: &Tree, kinds: &[&str]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for directory in DIRECTORIES {
        for entry in tree.below(directory) {
            let Some(name) = entry.path.strip_prefix(directory).map(|rest| &rest[1..]) else {
                continue;
            };
            let kind = name.rsplit('.').next().unwrap_or_default();
            // Not what is in *.wants and *.d, and no template without an instance.
            if !name.contains(['/', '@']) && kinds.contains(&kind) && entry.kind != Kind::Directory
            {
                names.insert(name.to_owned());
            }
        }
    }
    names
}

/// A unit and its drop-ins, as text.
pub(crate) fn text(tree: &Tree, unit: &str) -> std::io::Result<String> {
    let mut text = String::new();
    for directory in DIRECTORIES {
        text += &tree.text(&format!("{directory}/{unit}"))?.unwrap_or_default();
        text.push('\n');
        let drop_ins = format!("{directory}/{unit}.d");
        for entry in tree.below(&drop_ins).filter(|entry| entry.path.ends_with(".conf")) {
            text += &tree.text(&entry.path)?.unwrap_or_default();
            text.push('\n');
        }
    }
    Ok(text)
}

/// Whether another unit pulls it in.
pub(crate) fn is_wanted(tree: &Tree, unit: &str) -> bool {
    let end = format!("/{unit}");
    DIRECTORIES.iter().any(|directory| {
        tree.below(directory).any(|entry| {
            let in_wants = entry.path.contains(".wants/") || entry.path.contains(".requires/");
            in_wants && entry.path.ends_with(&end)
        })
    })
}

/// The addresses in a socket unit that others on the network can reach.
pub(crate) fn network_addresses(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .filter(|(key, _)| {
            matches!(key.trim(), "ListenStream" | "ListenDatagram" | "ListenSequentialPacket")
        })
        .map(|(_, address)| address.trim())
        // Paths, abstract names, virtual machine sockets, and the machine itself.
        .filter(|address| !address.is_empty() && !address.starts_with(['/', '@', '%']))
        .filter(|address| !address.starts_with("vsock:"))
        .filter(|address| !address.starts_with("127.") && !address.starts_with("[::1]"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::network_addresses;

    #[test]
    fn only_what_others_can_reach_is_a_network_address() {
        let unit = "[Socket]\nListenStream=/run/x\nListenStream=22\nListenDatagram=[::]:53\n\
                    ListenStream=127.0.0.1:1\nListenStream=@abstract\nListenStream=vsock::22\nListenStream=\n";
        assert_eq!(network_addresses(unit), ["22", "[::]:53"]);
    }
}
