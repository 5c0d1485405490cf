//! The machine's wired network links and its addresses.

use anyhow::{Context, Result};
use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::libc::ARPHRD_ETHER;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::{setsockopt, sockopt::DontRoute};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::{Instant, interval};

/// How long a machine may take to answer for its address: the kernel asks at once
/// and once more after a second.
const PROBE: Duration = Duration::from_millis(1_300);

/// How often the kernel's table is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(50);

/// A wired link that could carry the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// Interface name.
    pub(crate) name: String,
    /// MAC address in lower case.
    pub(crate) mac: String,
    /// The makers' MAC addresses of the ports that a bond is made of.
    pub(crate) ports: Vec<String>,
    /// A cable is plugged in.
    pub(crate) carrier: bool,
    /// The kernel's number of it.
    pub(crate) index: usize,
}

impl Link {
    /// Every MAC address that it is known by.
    pub(crate) fn macs(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.mac).chain(&self.ports).map(String::as_str)
    }
}

/// Where the kernel tells of network links.
pub(crate) const SYS: &str = "/sys/class/net";

fn interfaces() -> Result<impl Iterator<Item = InterfaceAddress>> {
    getifaddrs().context("cannot list the network interfaces of this machine")
}

/// Wired links: those with a cable first, then in the kernel's order.
pub(crate) fn wired() -> Result<Vec<Link>> {
    let mut links: Vec<Link> = interfaces()?
        .filter_map(|entry| ethernet(&entry))
        .filter(|link| is_wired(Path::new(SYS), &link.name))
        .map(|link| Link { ports: ports(Path::new(SYS), &link.name), ..link })
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
        mac: written(mac),
        ports: Vec::new(),
        carrier: entry.flags.contains(InterfaceFlags::IFF_RUNNING),
        index: address.ifindex(),
    })
}

/// A MAC address as people write it.
pub(crate) fn written(mac: [u8; 6]) -> String {
    mac.map(|byte| hex::encode([byte])).join(":")
}

/// Whether a link is a radio.
pub(crate) fn is_wireless(sys: &Path, name: &str) -> bool {
    ["wireless", "phy80211"].iter().any(|entry| sys.join(name).join(entry).exists())
}

/// Whether an Ethernet link leads out of the box by a wire. Containers' and
/// bridges' own links have no device below them; neither has the one link of
/// an nspawn node, which is known by its name. A bond stands for its ports.
fn is_wired(sys: &Path, name: &str) -> bool {
    let has = |entry: &str| sys.join(name).join(entry).exists();
    let named = name == "host0" || name.starts_with("en") || name.starts_with("eth");
    let other = is_wireless(sys, name) || has("bridge") || has("bonding_slave");
    (named || has("device") || has("bonding")) && !other
}

/// The makers' MAC addresses of a bond's ports: while they are in it, all of them
/// show the bond's.
fn ports(sys: &Path, name: &str) -> Vec<String> {
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    let slaves = read(&sys.join(name).join("bonding/slaves"));
    let own = |port: &str| read(&sys.join(port).join("bonding_slave/perm_hwaddr"));
    let macs = slaves.split_whitespace().map(|port| own(port).trim().to_ascii_lowercase());
    macs.filter(|mac| !mac.is_empty()).collect()
}

