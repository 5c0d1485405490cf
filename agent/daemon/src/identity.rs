//! Who this node is: a random id, made once and kept in state, and what derives
//! from it: the host name and the cluster address.

use crate::host::{Host, Link};
use crate::paths::Paths;
use crate::state;
use anyhow::{Context, Result};
use ashlar_cluster::{Identity, NodeId};
use ashlar_site::Site;
use rand::TryRngCore;
use rand::rngs::OsRng;
use std::fmt::Write;

/// The identity in this node's state, if one was made.
pub(crate) fn load(paths: &Paths) -> Result<Option<Identity>> {
    state::read_json(&paths.identity())
}

/// Whether the machine goes by that identity: its name is set and its cluster
/// address is on an interface.
pub(crate) async fn holds(host: &impl Host, identity: &Identity) -> Result<bool> {
    Ok(host.is_named(&identity.name).await? && host.has_address(identity.address).await?)
}

/// Makes an identity unless there is one, and makes the machine go by it.
/// The address then arrives when networkd has set it.
pub(crate) async fn assume(paths: &Paths, host: &impl Host, site: &Site) -> Result<Identity> {
    let links = host.links().await?;
    let identity = match load(paths)? {
        Some(identity) => identity,
        None => {
            let macs: Vec<&str> = links.iter().map(|l| l.mac.as_str()).collect();
            let identity = make(site, &macs)?;
            state::write_json(&paths.identity(), &identity, 0o600)?;
            tracing::info!(id = %identity.id, name = identity.name, address = %identity.address,
                "this node has an identity");
            identity
        }
    };
    if !host.is_named(&identity.name).await? {
        host.set_hostname(&identity.name).await?;
    }
    if !host.has_address(identity.address).await? {
        let link = pick(&links, site)
            .context("this machine has no wired network link to carry its cluster address")?;
        let file = paths.networkd().join("20-ashlar-cluster.network");
        state::make_public_dir(&paths.networkd())?;
        // networkd runs as a user of its own and must be able to read it.
        state::write_if_changed(&file, network(link, &identity, site).as_bytes(), 0o644)?;
        host.reload_network().await?;
    }
    Ok(identity)
}

fn make(site: &Site, macs: &[&str]) -> Result<Identity> {
    let mut bytes = [0_u8; 16];
    OsRng.try_fill_bytes(&mut bytes).context("the kernel gives no random numbers")?;
    let id = hex::encode(bytes);
    let address = site.address_for(&id, macs);
    Ok(Identity { name: format!("ashlar-{}", &id[..8]), id: NodeId(id), address })
}

/// The link that the site names, else the first one.
pub(crate) fn pick<'a>(links: &'a [Link], site: &Site) -> Option<&'a Link> {
    let named =
        |link: &&Link| site.network.node.iter().any(|n| n.mac.eq_ignore_ascii_case(&link.mac));
    links.iter().find(named).or_else(|| links.first())
}

/// The `.network` file that puts the cluster address on `link`.
fn network(link: &Link, identity: &Identity, site: &Site) -> String {
    let mut text = String::from("# Written by ashlar-agent.\n");
    let dhcp = if site.network.dhcp { "yes" } else { "no" };
    let prefix = site.network.cluster.prefix_len();
    // The multicast route: mDNS has to work on a network without a way out.
    // No duplicate detection: the first question by mDNS goes out by IPv6 as
    // well and fails while the link-local address, made from the MAC, is
    // tentative.
    // ConfigureWithoutCarrier: a node that is alone, or whose cable was pulled,
    // keeps its address, because everything on it is bound to that address.
    let _ = write!(
        text,
        "[Match]\nName={}\n\n\
         [Link]\nRequiredForOnline=no\nMulticast=yes\n\n\
         [Network]\nDHCP={dhcp}\nLinkLocalAddressing=ipv6\nAddress={}/{prefix}\n\
         ConfigureWithoutCarrier=yes\nIPv6DuplicateAddressDetection=0\n\n\
         [Route]\nDestination=224.0.0.0/4\nScope=link\n\n\
         [DHCPv4]\nUseHostname=no\nUseDomains=no\n",
        link.name, identity.address
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use ashlar_site::{NetworkPlan, RingKey, SiteNode};

    fn site(node: Vec<SiteNode>) -> Site {
        Site {
            version: 1,
            name: "demo".into(),
            ring_key: RingKey::new([7; 32]),
            expect: None,
            ssh_keys: Vec::new(),
            network: NetworkPlan { node, ..NetworkPlan::default() },
        }
    }

    #[test]
    fn two_nodes_of_a_site_have_different_ids_and_addresses_inside_its_network() {
        let site = site(Vec::new());
        let (a, b) = (make(&site, &[]).unwrap(), make(&site, &[]).unwrap());
        assert_ne!(a.id, b.id);
        assert!(a.name.starts_with("ashlar-") && a.name.len() == 15);
        let std::net::IpAddr::V4(address) = a.address else { panic!("IPv4") };
        assert!(site.network.cluster.contains(&address));
    }

    #[test]
    fn a_box_that_the_site_names_gets_the_address_written_there() {
        let address = std::net::IpAddr::from([10, 83, 0, 7]);
        let site = site(vec![SiteNode { mac: "aa:bb:cc:00:00:01".into(), address }]);
        assert_eq!(make(&site, &["aa:bb:cc:00:00:01"]).unwrap().address, address);
    }
}
