//! The machine's wired network links, read from sysfs.

use anyhow::{Context, Result};
use std::fs;
use std::net::IpAddr;
use std::path::Path;

/// A wired link that could carry the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// Interface name.
    pub(crate) name: String,
    /// MAC address in lower case.
    pub(crate) mac: String,
    /// A cable is plugged in.
    pub(crate) carrier: bool,
    index: u32,
}

/// Wired links below `sys` (`/sys/class/net`): those with a cable first, then
/// in the kernel's order.
pub(crate) fn wired(sys: &Path) -> Result<Vec<Link>> {
    let entries =
        fs::read_dir(sys).with_context(|| format!("cannot list the links in {}", sys.display()))?;
    let mut links: Vec<Link> = entries.flatten().filter_map(|e| wired_link(&e.path())).collect();
    links.sort_by_key(|link| (!link.carrier, link.index));
    Ok(links)
}

/// `ARPHRD_ETHER` of the kernel.
const ETHERNET: &str = "1";

fn wired_link(dir: &Path) -> Option<Link> {
    let name = dir.file_name()?.to_str()?.to_owned();
    let read = |file: &str| fs::read_to_string(dir.join(file)).map(|s| s.trim().to_owned()).ok();
    let wireless = dir.join("wireless").exists() || dir.join("phy80211").exists();
    if read("type")? != ETHERNET || wireless || dir.join("bridge").exists() {
        return None;
    }
    // Containers' and bridges' own links have no device below them; neither has
    // the one link of a nspawn node, which is known by its name.
    let named = name == "host0" || name.starts_with("en") || name.starts_with("eth");
    if !dir.join("device").exists() && !named {
        return None;
    }
    Some(Link {
        mac: read("address")?.to_ascii_lowercase(),
        // Reading `carrier` fails while the link is down.
        carrier: read("carrier").as_deref() == Some("1"),
        index: read("ifindex")?.parse().ok()?,
        name,
    })
}

/// Whether any interface carries `address`.
pub(crate) fn has_address(address: IpAddr) -> Result<bool> {
    let found = nix::ifaddrs::getifaddrs()
        .context("cannot list the addresses of this machine")?
        .filter_map(|entry| entry.address)
        .filter_map(|socket| {
            let v4 = socket.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
            v4.or_else(|| socket.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
        })
        .any(|one| one == address);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(sys: &Path, name: &str, index: u32, files: &[(&str, &str)], dirs: &[&str]) {
        let dir = sys.join(name);
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("ifindex"), format!("{index}\n")).unwrap();
        fs::write(dir.join("address"), "AA:BB:CC:00:00:01\n").unwrap();
        fs::write(dir.join("type"), "1\n").unwrap();
        for (file, text) in files {
            fs::write(dir.join(file), text).unwrap();
        }
        for sub in dirs {
            fs::create_dir(dir.join(sub)).unwrap();
        }
    }

    #[test]
    fn the_plugged_physical_port_comes_first_and_virtual_links_are_left_out() {
        let sys = tempfile::tempdir().unwrap();
        link(sys.path(), "lo", 1, &[("type", "772\n")], &[]);
        link(sys.path(), "eno1", 2, &[("carrier", "0\n")], &["device"]);
        link(sys.path(), "eno2", 3, &[("carrier", "1\n")], &["device"]);
        link(sys.path(), "wlp1s0", 4, &[("carrier", "1\n")], &["device", "wireless"]);
        link(sys.path(), "docker0", 5, &[("carrier", "1\n")], &["bridge"]);
        link(sys.path(), "veth12ab", 6, &[("carrier", "1\n")], &[]);
        let names: Vec<_> = wired(sys.path()).unwrap().into_iter().map(|l| l.name).collect();
        assert_eq!(names, ["eno2", "eno1"]);
    }

    #[test]
    fn the_only_link_of_a_nspawn_node_counts_as_wired() {
        let sys = tempfile::tempdir().unwrap();
        link(sys.path(), "host0", 2, &[("carrier", "1\n")], &[]);
        assert_eq!(wired(sys.path()).unwrap()[0].mac, "aa:bb:cc:00:00:01");
    }

    #[test]
    fn the_loopback_address_is_found_and_a_foreign_one_is_not() {
        assert!(has_address(IpAddr::from([127, 0, 0, 1])).unwrap());
        assert!(!has_address(IpAddr::from([192, 0, 2, 77])).unwrap());
    }
}
