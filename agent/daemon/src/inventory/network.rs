//! The ports of the box, asked of the kernel.

use super::told;
use crate::host::links;
use anyhow::{Context, Result};
use ashlar_api::{LinkAddress, LinkKind, LinkView, Network};
use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::libc::{ARPHRD_ETHER, ARPHRD_LOOPBACK};
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::SockaddrStorage;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;

/// The ports of this box.
pub(crate) fn network() -> Result<Network> {
    let entries = getifaddrs().context("cannot list the network interfaces of this machine")?;
    let sys = Path::new(links::SYS);
    let mut links: BTreeMap<String, LinkView> = BTreeMap::new();
    for entry in entries {
        note(&mut links, sys, &entry);
    }
    // A pair of ends that leads into a container tells nobody anything.
    links.retain(|name, _| name != "lo" && !name.starts_with("veth"));
    let mut links: Vec<_> = links.into_values().collect();
    links.sort_by(|a, b| (a.kind, !a.carrier, &a.name).cmp(&(b.kind, !b.carrier, &b.name)));
    for link in &mut links {
        link.addresses.sort_by_key(|at| (at.is_of_the_link(), *at));
    }
    let v6 = told(Path::new("/proc/net/ipv6_route"));
    let mut gateways: Vec<IpAddr> = Vec::new();
    let ways = links::gateways().unwrap_or_default().into_iter().map(|(gateway, _)| gateway);
    for gateway in ways.chain(v6.iter().flat_map(|table| gateways_v6(table))) {
        if !gateways.contains(&gateway) {
            gateways.push(gateway);
        }
    }
    let resolvers = told(Path::new("/run/systemd/resolve/resolv.conf")).unwrap_or_default();
    Ok(Network { links, gateways, name_servers: name_servers(&resolvers) })
}

fn note(links: &mut BTreeMap<String, LinkView>, sys: &Path, entry: &InterfaceAddress) {
    let name = &entry.interface_name;
    let link = links.entry(name.clone()).or_insert_with(|| LinkView {
        name: name.clone(),
        kind: LinkKind::Virtual,
        mac: None,
        carrier: entry.flags.contains(InterfaceFlags::IFF_RUNNING),
        speed_mbit: told(&sys.join(name).join("speed"))
            .and_then(|speed| speed.parse().ok())
            .filter(|speed| (1..u32::MAX).contains(speed)),
        addresses: Vec::new(),
    });
    let Some(address) = &entry.address else { return };
    if let Some(hardware) = address.as_link_addr() {
        if hardware.hatype() == ARPHRD_ETHER {
            link.mac = hardware.addr().map(links::written);
            link.kind = kind(sys, name);
        }
        if hardware.hatype() == ARPHRD_LOOPBACK {
            link.mac = None;
        }
    }
    if let Some(address) = ip(address) {
        let prefix = entry.netmask.as_ref().and_then(ip).map_or(0, prefix);
        link.addresses.push(LinkAddress { address, prefix });
    }
}

/// A port with a device below it is the machine's own; the one of a container that
/// runs as a node is known by its name.
fn kind(sys: &Path, name: &str) -> LinkKind {
    if links::is_wireless(sys, name) {
        LinkKind::Wireless
    } else if sys.join(name).join("device").exists() || name == "host0" {
        LinkKind::Wired
    } else {
        LinkKind::Virtual
    }
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|at| IpAddr::V4(at.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|at| IpAddr::V6(at.ip())))
}

fn prefix(mask: IpAddr) -> u8 {
    let ones = match mask {
        IpAddr::V4(mask) => mask.to_bits().leading_ones(),
        IpAddr::V6(mask) => mask.to_bits().leading_ones(),
    };
    u8::try_from(ones).unwrap_or_default()
}

/// Gateways of default routes in `/proc/net/ipv6_route`: destination, its prefix, source, its prefix,
/// next hop, and so on.
fn gateways_v6(table: &str) -> Vec<IpAddr> {
    let gateway = |line: &str| {
        let columns: Vec<_> = line.split_whitespace().collect();
        let [destination, "00", _, _, hop, ..] = columns[..] else { return None };
        let bits = u128::from_str_radix(hop, 16).ok().filter(|bits| *bits != 0)?;
        let all = destination.bytes().all(|byte| byte == b'0');
        all.then(|| IpAddr::V6(Ipv6Addr::from_bits(bits)))
    };
    table.lines().filter_map(gateway).collect()
}

fn name_servers(resolv_conf: &str) -> Vec<IpAddr> {
    let server = |line: &str| line.strip_prefix("nameserver")?.trim().parse().ok();
    resolv_conf.lines().filter_map(server).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_the_kernel_s_tables_say_is_read() {
        let zeros = "0".repeat(32);
        let table = format!(
            "{zeros} 00 {zeros} 00 fe800000000000000000000000000001 00000400 enp1s0\n\
             {zeros} 00 {zeros} 00 {zeros} ffffffff lo\n"
        );
        assert_eq!(gateways_v6(&table), ["fe80::1".parse::<IpAddr>().unwrap()]);
        let resolv =
            "# by systemd-resolved\nnameserver 192.168.1.1\nnameserver fd00::1\nsearch .\n";
        assert_eq!(name_servers(resolv).len(), 2);
    }

    #[test]
    fn a_mask_is_told_by_its_length() {
        assert_eq!(prefix(IpAddr::from([255, 255, 0, 0])), 16);
        assert_eq!(prefix("ffff:ffff:ffff:ffff::".parse().unwrap()), 64);
    }

    #[test]
    fn ports_of_the_machine_are_told_from_those_that_software_made() {
        let sys = tempfile::tempdir().unwrap();
        for dir in ["eno1/device", "wlp1s0/device", "wlp1s0/wireless", "docker0/bridge"] {
            fs::create_dir_all(sys.path().join(dir)).unwrap();
        }
        let kinds = ["eno1", "wlp1s0", "docker0", "host0"].map(|name| kind(sys.path(), name));
        use LinkKind::{Virtual, Wired, Wireless};
        assert_eq!(kinds, [Wired, Wireless, Virtual, Wired]);
    }

    #[test]
    fn this_machine_s_ports_are_listed_without_the_loopback() {
        let network = network().unwrap();
        assert!(network.links.iter().all(|link| link.name != "lo"), "{network:?}");
    }
}
