//! The machine's wired network links and its addresses.

use anyhow::{Context, Result};
use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::libc::ARPHRD_ETHER;
use nix::net::if_::InterfaceFlags;
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
    /// The kernel's number of it.
    pub(crate) index: usize,
}

fn interfaces() -> Result<impl Iterator<Item = InterfaceAddress>> {
    getifaddrs().context("cannot list the network interfaces of this machine")
}

/// Wired links: those with a cable first, then in the kernel's order.
pub(crate) fn wired() -> Result<Vec<Link>> {
    let mut links: Vec<Link> = interfaces()?
        .filter_map(|entry| ethernet(&entry))
        .filter(|link| is_wired(Path::new("/sys/class/net"), &link.name))
        .collect();
    links.sort_by_key(|link| (!link.carrier, link.index));
    Ok(links)
}

/// The link of an entry that carries an Ethernet address. Asked of the kernel
/// and not of sysfs, which in a container may show another network namespace.
fn ethernet(entry: &InterfaceAddress) -> Option<Link> {
    let address = entry.address.as_ref()?.as_link_addr()?;
    let mac = address.addr().filter(|_| address.hatype() == ARPHRD_ETHER)?;
    Some(Link {
        name: entry.interface_name.clone(),
        mac: mac.map(|byte| hex::encode([byte])).join(":"),
        carrier: entry.flags.contains(InterfaceFlags::IFF_RUNNING),
        index: address.ifindex(),
    })
}

/// Whether an Ethernet link leads out of the box by a wire. Containers' and
/// bridges' own links have no device below them; neither has the one link of
/// an nspawn node, which is known by its name.
fn is_wired(sys: &Path, name: &str) -> bool {
    let has = |entry: &str| sys.join(name).join(entry).exists();
    let named = name == "host0" || name.starts_with("en") || name.starts_with("eth");
    let other = has("wireless") || has("phy80211") || has("bridge");
    (named || has("device")) && !other
}

/// Whether any interface carries `address`.
pub(crate) fn has_address(address: IpAddr) -> Result<bool> {
    let found = interfaces()?
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
    use std::fs;

    #[test]
    fn physical_ports_are_wired_and_virtual_or_wireless_links_are_not() {
        let sys = tempfile::tempdir().unwrap();
        for dir in ["eno1/device", "wlp1s0/device", "wlp1s0/wireless", "ens3/bridge", "veth12ab"] {
            fs::create_dir_all(sys.path().join(dir)).unwrap();
        }
        let wired = ["eno1", "wlp1s0", "ens3", "veth12ab", "docker0", "host0"]
            .into_iter()
            .filter(|name| is_wired(sys.path(), name));
        assert_eq!(wired.collect::<Vec<_>>(), ["eno1", "host0"]);
    }

    #[test]
    fn the_loopback_link_is_no_ethernet() {
        assert!(wired().unwrap().iter().all(|link| link.name != "lo" && link.mac.len() == 17));
    }

    #[test]
    fn the_loopback_address_is_found_and_a_foreign_one_is_not() {
        assert!(has_address(IpAddr::from([127, 0, 0, 1])).unwrap());
        assert!(!has_address(IpAddr::from([192, 0, 2, 77])).unwrap());
    }
}
