//! Another way out for one box, as a person says it before that box.

use crate::error::{Problem, Step};
use crate::{Site, SiteNode};
use ipnet::Ipv4Net;
use std::net::IpAddr;

/// By which address a box reaches the world beyond its cluster, as it is typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypedWayOut<'a> {
    /// Its address with the length of its network; none: a lease.
    pub address: Option<&'a str>,
    /// The router of a fixed address.
    pub gateway: Option<&'a str>,
    /// Name servers.
    pub names: Vec<&'a str>,
}

/// A site with another way out for one box.
#[derive(Debug)]
pub struct WithWayOut {
    /// It.
    pub site: Site,
    /// Other boxes' fixed addresses that are in another network than this box's new
    /// router, which a site has one of: they stand in it no longer.
    pub forgotten: Vec<Ipv4Net>,
}

impl Site {
    /// This site with another way out for the box that has these MAC addresses and this
    /// serial number, which is known by the first of them from now on if the site does not
    /// know it yet. Everything else stays.
    ///
    /// # Errors
    /// What is wrong with what was typed, or with the site that comes of it, in words.
    pub fn with_way_out(
        &self,
        macs: &[impl AsRef<str>],
        serial: Option<&str>,
        typed: &TypedWayOut<'_>,
    ) -> Result<WithWayOut, String> {
        let uplink = typed.address.map(address).transpose()?;
        let gateway = typed.gateway.map(|text| parsed(text, ROUTER)).transpose()?;
        let names = typed.names.iter().map(|text| parsed::<IpAddr>(text, NAMES));
        let names = names.collect::<Result<Vec<_>, _>>()?;
        let mut site = self.clone();
        let network = &mut site.network;
        network.dns = names;
        let at = network.node.iter().position(|node| node.is(macs, serial));
        let at = match (at, macs.first()) {
            (Some(at), _) => at,
            (None, Some(mac)) => {
                network.node.push(SiteNode::by_mac(mac.as_ref().to_ascii_lowercase()));
                network.node.len() - 1
            }
            (None, None) => return Err("this box has no port that a cable goes into".into()),
        };
        let mut forgotten = Vec::new();
        for (index, node) in network.node.iter_mut().enumerate() {
            if index == at {
                node.uplink = uplink;
            } else if let (Some(own), Some(gateway)) = (node.uplink, gateway)
                && !own.contains(&gateway)
            {
                forgotten.push(own);
                node.uplink = None;
            }
        }
        network.dhcp |= uplink.is_none();
        if uplink.is_some() {
            network.gateway = gateway;
        }
        network.node.retain(|node| node.address.is_some() || node.uplink.is_some() || node.witness);
        if network.node.iter().all(|node| node.uplink.is_none()) {
            network.gateway = None;
        }
        site.check().map_err(|problem| in_short(&problem))?;
        Ok(WithWayOut { site, forgotten })
    }
}

/// What a router is expected to be; the same for a name server.
const ROUTER: &str = "expected the address of a router: `192.168.7.1`";
const NAMES: &str = "expected addresses of name servers: `192.168.7.1 9.9.9.9`";

fn parsed<T: std::str::FromStr>(text: &str, expected: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| expected.to_owned())
}

fn address(text: &str) -> Result<Ipv4Net, String> {
    parsed(text, "expected an address with the length of its network: `192.168.7.21/24`")
}

