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
