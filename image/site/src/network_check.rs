//! What `[network]` must be beyond its types.

use crate::error::{Problem, Step};
use crate::form::{is_domain, is_mac, listed_once};
use crate::{NetworkPlan, Pools, SiteNode};
use ipnet::Ipv4Net;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

type Checked = Result<(), Problem>;

/// What makers leave in the place of a serial number, in thousands of boxes.
const NO_SERIALS: &[&str] = &[
    "0",
    "0123456789",
    "123456789",
    "chassis serial number",
    "default string",
    "empty",
    "none",
    "not applicable",
    "not specified",
    "system serial number",
    "to be filled by o.e.m.",
];

fn wrong(key: &'static str, reason: impl Into<String>) -> Checked {
    Err(Problem::new(&[Step::Key("network"), Step::Key(key)], reason))
}

fn wrong_in(table: &'static str, key: &'static str, reason: impl Into<String>) -> Checked {
    Err(Problem::new(&[Step::Key("network"), Step::Key(table), Step::Key(key)], reason))
}

impl NetworkPlan {
    pub(crate) fn check(&self) -> Checked {
        self.check_cluster()?;
        self.check_join()?;
        self.check_names()?;
        if self.vlan.is_some_and(|vlan| !(1..=4094).contains(&vlan)) {
            return wrong("vlan", "expected 1 to 4094");
        }
        self.check_wifi()?;
        self.check_proxy()?;
        self.check_nodes()?;
        self.check_gateway()?;
        self.check_pools()
    }

    fn check_cluster(&self) -> Checked {
        let network = self.cluster;
        if network.trunc() != network {
            let reason = format!("expected a network; did you mean `{}`?", network.trunc());
            return wrong("cluster", reason);
        }
        if !(8..=28).contains(&network.prefix_len()) {
            return wrong("cluster", "expected a network from /8 to /28, such as `10.83.0.0/16`");
        }
        if !is_for_hosts(network) {
            return wrong("cluster", "expected a network that machines can have addresses in");
        }
        Ok(())
    }

    fn check_join(&self) -> Checked {
        for (index, entry) in self.join.iter().enumerate() {
            let wrong = |reason: String| {
                let path = [Step::Key("network"), Step::Key("join"), Step::Index(index)];
                Err(Problem::new(&path, reason))
            };
            let socket = entry.parse::<SocketAddr>().ok().filter(|address| address.port() != 0);
            let Some(address) = socket.map(|at| at.ip()).or_else(|| entry.parse().ok()) else {
                return wrong(
                    "expected `address` or `address:port`; names are not resolved".into(),
                );
            };
            if address.is_unspecified() || address.is_loopback() || address.is_multicast() {
                return wrong(format!("no other node can have {address}"));
            }
            if self.join.iter().take(index).any(|other| other == entry) {
                return wrong(format!("{entry} is in the list already"));
            }
        }
        Ok(())
    }

    fn check_names(&self) -> Checked {
        for (index, server) in self.dns.iter().enumerate() {
            let path = [Step::Key("network"), Step::Key("dns"), Step::Index(index)];
            if server.is_unspecified() || server.is_multicast() {
                return Err(Problem::new(&path, format!("no name server can have {server}")));
            }
            listed_once(&self.dns, index, &path)?;
        }
        for (index, domain) in self.search.iter().enumerate() {
            let path = [Step::Key("network"), Step::Key("search"), Step::Index(index)];
            if !is_domain(domain) {
                let reason = "expected a domain, such as `shop.example`";
                return Err(Problem::new(&path, reason));
            }
            listed_once(&self.search, index, &path)?;
        }
        Ok(())
    }

    fn check_wifi(&self) -> Checked {
        let Some(wifi) = &self.wifi else { return Ok(()) };
        if !(1..=32).contains(&wifi.ssid.len()) || wifi.ssid.contains(char::is_control) {
            return wrong_in("wifi", "ssid", "expected the network's name: 1 to 32 bytes");
        }
        let Some(passphrase) = wifi.passphrase.as_ref().map(|secret| secret.expose()) else {
            return Ok(());
        };
        let printable = passphrase.bytes().all(|byte| (32..127).contains(&byte));
        // Blanks at its ends would be lost in the file that the daemon reads.
        if !(8..=63).contains(&passphrase.len()) || !printable || passphrase.trim() != passphrase {
            let reason = "expected 8 to 63 letters, digits and signs of ASCII, no blank at an end";
            return wrong_in("wifi", "passphrase", reason);
        }
        Ok(())
    }

