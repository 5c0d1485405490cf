//! Which cluster address a node takes.

use crate::{NetworkPlan, Site};
use ipnet::Ipv4Net;
use sha2::{Digest, Sha256};
use std::net::{IpAddr, Ipv4Addr};

/// How many addresses a node tries before it gives up; in a network that is
/// not nearly full, two are enough.
const ATTEMPTS: u32 = 256;

impl Site {
    /// The cluster address of a node: the one that the site gives to one of its
    /// MAC addresses, or one derived from its id.
    #[must_use]
    pub fn address_for(&self, node_id: &str, macs: &[impl AsRef<str>]) -> IpAddr {
        self.address_candidates(node_id, macs)
            .next()
            .unwrap_or_else(|| self.network.derived(node_id, 0).into())
    }

    /// The addresses that a node tries in turn, until it finds one that nobody
    /// else answers on. The first is [`Site::address_for`]; a node with a fixed
    /// address has only that.
    pub fn address_candidates(
        &self,
        node_id: &str,
        macs: &[impl AsRef<str>],
    ) -> impl Iterator<Item = IpAddr> {
        let network = &self.network;
        let fixed = network
            .node
            .iter()
            .find(|node| macs.iter().any(|mac| mac.as_ref().eq_ignore_ascii_case(&node.mac)))
            .map(|node| node.address);
        let derived = (0..ATTEMPTS)
            .map(move |attempt| IpAddr::from(network.derived(node_id, attempt)))
            // Another node's fixed address is never free.
            .filter(|address| network.node.iter().all(|node| node.address != *address))
            .take(if fixed.is_some() { 0 } else { usize::MAX });
        fixed.into_iter().chain(derived)
    }
}

impl NetworkPlan {
    /// Evenly spread over the hosts of the network, the same for an id for ever.
    fn derived(&self, node_id: &str, attempt: u32) -> Ipv4Addr {
        let hash = Sha256::new()
            .chain_update("ashlar cluster address\n")
            .chain_update(node_id)
            .chain_update("\n")
            .chain_update(attempt.to_be_bytes())
            .finalize();
        let number = hash.iter().take(4).fold(0, |sum: u32, byte| (sum << 8) | u32::from(*byte));
        let (first, count) = hosts(self.cluster);
        Ipv4Addr::from(first.saturating_add(number % count))
    }

    /// Whether a node may have this address: inside the network, and neither
    /// its own, nor the first (where people put a gateway), nor the broadcast
    /// address.
    #[must_use]
    pub fn has_host(&self, address: IpAddr) -> bool {
        let IpAddr::V4(address) = address else { return false };
        let (first, count) = hosts(self.cluster);
        u32::from(address).checked_sub(first).is_some_and(|offset| offset < count)
    }

    /// How many nodes the network has room for.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        hosts(self.cluster).1
    }
}

/// First host address and number of hosts, at least one.
fn hosts(network: Ipv4Net) -> (u32, u32) {
    let first = u32::from(network.network()).saturating_add(2);
    let count = u32::from(network.broadcast()).saturating_sub(first).max(1);
    (first, count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RingKey, SiteNode};
    use proptest::prelude::*;

    const NO_MACS: [&str; 0] = [];

    fn site(network: NetworkPlan) -> Site {
        let ring_key = RingKey::new([7; 32]);
        let (name, ssh_keys) = ("shop".into(), Vec::new());
        Site {
            version: 1,
            name,
            ring_key,
            expect: None,
            grace_seconds: None,
            ssh_keys,
            network,
            install: None,
            console: Default::default(),
        }
    }

    fn network(cluster: &str) -> NetworkPlan {
        NetworkPlan { cluster: cluster.parse().unwrap(), ..NetworkPlan::default() }
    }

    #[test]
    fn an_address_that_was_derived_once_never_changes_with_a_release() {
        let shop = site(NetworkPlan::default());
        let id = "3f0c8f7e5d2b4a6f9e1d0c7b8a695847";
        assert_eq!(shop.address_for(id, &NO_MACS).to_string(), "10.83.252.99");
    }

    #[test]
    fn a_node_with_a_fixed_address_has_only_that() {
        let address: IpAddr = "10.83.0.9".parse().unwrap();
        let node = vec![SiteNode { mac: "52:54:00:aa:bb:cc".into(), address }];
        let shop = site(NetworkPlan { node, ..NetworkPlan::default() });
        let macs = ["00:00:00:00:00:01", "52:54:00:AA:BB:CC"];
        assert_eq!(shop.address_candidates("x", &macs).collect::<Vec<_>>(), [address]);
    }

    #[test]
    fn a_derived_address_is_never_the_fixed_one_of_another_node() {
        let mut plan = network("192.168.7.0/28");
        let taken: Vec<IpAddr> = (2..14).map(|last| IpAddr::from([192, 168, 7, last])).collect();
        plan.node = taken
            .iter()
            .enumerate()
            .map(|(n, address)| SiteNode {
                mac: format!("52:54:00:00:00:{n:02x}"),
                address: *address,
            })
            .collect();
        let shop = site(plan);
        for id in ["a", "b", "c", "d"] {
            assert_eq!(shop.address_for(id, &NO_MACS), IpAddr::from([192, 168, 7, 14]));
        }
    }

    #[test]
    fn network_gateway_and_broadcast_are_no_hosts() {
        let plan = network("10.1.2.0/24");
        for last in [0, 1, 255] {
            assert!(!plan.has_host(IpAddr::from([10, 1, 2, last])), "{last}");
        }
        for last in [2, 254] {
            assert!(plan.has_host(IpAddr::from([10, 1, 2, last])), "{last}");
        }
        assert!(!plan.has_host("10.1.3.7".parse().unwrap()));
        assert!(!plan.has_host("fe80::1".parse().unwrap()));
        assert_eq!(plan.capacity(), 253);
    }

    proptest! {
        #[test]
        fn every_candidate_is_a_host_of_the_network(id: String, ip: u32, prefix in 0u8..=29) {
            let cluster = Ipv4Net::new(ip.into(), prefix).unwrap();
            let shop = site(NetworkPlan { cluster, ..NetworkPlan::default() });
            let mut candidates = shop.address_candidates(&id, &NO_MACS);
            prop_assert_eq!(candidates.next(), Some(shop.address_for(&id, &NO_MACS)));
            for address in candidates.take(8) {
                prop_assert!(shop.network.has_host(address), "{}", address);
            }
        }

        #[test]
        fn no_network_is_too_small_to_answer(id: String, ip: u32, prefix in 30u8..=32) {
            let cluster = Ipv4Net::new(ip.into(), prefix).unwrap();
            let shop = site(NetworkPlan { cluster, ..NetworkPlan::default() });
            let _ = shop.address_for(&id, &NO_MACS);
        }
    }
}
