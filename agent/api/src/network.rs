//! `GET /v1/network`: this box's ports, as they are now. `POST` tries another network.

use crate::{Client, ClientError, NetworkChange, Secret, route};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The answer to `GET /v1/network`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Network {
    /// Ports that a cable goes into, then radio, then what software made.
    pub links: Vec<LinkView>,
    /// Where packets to everywhere else go.
    pub gateways: Vec<IpAddr>,
    /// Who is asked for names.
    pub name_servers: Vec<IpAddr>,
}

/// The body of `POST /v1/network`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NetworkRequest {
    /// What is asked for.
    pub verb: NetworkVerb,
    /// Of a way out say what would come of it, and do nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// The site's PIN, typed at the box's own screen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<Secret>,
}

/// What is asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum NetworkVerb {
    /// How a change stands.
    Look,
    /// Try the network of this site: the text of its `site.toml`. It is kept when
    /// whoever answered before answers under it, and undone otherwise.
    Set(Secret),
    /// Try another way out of this one box, with its site as it is otherwise; kept and
    /// undone as above.
    WayOut(WayOut),
    /// Keep what is tried, whatever answers.
    Confirm,
    /// Take back what is tried; or end the message of a change that was undone.
    Revert,
}

/// The answer to `POST /v1/network`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NetworkAnswer {
    /// A change that is tried or was undone; none once it is kept.
    pub change: Option<NetworkChange>,
    /// For how many seconds more it is tried, if nobody answers under it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_s: Option<u64>,
    /// What this box's site says of its way out; none while it has no site, and while its
    /// agent starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way_out: Option<WayOut>,
    /// What would come of a way out that was only asked about, a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
}

/// How one box gets out, as a person types it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct WayOut {
    /// Its address with the length of its network, `192.168.7.21/24`; none: a lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The router of that address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// Name servers, instead of those that a lease names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

impl std::fmt::Display for WayOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.address, &self.gateway) {
            (None, _) => f.write_str("a lease (DHCP)")?,
            (Some(address), Some(gateway)) => write!(f, "{address}, router {gateway}")?,
            (Some(address), None) => write!(f, "{address}, no router")?,
        }
        if self.names.is_empty() {
            let whose = if self.address.is_none() { "the lease's" } else { "no" };
            return write!(f, ", with {whose} name servers");
        }
        write!(f, ", with the name servers {}", self.names.join(" "))
    }
}

/// One port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LinkView {
    /// What the kernel calls it.
    pub name: String,
    /// What it is.
    pub kind: LinkKind,
    /// Its MAC address, in lower case.
    pub mac: Option<String>,
    /// Something answers at the other end.
    pub carrier: bool,
    /// Megabits a second, where it tells.
    pub speed_mbit: Option<u32>,
    /// Its addresses.
    pub addresses: Vec<LinkAddress>,
}

/// What a port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum LinkKind {
    /// A cable goes in.
    Wired,
    /// A radio.
    Wireless,
    /// Made by software: a bridge of containers, for example.
    Virtual,
}

/// An address with the length of its network's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LinkAddress {
    /// The address.
    pub address: IpAddr,
    /// How many bits of it are the network's.
    pub prefix: u8,
}

impl LinkAddress {
    /// It works on its own cable only (`fe80::…`, `169.254.…`).
    #[must_use]
    pub const fn is_of_the_link(&self) -> bool {
        match self.address {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.is_unicast_link_local(),
        }
    }
}

impl std::fmt::Display for LinkAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl LinkView {
    /// Whether a cable is in, and how fast it is, in words.
    #[must_use]
    pub fn state(&self) -> String {
        match (self.carrier, self.speed_mbit, self.kind) {
            (true, Some(mbit), _) if mbit >= 1000 && mbit % 500 == 0 => {
                format!("up, {} Gbit/s", f64::from(mbit) / 1000.0)
            }
            (true, Some(mbit), _) => format!("up, {mbit} Mbit/s"),
            (true, None, _) => "up".into(),
            (false, _, LinkKind::Wired) => "no cable".into(),
            (false, ..) => "down".into(),
        }
    }
}

impl Client {
    /// Asks for a change of the network, or how one stands.
    ///
    /// # Errors
    /// As [`Connection::get`](crate::Connection::get); a change is refused to anyone but
    /// root and the screen.
    pub async fn change_network(
        &self,
        request: &NetworkRequest,
    ) -> Result<NetworkAnswer, ClientError> {
        self.connect().await?.post(route::NETWORK, request).await
    }

    /// The ports of this node.
    ///
    /// # Errors
    /// As [`Connection::get`](crate::Connection::get).
    pub async fn network(&self) -> Result<Network, ClientError> {
        self.connect().await?.get(route::NETWORK).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_out_is_told_in_one_line() {
        let text = |text: &str| Some(text.to_owned());
        let lease = WayOut::default();
        assert_eq!(lease.to_string(), "a lease (DHCP), with the lease's name servers");
        let alone = WayOut { address: text("192.168.7.21/24"), ..lease };
        assert_eq!(alone.to_string(), "192.168.7.21/24, no router, with no name servers");
        let names = vec!["9.9.9.9".to_owned(), "1.1.1.1".to_owned()];
        let all = WayOut { gateway: text("192.168.7.1"), names, ..alone };
        let words = "192.168.7.21/24, router 192.168.7.1, with the name servers 9.9.9.9 1.1.1.1";
        assert_eq!(all.to_string(), words);
    }

    #[test]
    fn a_port_says_whether_a_cable_is_in_it() {
        let link = |carrier, speed_mbit| LinkView {
            name: "eno1".into(),
            kind: LinkKind::Wired,
            mac: None,
            carrier,
            speed_mbit,
            addresses: Vec::new(),
        };
        assert_eq!(link(false, None).state(), "no cable");
        assert_eq!(link(true, None).state(), "up");
        assert_eq!(link(true, Some(100)).state(), "up, 100 Mbit/s");
        assert_eq!(link(true, Some(2500)).state(), "up, 2.5 Gbit/s");
        assert_eq!(link(true, Some(10_000)).state(), "up, 10 Gbit/s");
    }
}