    fn check_proxy(&self) -> Checked {
        let Some(proxy) = &self.proxy else { return Ok(()) };
        for (key, url) in [("http", &proxy.http), ("https", &proxy.https)] {
            if url.as_ref().is_some_and(|url| !is_proxy(url.expose())) {
                let reason = "expected `http://host:port`, with `user:password@` before the host \
                              if the proxy asks for one";
                return wrong_in("proxy", key, reason);
            }
        }
        if proxy.http.is_none() && proxy.https.is_none() {
            return wrong("proxy", "expected `http`, `https` or both: there is no proxy here");
        }
        for (index, entry) in proxy.except.iter().enumerate() {
            let path = [Step::Key("network"), Step::Key("proxy"), Step::Key("except")];
            let path = [path.as_slice(), &[Step::Index(index)]].concat();
            let name = entry.strip_prefix("*.").or_else(|| entry.strip_prefix('.'));
            let known = entry.parse::<IpAddr>().is_ok() || entry.parse::<ipnet::IpNet>().is_ok();
            if !known && !is_domain(name.unwrap_or(entry)) {
                let reason = "expected a host, a `.domain`, an address or a network";
                return Err(Problem::new(&path, reason));
            }
            listed_once(&proxy.except, index, &path)?;
        }
        Ok(())
    }

    fn check_nodes(&self) -> Checked {
        let mut seen = Seen::default();
        for (index, node) in self.node.iter().enumerate() {
            let path = [Step::Key("network"), Step::Key("node"), Step::Index(index)];
            self.check_node(node, &mut seen).map_err(|(key, reason)| {
                let key = key.map(Step::Key);
                Problem::new(&[path.as_slice(), key.as_slice()].concat(), reason)
            })?;
        }
        Ok(())
    }

    fn check_node<'a>(
        &'a self,
        node: &'a SiteNode,
        seen: &mut Seen<'a>,
    ) -> Result<(), (Option<&'static str>, String)> {
        let wrong = |key, reason: String| Err((Some(key), reason));
        if node.mac.is_none() && node.serial.is_none() {
            return Err((None, "expected `mac` or `serial`: which box is it?".into()));
        }
        if let Some(mac) = &node.mac {
            if !is_mac(mac) {
                return wrong("mac", "expected six bytes in hex: `52:54:00:12:34:56`".into());
            }
            if !seen.macs.insert(mac.to_ascii_lowercase()) {
                return wrong("mac", format!("another node has {mac} as well"));
            }
        }
        if let Some(serial) = &node.serial {
            let form = serial.trim() == serial && !serial.contains(char::is_control);
            if serial.is_empty() || serial.len() > 64 || !form {
                let reason = "expected the serial number on the box, no blank at either end";
                return wrong("serial", reason.into());
            }
            if NO_SERIALS.contains(&serial.to_ascii_lowercase().as_str()) {
                let reason = "many boxes have this one: its maker gave it none; use `mac`";
                return wrong("serial", reason.into());
            }
            if !seen.serials.insert(serial) {
                return wrong("serial", format!("another node has {serial} as well"));
            }
        }
        if node.address.is_none() && node.uplink.is_none() && !node.witness {
            return Err((None, "expected `address`, `uplink` or `witness`: what is fixed?".into()));
        }
        if let Some(address) = node.address {
            if !self.has_host(address) {
                let reason = format!(
                    "expected an address inside {}, and neither its network, first, nor \
                     broadcast address",
                    self.cluster
                );
                return wrong("address", reason);
            }
            if !seen.addresses.insert(address) {
                return wrong("address", format!("another node has {address} as well"));
            }
        }
        if let Some(uplink) = node.uplink {
            if let Some(reason) = not_a_host(uplink) {
                return wrong("uplink", reason);
            }
            if overlap(uplink, self.cluster) {
                return wrong("uplink", overlaps("network.cluster", self.cluster));
            }
            if !seen.uplinks.insert(uplink.addr()) {
                return wrong("uplink", format!("another node has {} as well", uplink.addr()));
            }
        }
        Ok(())
    }

    fn check_gateway(&self) -> Checked {
        let Some(gateway) = self.gateway else { return Ok(()) };
        let mut uplinks =
            self.node.iter().enumerate().filter_map(|(n, node)| Some((n, node.uplink?)));
        let Some((_, first)) = uplinks.clone().next() else {
            let reason = "no box has an `uplink` that this would be the router of: a lease brings \
                          its own";
            return wrong("gateway", reason);
        };
        if !first.contains(&gateway) || [first.network(), first.broadcast()].contains(&gateway) {
            return wrong("gateway", format!("expected an address inside {}", first.trunc()));
        }
        let uplink = |index, reason: String| {
            let path = [Step::Key("network"), Step::Key("node"), Step::Index(index)];
            Err(Problem::new(&[path.as_slice(), &[Step::Key("uplink")]].concat(), reason))
        };
        if let Some((index, _)) = uplinks.clone().find(|(_, uplink)| uplink.addr() == gateway) {
            return uplink(index, format!("the router has {gateway} (`network.gateway`)"));
        }
        if let Some((index, _)) = uplinks.find(|(_, uplink)| !uplink.contains(&gateway)) {
            let reason = format!("its router {gateway} (`network.gateway`) is not in that network");
            return uplink(index, reason);
        }
        Ok(())
    }

    fn check_pools(&self) -> Checked {
        let Some(Pools { containers, overlay }) = self.pools else { return self.check_own_pools() };
        for (key, pool) in [("containers", containers), ("overlay", overlay)] {
            if pool.trunc() != pool {
                let reason = format!("expected a network; did you mean `{}`?", pool.trunc());
                return wrong_in("pools", key, reason);
            }
            if !(8..=Pools::PIECE - 2).contains(&pool.prefix_len()) || !is_for_hosts(pool) {
                let reason = "expected a network from /8 to /22: each network of containers takes \
                              a /24 of it";
                return wrong_in("pools", key, reason);
            }
            if let Some(reason) = self.hides(pool) {
                return wrong_in("pools", key, reason);
            }
        }
        if overlap(containers, overlay) {
            return wrong_in("pools", "overlay", overlaps("network.pools.containers", containers));
        }
        Ok(())
    }

    /// A site that says nothing of pools has ours, which may be in its way.
    fn check_own_pools(&self) -> Checked {
        let Pools { containers, overlay } = self.pools();
        for pool in [containers, overlay] {
            if overlap(pool, self.cluster) {
                let reason = format!(
                    "containers take their networks from {pool}: give them another one with \
                     `network.pools`, or the cluster another network"
                );
                return wrong("cluster", reason);
            }
        }
        Ok(())
    }

    /// What of the site's own a pool would hide from containers.
    fn hides(&self, pool: Ipv4Net) -> Option<String> {
        if overlap(pool, self.cluster) {
            return Some(overlaps("network.cluster", self.cluster));
        }
        let uplink = self.node.iter().filter_map(|node| node.uplink).find(|u| overlap(*u, pool));
        if let Some(uplink) = uplink {
            return Some(overlaps("the network of an `uplink`", uplink.trunc()));
        }
        let inside = |address: &IpAddr| matches!(address, IpAddr::V4(v4) if pool.contains(v4));
        let server = self.dns.iter().find(|address| inside(address))?;
        Some(format!("containers would not reach the name server {server}, which is inside it"))
    }
}

