//! What a site's values must be beyond their types.

use crate::error::{Problem, Step};
use crate::{InstallRules, NetworkPlan, Site, check_ssh_key};
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// Nodes find each other by the mDNS service `_serf_<name>`, and programs that
/// speak mDNS announce no service with more than 30 bytes there.
const LONGEST_NAME: usize = 25;

/// For how long a lost box may keep its place, in seconds: from what tests need
/// to a year.
const GRACE: std::ops::RangeInclusive<u64> = 10..=31_536_000;

/// A name of a site, recipe, overlay, hardware set or stack: lower-case letters,
/// digits and dashes, so that it is the same in paths, partition labels, unit
/// names, host names and on the Swarm.
#[must_use]
pub fn is_name(text: &str) -> bool {
    text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && !text.ends_with('-')
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

impl Site {
    /// Checks everything that the types do not.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        if self.version != Self::VERSION {
            let known = Self::VERSION;
            let reason = format!("expected {known}; this program knows no other version");
            return Err(Problem::new(&[Step::Key("version")], reason));
        }
        if !is_name(&self.name) || self.name.len() > LONGEST_NAME {
            let reason = format!(
                "expected a DNS label: lower-case letters, digits and dashes, no dash at either \
                 end, at most {LONGEST_NAME} characters, because nodes announce it by mDNS"
            );
            return Err(Problem::new(&[Step::Key("name")], reason));
        }
        self.network.check()?;
        self.install.as_ref().map_or(Ok(()), InstallRules::check)?;
        self.console.check()?;
        if self.ring_key.as_bytes() == &[0; 32] {
            let reason = "this key is all zeros; expected 32 random bytes in base64";
            return Err(Problem::new(&[Step::Key("ring-key")], reason));
        }
        let most = self.network.capacity();
        if self.expect.is_some_and(|count| count == 0 || u32::from(count) > most) {
            let reason = format!("expected 1 to {}", most.min(u8::MAX.into()));
            return Err(Problem::new(&[Step::Key("expect")], reason));
        }
        if self.grace_seconds.is_some_and(|seconds| !GRACE.contains(&seconds)) {
            let reason = format!("expected {} to {}", GRACE.start(), GRACE.end());
            return Err(Problem::new(&[Step::Key("grace-seconds")], reason));
        }
        for (index, line) in self.ssh_keys.iter().enumerate() {
            check_ssh_key(line).map_err(|error| {
                Problem::new(&[Step::Key("ssh-keys"), Step::Index(index)], error.to_string())
            })?;
        }
        Ok(())
    }
}

impl NetworkPlan {
    fn check(&self) -> Result<(), Problem> {
        let network = self.cluster;
        let cluster = |reason: String| {
            Err(Problem::new(&[Step::Key("network"), Step::Key("cluster")], reason))
        };
        if network.trunc() != network {
            return cluster(format!("expected a network; did you mean `{}`?", network.trunc()));
        }
        if !(8..=28).contains(&network.prefix_len()) {
            return cluster("expected a network from /8 to /28, such as `10.83.0.0/16`".into());
        }
        let address = network.network();
        if address.is_loopback() || address.is_multicast() || address.is_unspecified() {
            return cluster("expected a network that machines can have addresses in".into());
        }
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
        self.check_nodes()
    }

    fn check_nodes(&self) -> Result<(), Problem> {
        let (mut macs, mut addresses) = (BTreeSet::new(), BTreeSet::new());
        for (index, node) in self.node.iter().enumerate() {
            let wrong = |key, reason: String| {
                let node = [Step::Key("network"), Step::Key("node"), Step::Index(index)];
                Err(Problem::new(&[node.as_slice(), &[Step::Key(key)]].concat(), reason))
            };
            if !is_mac(&node.mac) {
                return wrong("mac", "expected six bytes in hex: `52:54:00:12:34:56`".into());
            }
            if !macs.insert(node.mac.to_ascii_lowercase()) {
                return wrong("mac", format!("another node has {} as well", node.mac));
            }
            if !self.has_host(node.address) {
                let reason = format!(
                    "expected an address inside {}, and neither its network, first, nor \
                     broadcast address",
                    self.cluster
                );
                return wrong("address", reason);
            }
            if !addresses.insert(node.address) {
                return wrong("address", format!("another node has {} as well", node.address));
            }
        }
        Ok(())
    }
}

/// A unicast MAC address.
fn is_mac(text: &str) -> bool {
    let byte = |part: &str| part.len() == 2 && part.chars().all(|c| c.is_ascii_hexdigit());
    let multicast = |part: &str| u8::from_str_radix(part, 16).is_ok_and(|byte| byte & 1 == 1);
    let parts: Vec<&str> = text.split(':').collect();
    parts.len() == 6
        && parts.iter().all(|part| byte(part))
        && parts.first().is_some_and(|first| !multicast(first))
}
