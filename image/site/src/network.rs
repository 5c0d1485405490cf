//! `[network]`: addresses, and everything else that a shop's network asks for.

use crate::SecretText;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr};

/// `[network]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct NetworkPlan {
    /// Each node takes one address of this network, derived from its id, for
    /// the whole of its life; cluster traffic uses nothing else.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub cluster: Ipv4Net,
    /// Ask for a DHCP lease as well (for the way out). A box with an `uplink` of
    /// its own asks for none.
    pub dhcp: bool,
    /// Ring addresses to join besides those that mDNS finds: `ip` or `ip:port`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub join: Vec<String>,
    /// Name servers, instead of those that a lease names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<IpAddr>,
    /// Domains that names without a dot are looked for in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
    /// The router of the boxes' fixed `uplink` addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Ipv4Addr>,
    /// The VLAN of the way out, 1 to 4094: lease or `uplink` address are taken
    /// there. The cluster's own network stays untagged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    /// All wired ports of a box are one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bond: Option<Bond>,
    /// A wireless network, for the way out: the cluster itself wants a cable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wifi: Option<Wifi>,
    /// The proxy by which the container engine reaches registries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Proxy>,
    /// Networks that containers are given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pools: Option<Pools>,
    /// What is fixed for single boxes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub node: Vec<SiteNode>,
}

/// `[[network.node]]`: what is fixed for one box, known by a MAC address or by
/// its serial number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SiteNode {
    /// MAC address of any of its wired ports, `aa:bb:cc:dd:ee:ff`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// Its serial number, as its firmware tells it and its label says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Its cluster address, inside `network.cluster`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// Its address in the shop's network with the length of that network,
    /// `192.168.7.21/24`, instead of a lease.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub uplink: Option<Ipv4Net>,
    /// It votes and carries no data.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub witness: bool,
}

/// How wired ports are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Bond {
    /// One port works, the others wait; any switch will do.
    #[serde(rename = "active-backup")]
    ActiveBackup,
    /// All work together by LACP, which the switch must be told.
    #[serde(rename = "802.3ad")]
    Lacp,
}

impl Bond {
    /// Its name, as the site and networkd write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ActiveBackup => "active-backup",
            Self::Lacp => "802.3ad",
        }
    }
}

/// `[network.wifi]`. Needs a profile with the firmware and the `wifi` overlay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Wifi {
    /// The network's name.
    pub ssid: String,
    /// Its passphrase, for WPA2 or WPA3. Without one the network is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub passphrase: Option<SecretText>,
}

/// `[network.proxy]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Proxy {
    /// For addresses of http: `http://[user:password@]host:port`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub http: Option<SecretText>,
    /// For addresses of https.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub https: Option<SecretText>,
    /// Hosts, `.domains` and networks that are reached without it, besides the
    /// box itself and the cluster.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
}

/// `[network.pools]`: what containers' networks are cut from, in pieces of a /24.
/// Nothing of the shop's own may lie in them: containers would not reach it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Pools {
    /// Networks inside one box.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub containers: Ipv4Net,
    /// Networks of the Swarm, across boxes. Taken when the Swarm begins, and for its
    /// whole life.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub overlay: Ipv4Net,
}

impl Pools {
    /// The length of the pieces.
    pub const PIECE: u8 = 24;
}

impl Default for Pools {
    fn default() -> Self {
        // 198.18.0.0/15 is set aside for measuring (RFC 2544): no shop is there, and
        // no router hands it out.
        Self {
            containers: Ipv4Net::new_assert(Ipv4Addr::new(198, 19, 0, 0), 16),
            overlay: Ipv4Net::new_assert(Ipv4Addr::new(198, 18, 0, 0), 16),
        }
    }
}

impl NetworkPlan {
    /// The networks that containers are given.
    #[must_use]
    pub fn pools(&self) -> Pools {
        self.pools.unwrap_or_default()
    }

    /// What is fixed for the box with these MAC addresses and this serial number.
    #[must_use]
    pub fn node_of(&self, macs: &[impl AsRef<str>], serial: Option<&str>) -> Option<&SiteNode> {
        self.node.iter().find(|node| node.is(macs, serial))
    }