/// What may stand in a site once.
#[derive(Default)]
struct Seen<'a> {
    macs: BTreeSet<String>,
    serials: BTreeSet<&'a str>,
    addresses: BTreeSet<IpAddr>,
    uplinks: BTreeSet<Ipv4Addr>,
}

fn is_for_hosts(network: Ipv4Net) -> bool {
    let address = network.network();
    let loopback = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);
    !(overlap(network, loopback) || address.is_multicast() || address.is_unspecified())
        && address.octets().first().is_some_and(|first| *first < 224)
}

fn not_a_host(address: Ipv4Net) -> Option<String> {
    if !(8..=30).contains(&address.prefix_len()) {
        return Some(
            "expected an address with the length of its network: `192.168.7.21/24`".into(),
        );
    }
    if !is_for_hosts(address.trunc()) || address.addr().is_link_local() {
        return Some("expected an address that a machine can have".into());
    }
    if [address.network(), address.broadcast()].contains(&address.addr()) {
        return Some(format!("{} is no machine's: it stands for the network", address.addr()));
    }
    None
}

fn overlap(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other.network()) || other.contains(&one.network())
}

fn overlaps(what: &str, network: Ipv4Net) -> String {
    format!("it overlaps {what} ({network}): one would hide the other")
}

/// `http://[user[:password]@]host[:port]`, and nothing that would end a line or a
/// word in the file that the engine reads.
fn is_proxy(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")) else {
        return false;
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (user, host) = match rest.rsplit_once('@') {
        Some((user, host)) => (user, host),
        None => ("", rest),
    };
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) => (name, port.parse::<u16>().is_ok_and(|port| port != 0)),
        None => (host, true),
    };
    let plain = |c: char| c.is_ascii_graphic() && !"\"'\\$#".contains(c);
    let named = name.parse::<Ipv4Addr>().is_ok() || is_domain(name);
    port && named && user.chars().all(plain)
}

#[cfg(test)]
mod tests;
