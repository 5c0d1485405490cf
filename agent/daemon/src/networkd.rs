//! What networkd reads: the link that carries the cluster address, and how the
//! shop's network wants its boxes. Pure texts, one function a file.

use ashlar_cluster::Identity;
use ashlar_site::{Bond, Site, SiteNode};
use std::fmt::Write;

/// All wired ports of a box, where the site makes them one.
pub(crate) const BOND: &str = "bond0";

/// The VLAN of the way out.
const VLAN: &str = "uplink";

const HEAD: &str = "# Written by ashlar-agent.\n";

/// The file of the link that carries the cluster address.
pub(crate) const CLUSTER: &str = "20-ashlar-cluster.network";

/// Every name that [`files`] may give.
pub(crate) const NAMES: [&str; 6] = [
    "10-ashlar-bond.netdev",
    "11-ashlar-ports.network",
    "12-ashlar-uplink.netdev",
    "21-ashlar-uplink.network",
    "30-ashlar-wifi.network",
    "80-ashlar-wired.network.d/10-site.conf",
];

/// A file of networkd, by its name.
pub(crate) type File = (&'static str, String);

/// The text of [`CLUSTER`]. `node`: what the site fixes for this box.
pub(crate) fn cluster(
    link: &str,
    identity: &Identity,
    site: &Site,
    node: Option<&SiteNode>,
) -> String {
    let prefix = site.network.cluster.prefix_len();
    let mut network = String::new();
    let way_out = if site.network.vlan.is_some() {
        let _ = writeln!(network, "VLAN={VLAN}");
        "DHCP=no\n".to_owned()
    } else {
        way_out(site, node)
    };
    // The multicast route: mDNS has to work on a network without a way out.
    // No duplicate detection: the first question by mDNS goes out by IPv6 as
    // well and fails while the link-local address, made from the MAC, is
    // tentative. That of IPv4 was the agent's, once: networkd's own would take
    // the address away whenever somebody claims it.
    // ConfigureWithoutCarrier: a node that is alone, or whose cable was pulled,
    // keeps its address, because everything on it is bound to that address.
    format!(
        "{HEAD}[Match]\nName={link}\n\n\
         [Link]\nRequiredForOnline=no\nMulticast=yes\n\n\
         [Network]\n{way_out}LinkLocalAddressing=ipv6\nAddress={}/{prefix}\n{network}\
         ConfigureWithoutCarrier=yes\nIPv6DuplicateAddressDetection=0\n\n\
         [Route]\nDestination=224.0.0.0/4\nScope=link\n\n{}",
        identity.address,
        lease(site)
    )
}

/// Every other file that the site asks for; none for most sites.
pub(crate) fn files(site: &Site, node: Option<&SiteNode>) -> Vec<File> {
    let network = &site.network;
    let mut files = Vec::new();
    if let Some(bond) = network.bond {
        files.push(("10-ashlar-bond.netdev", bond_device(bond)));
        files.push((
            "11-ashlar-ports.network",
            format!(
                "{HEAD}[Match]\nType=ether\nKind=!*\n\n[Link]\nRequiredForOnline=no\n\n\
                 [Network]\nBond={BOND}\n"
            ),
        ));
    }
    if let Some(id) = network.vlan {
        let device = format!("{HEAD}[NetDev]\nName={VLAN}\nKind=vlan\n\n[VLAN]\nId={id}\n");
        files.push(("12-ashlar-uplink.netdev", device));
        files.push((
            "21-ashlar-uplink.network",
            format!(
                "{HEAD}[Match]\nName={VLAN}\n\n[Link]\nRequiredForOnline=no\n\n\
                 [Network]\n{}LinkLocalAddressing=ipv6\n\n{}",
                way_out(site, node),
                lease(site)
            ),
        ));
    }
    if network.wifi.is_some() {
        // A cable that leads out comes first.
        files.push((
            "30-ashlar-wifi.network",
            format!(
                "{HEAD}[Match]\nType=wlan\n\n[Link]\nRequiredForOnline=no\n\n\
                 [Network]\nDHCP=yes\nIgnoreCarrierLoss=3s\n\n{}RouteMetric=2048\n",
                lease(site)
            ),
        ));
    }
    if names_servers(site) {
        files.push(("80-ashlar-wired.network.d/10-site.conf", format!("{HEAD}{}", lease(site))));
    }
    files
}

/// One MAC address for as long as the box has its first port, as without a bond.
fn bond_device(bond: Bond) -> String {
    let rate = match bond {
        Bond::Lacp => "LACPTransmitRate=fast\nTransmitHashPolicy=layer3+4\n",
        Bond::ActiveBackup => "",
    };
    format!(
        "{HEAD}[NetDev]\nName={BOND}\nKind=bond\nMACAddress=none\n\n\
         [Bond]\nMode={}\nMIIMonitorSec=100ms\n{rate}",
        bond.as_str()
    )
}

/// Lines of `[Network]` for the way out: this box's own address, a lease, or
/// neither.
fn way_out(site: &Site, node: Option<&SiteNode>) -> String {
    let Some(address) = node.and_then(|node| node.uplink) else {
        return format!("DHCP={}\n", if site.network.dhcp { "yes" } else { "no" });
    };
    let mut lines = format!("DHCP=no\nAddress={address}\n");
    if let Some(gateway) = site.network.gateway {
        let _ = writeln!(lines, "Gateway={gateway}");
    }
    lines
}

fn names_servers(site: &Site) -> bool {
    !site.network.dns.is_empty() || !site.time.servers.is_empty()
}

/// What is taken from a lease besides the address: what the site says itself is
/// not.
fn lease(site: &Site) -> String {
    let mut text = String::from("[DHCPv4]\nUseHostname=no\nUseDomains=no\n");
    if !site.network.dns.is_empty() {
        text.push_str("UseDNS=no\n");
    }
    if !site.time.servers.is_empty() {
        text.push_str("UseNTP=no\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::site;
    use ashlar_cluster::NodeId;

    fn cluster_file(site: &Site) -> String {
        let identity = Identity {
            id: NodeId("ab".into()),
            name: "ashlar-ab".into(),
            address: [10, 83, 0, 1].into(),
        };
        cluster("enp1s0", &identity, site, site.network.node.first())
    }

    const PLAIN: &str = "# Written by ashlar-agent.
[Match]
Name=enp1s0

[Link]
RequiredForOnline=no
Multicast=yes

[Network]
DHCP=yes
LinkLocalAddressing=ipv6
Address=10.83.0.1/16
ConfigureWithoutCarrier=yes
IPv6DuplicateAddressDetection=0

[Route]
Destination=224.0.0.0/4
Scope=link

[DHCPv4]
UseHostname=no
UseDomains=no
";

    #[test]
    fn a_file_of_a_site_is_known_to_be_one_when_another_site_has_none() {
        let all = site(
            "[network]\nvlan = 20\nbond = '802.3ad'\ndns = ['192.168.7.1']\n\
             [network.wifi]\nssid = 'shop'\n",
        );
        let names: Vec<_> = files(&all, None).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, NAMES);
    }

    #[test]
    fn a_site_that_asks_for_nothing_gets_one_file_as_before() {
        assert_eq!(cluster_file(&site("")), PLAIN);
        assert_eq!(files(&site(""), None), []);
    }

    const NODE: &str = "[[network.node]]\nmac = '52:54:00:00:00:01'\nuplink = '192.168.7.21/24'\n";

    #[test]
    fn a_fixed_way_out_stands_on_the_cluster_s_link_and_asks_for_no_lease() {
        let site = site(&format!("[network]\ngateway = '192.168.7.1'\n{NODE}"));
        let fixed = "DHCP=no\nAddress=192.168.7.21/24\nGateway=192.168.7.1\n";
        assert_eq!(cluster_file(&site), PLAIN.replace("DHCP=yes\n", fixed));
    }

    #[test]
    fn a_vlan_takes_the_way_out_along_and_leaves_the_cluster_untagged() {
        let site = site(&format!("[network]\nvlan = 20\ngateway = '192.168.7.1'\n{NODE}"));
        let here = cluster_file(&site);
        assert!(here.contains("DHCP=no\n") && here.contains("Address=10.83.0.1/16\nVLAN=uplink\n"));
        assert!(!here.contains("192.168"), "{here}");
        let files = files(&site, site.network.node.first());
        let [(_, device), (_, way)] = files.as_slice() else { panic!("{files:?}") };
        assert!(device.contains("Name=uplink\nKind=vlan\n\n[VLAN]\nId=20\n"), "{device}");
        assert!(way.contains("Name=uplink") && way.contains("Gateway=192.168.7.1"), "{way}");
    }

    #[test]
    fn a_bond_takes_every_wired_port_before_any_other_file_does() {
        let files = files(&site("[network]\nbond = '802.3ad'"), None);
        let [(device, text), (ports, match_all)] = files.as_slice() else { panic!("{files:?}") };
        assert!(
            text.contains("Mode=802.3ad\n") && text.contains("LACPTransmitRate=fast"),
            "{text}"
        );
        assert!(match_all.contains("Type=ether\nKind=!*\n") && match_all.contains("Bond=bond0"));
        assert!(*device < CLUSTER && *ports < CLUSTER);
    }

    #[test]
    fn what_the_site_names_itself_is_not_taken_from_a_lease_on_any_port() {
        let site = site("[network]\ndns = ['192.168.7.1']\n[time]\nservers = ['ntp.shop.example']");
        assert!(cluster_file(&site).ends_with("UseDomains=no\nUseDNS=no\nUseNTP=no\n"));
        let files = files(&site, None);
        let [(name, text)] = files.as_slice() else { panic!("{files:?}") };
        assert_eq!(*name, "80-ashlar-wired.network.d/10-site.conf");
        assert!(text.contains("UseDNS=no"));
    }

    #[test]
    fn a_wireless_network_is_the_second_way_out() {
        let site = site("[network.wifi]\nssid = 'shop'\npassphrase = 'open sesame'");
        let files = files(&site, None);
        let [(_, text)] = files.as_slice() else { panic!("{files:?}") };
        assert!(text.contains("Type=wlan") && text.ends_with("RouteMetric=2048\n"), "{text}");
        assert!(!text.contains("sesame"), "everybody may read it");
    }
}