    /// The same without passphrase and passwords: what may be shown.
    #[must_use]
    pub fn without_secrets(&self) -> Self {
        let mut plan = self.clone();
        if let Some(wifi) = &mut plan.wifi {
            wifi.passphrase = wifi.passphrase.as_ref().map(|_| SecretText::new("…".into()));
        }
        for url in plan.proxy.iter_mut().flat_map(|proxy| [&mut proxy.http, &mut proxy.https]) {
            *url = url.as_ref().map(|url| SecretText::new(without_password(url.expose())));
        }
        plan
    }
}

impl SiteNode {
    /// A box with this MAC address and nothing fixed yet.
    #[must_use]
    pub fn by_mac(mac: impl Into<String>) -> Self {
        Self { mac: Some(mac.into()), ..Self::default() }
    }

    /// The same at a fixed cluster address.
    #[must_use]
    pub fn at(self, address: IpAddr) -> Self {
        Self { address: Some(address), ..self }
    }

    /// Whether it is the box with these MAC addresses and this serial number.
    #[must_use]
    pub fn is(&self, macs: &[impl AsRef<str>], serial: Option<&str>) -> bool {
        let by_mac = |own: &str| macs.iter().any(|mac| mac.as_ref().eq_ignore_ascii_case(own));
        let by_serial = |own: &str| serial.is_some_and(|serial| serial.trim() == own);
        self.mac.as_deref().is_some_and(by_mac) || self.serial.as_deref().is_some_and(by_serial)
    }

    /// What it is known by, for a person.
    #[must_use]
    pub fn known_by(&self) -> String {
        let serial = self.serial.as_ref().map(|serial| format!("serial {serial}"));
        self.mac.iter().cloned().chain(serial).collect::<Vec<_>>().join(", ")
    }
}

impl Default for NetworkPlan {
    fn default() -> Self {
        Self {
            // 10.83.0.0/16: rarely used by shop routers, and wide enough that two
            // random ids seldom meet (the node probes before it takes one).
            cluster: Ipv4Net::new_assert(Ipv4Addr::new(10, 83, 0, 0), 16),
            dhcp: true,
            join: Vec::new(),
            dns: Vec::new(),
            search: Vec::new(),
            gateway: None,
            vlan: None,
            bond: None,
            wifi: None,
            proxy: None,
            pools: None,
            node: Vec::new(),
        }
    }
}

/// `http://user:password@host` as `http://…@host`.
fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_shown_has_no_passphrase_and_no_password() {
        let text = |text: &str| Some(SecretText::new(text.into()));
        let plan = NetworkPlan {
            wifi: Some(Wifi { ssid: "shop".into(), passphrase: text("open sesame") }),
            proxy: Some(Proxy {
                http: text("http://till:s3cret@10.0.0.1:3128"),
                https: text("http://10.0.0.1:3128"),
                except: Vec::new(),
            }),
            ..NetworkPlan::default()
        };
        let shown = toml::to_string(&plan.without_secrets()).unwrap();
        assert!(!shown.contains("sesame") && !shown.contains("s3cret"), "{shown}");
        assert!(shown.contains("http://…@10.0.0.1:3128") && shown.contains("ssid = \"shop\""));
        assert!(!format!("{plan:?}").contains("sesame"));
    }

    #[test]
    fn a_box_is_known_by_any_of_its_ports_or_by_its_serial_number() {
        let plan = NetworkPlan {
            node: vec![
                SiteNode::by_mac("52:54:00:aa:bb:cc"),
                SiteNode { serial: Some("CZC123".into()), ..SiteNode::default() },
            ],
            ..NetworkPlan::default()
        };
        let known = |macs: &[&str], serial| plan.node_of(macs, serial).map(SiteNode::known_by);
        assert_eq!(
            known(&["00:00:00:00:00:01", "52:54:00:AA:BB:CC"], None),
            Some("52:54:00:aa:bb:cc".into())
        );
        assert_eq!(known(&["00:00:00:00:00:01"], Some("CZC123 ")), Some("serial CZC123".into()));
        assert_eq!(known(&[], Some("CZC124")), None);
    }
}