/// Whoever is asked for one value needs not be told its key in the file.
fn in_short(problem: &Problem) -> String {
    let keys: Vec<_> = problem.path.iter().filter(|step| matches!(step, Step::Key(_))).collect();
    match keys.last() {
        Some(Step::Key("uplink" | "gateway" | "dns")) => problem.reason.clone(),
        _ => problem.words(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NetworkPlan, RingKey};

    const MACS: [&str; 2] = ["52:54:00:AA:BB:01", "52:54:00:aa:bb:02"];

    fn shop(rest: &str) -> Site {
        let network: NetworkPlan = toml::from_str(rest).unwrap();
        Site { network, ..Site::new("shop", RingKey::new([7; 32])) }
    }

    fn fixed<'a>(address: &'a str, gateway: Option<&'a str>) -> TypedWayOut<'a> {
        TypedWayOut { address: Some(address), gateway, ..TypedWayOut::default() }
    }

    fn wrong(site: &Site, typed: &TypedWayOut<'_>) -> String {
        site.with_way_out(&MACS, None, typed).unwrap_err()
    }

    #[test]
    fn a_box_that_had_a_lease_is_given_an_address_and_a_lease_again() {
        let before = shop("");
        let typed = TypedWayOut {
            names: vec!["192.168.7.1", "9.9.9.9"],
            ..fixed("192.168.7.21/24", Some("192.168.7.1"))
        };
        let after = before.with_way_out(&MACS, None, &typed).unwrap().site;
        let [node] = after.network.node.as_slice() else { panic!("{:?}", after.network.node) };
        assert_eq!(node.mac.as_deref(), Some("52:54:00:aa:bb:01"));
        assert_eq!(node.uplink.unwrap().to_string(), "192.168.7.21/24");
        assert_eq!(after.network.gateway.unwrap().to_string(), "192.168.7.1");
        assert_eq!(after.network.dns.len(), 2);
        let lease = after.with_way_out(&MACS, None, &TypedWayOut::default()).unwrap().site;
        assert_eq!(*lease.to_toml().unwrap(), *before.to_toml().unwrap());
    }

    #[test]
    fn what_else_is_fixed_for_a_box_and_what_others_have_stays() {
        let site = shop(
            "dhcp = false\ngateway = '192.168.7.1'\n\
             [[node]]\nserial = 'CZC1'\naddress = '10.83.0.9'\nuplink = '192.168.7.20/24'\n\
             [[node]]\nmac = '52:54:00:aa:bb:03'\nuplink = '192.168.7.22/24'\n",
        );
        let same =
            site.with_way_out(&MACS, Some("CZC1"), &fixed("192.168.7.21/24", Some("192.168.7.1")));
        let same = same.unwrap();
        assert!(same.forgotten.is_empty() && same.site.network.node.len() == 2);
        assert_eq!(same.site.network.node[0].address, site.network.node[0].address);
        // The shop moved: the others say theirs at their own screens.
        let moved =
            site.with_way_out(&MACS, Some("CZC1"), &fixed("10.1.1.21/24", Some("10.1.1.1")));
        let moved = moved.unwrap();
        assert_eq!(moved.forgotten, ["192.168.7.22/24".parse().unwrap()]);
        assert_eq!(moved.site.network.node.len(), 1);
        let lease = site.with_way_out(&MACS, Some("CZC1"), &TypedWayOut::default()).unwrap().site;
        assert!(lease.network.dhcp && lease.network.gateway.is_some(), "the other one's router");
    }

    #[test]
    fn every_wrong_answer_is_told_in_the_words_of_the_site_file() {
        let site = shop("[[node]]\nmac = '52:54:00:aa:bb:03'\nuplink = '192.168.7.22/24'\n");
        for (typed, words) in [
            (fixed("192.168.7.21", None), "with the length of its network"),
            (fixed("192.168.7.0/24", None), "is no machine's"),
            (fixed("10.83.4.4/16", None), "overlaps network.cluster"),
            (fixed("192.168.7.22/24", None), "another node has 192.168.7.22 as well"),
            (fixed("192.168.8.21/24", Some("shop")), "expected the address of a router"),
            (fixed("192.168.8.21/24", Some("192.168.9.1")), "inside 192.168.8.0/24"),
            (fixed("192.168.8.1/24", Some("192.168.8.1")), "the router has 192.168.8.1"),
            (
                TypedWayOut { names: vec!["dns.example"], ..TypedWayOut::default() },
                "expected addresses of name servers",
            ),
            (
                TypedWayOut { names: vec!["9.9.9.9", "9.9.9.9"], ..TypedWayOut::default() },
                "in the list already",
            ),
        ] {
            let said = wrong(&site, &typed);
            assert!(said.contains(words), "{typed:?}: {said}");
            assert!(!said.starts_with("`network.node"), "{said}");
        }
    }
}