/// The interface that carries `address`.
pub(crate) fn link_of(address: IpAddr) -> Result<Option<String>> {
    let carries = |entry: &InterfaceAddress| {
        let socket = entry.address.as_ref()?;
        let v4 = socket.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
        v4.or_else(|| socket.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
    };
    let found = interfaces()?.find(|entry| carries(entry) == Some(address));
    Ok(found.map(|entry| entry.interface_name))
}

/// Routers of default routes, with the links that they are on.
pub(crate) fn gateways() -> Result<Vec<(IpAddr, String)>> {
    let table = std::fs::read_to_string("/proc/net/route").context("cannot read the routes")?;
    Ok(default_routes(&table))
}

/// The table is hexadecimal, in the byte order of the machine.
fn default_routes(table: &str) -> Vec<(IpAddr, String)> {
    let route = |line: &str| {
        let columns: Vec<_> = line.split_whitespace().collect();
        let [link, "00000000", gateway, ..] = columns[..] else { return None };
        let bits = u32::from_str_radix(gateway, 16).ok().filter(|bits| *bits != 0)?;
        Some((IpAddr::from(bits.to_ne_bytes()), link.to_owned()))
    };
    table.lines().filter_map(route).collect()
}

/// Whether another machine on that link answers for `address`, which this one
/// does not have yet. A datagram that nobody needs makes the kernel ask by ARP,
/// from no address of its own, and its table tells whether anybody said "mine".
pub(crate) async fn answers(address: IpAddr, link: &str) -> Result<bool> {
    let IpAddr::V4(address) = address else { return Ok(false) };
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    socket.bind_device(Some(link.as_bytes())).with_context(|| format!("cannot use {link}"))?;
    // Not by way of a gateway: the question is who is on this very link.
    setsockopt(&socket, DontRoute, &true)?;
    let end = Instant::now() + PROBE;
    let mut look = interval(LOOK);
    while Instant::now() < end {
        // Port "discard". That nobody is there is an error or none, as the kernel
        // likes.
        let _ = socket.send_to(&[], (address, 9)).await;
        look.tick().await;
        let table =
            std::fs::read_to_string("/proc/net/arp").context("cannot read the ARP table")?;
        if resolved(&table, address, link) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the kernel's ARP table has a machine at that address.
fn resolved(table: &str, address: Ipv4Addr, link: &str) -> bool {
    table.lines().any(|line| {
        let columns: Vec<_> = line.split_whitespace().collect();
        let [at, _, flags, _, _, device] = columns[..] else { return false };
        let complete = flags.strip_prefix("0x").and_then(|f| u32::from_str_radix(f, 16).ok());
        let here = at.parse() == Ok(address) && device == link;
        here && complete.is_some_and(|flags| flags & 0x2 != 0)
    })
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
    fn a_bond_stands_for_its_ports_under_their_makers_addresses() {
        let sys = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let path = sys.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("bond0/bonding/slaves", "eno1 eno2\n");
        write("eno1/bonding_slave/perm_hwaddr", "AA:BB:CC:00:00:01\n");
        write("eno2/bonding_slave/perm_hwaddr", "aa:bb:cc:00:00:02\n");
        let wired = ["bond0", "eno1", "eno2"].into_iter().filter(|n| is_wired(sys.path(), n));
        assert_eq!(wired.collect::<Vec<_>>(), ["bond0"]);
        assert_eq!(ports(sys.path(), "bond0"), ["aa:bb:cc:00:00:01", "aa:bb:cc:00:00:02"]);
        assert!(ports(sys.path(), "eno1").is_empty());
    }

    #[test]
    fn the_loopback_link_is_no_ethernet() {
        assert!(wired().unwrap().iter().all(|link| link.name != "lo" && link.mac.len() == 17));
    }

    #[test]
    fn the_loopback_address_is_found_and_a_foreign_one_is_not() {
        assert_eq!(link_of(IpAddr::from([127, 0, 0, 1])).unwrap().as_deref(), Some("lo"));
        assert_eq!(link_of(IpAddr::from([192, 0, 2, 77])).unwrap(), None);
    }

    #[test]
    fn a_router_is_known_with_its_link() {
        let table = "Iface\tDestination\tGateway \tFlags\n\
            enp1s0\t00000000\t0101A8C0\t0003\n\
            enp1s0\t0000530A\t00000000\t0001\n";
        if cfg!(target_endian = "little") {
            let router = IpAddr::from([192, 168, 1, 1]);
            assert_eq!(default_routes(table), [(router, "enp1s0".to_owned())]);
        }
    }

    #[test]
    fn only_an_answered_entry_of_the_link_counts() {
        let table = "IP address       HW type     Flags       HW address            Mask     Device\n\
            10.83.0.9        0x1         0x2         52:54:00:00:00:09     *        enp1s0\n\
            10.83.0.8        0x1         0x0         00:00:00:00:00:00     *        enp1s0\n";
        let at = |last, link| resolved(table, Ipv4Addr::new(10, 83, 0, last), link);
        assert!(at(9, "enp1s0"));
        assert!(!at(8, "enp1s0") && !at(9, "enp2s0") && !at(7, "enp1s0"));
    }

    /// Runs in network namespaces that it makes: two ends of a cable, the far one
    /// with an address.
    #[test]
    fn an_address_that_somebody_answers_for_is_not_free() {
        if !nix::unistd::geteuid().is_root() {
            println!("skipped: needs root to make network namespaces");
            return;
        }
        // The kernel needs a local table to tell a neighbour from a broadcast.
        let script = r#"set -e
            unshare -n sleep 60 & far=$!; trap 'kill $far' EXIT
            own=$(readlink /proc/self/ns/net)
            until [ "$(readlink /proc/$far/ns/net)" != "$own" ]; do :; done
            ip link set lo up
            ip link add near type veth peer name far netns $far
            nsenter -t $far -n ip address add 10.83.0.9/16 dev far
            nsenter -t $far -n ip link set far up
            ip link set near up
            "$0" --ignored --exact host::links::tests::on_the_cable --nocapture"#;
        let test = std::env::current_exe().unwrap();
        let run = std::process::Command::new("unshare")
            .args(["-n", "sh", "-c", script])
            .arg(test)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success() && said.contains("1 passed"), "{run:?}");
    }

    #[tokio::test]
    #[ignore = "run by the test above, at one end of a cable"]
    async fn on_the_cable() {
        assert!(answers(IpAddr::from([10, 83, 0, 9]), "near").await.unwrap());
        assert!(!answers(IpAddr::from([10, 83, 0, 8]), "near").await.unwrap());
    }
}
