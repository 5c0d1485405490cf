//! Where boxes are: at an address that somebody gave, or found by mDNS, by which they
//! find each other.

use ashlar_api::PEOPLE_PORT;
use mdns_sd::{ScopedIp, ServiceDaemon, ServiceEvent};
use nix::sys::socket::{setsockopt, sockopt};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout_at};

/// How long boxes may take to answer on the network; once one has, the others have a
/// moment more.
const LISTEN: Duration = Duration::from_secs(3);
const MOMENT: Duration = Duration::from_millis(300);

/// The longest name of a service that the mDNS library takes.
const LONGEST_SERVICE: u8 = 30;

/// Where a box is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) address: SocketAddr,
    /// The port of this machine by which it was heard.
    link: Option<String>,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.address.ip())
    }
}

impl Place {
    /// `ADDRESS` or `ADDRESS:PORT`.
    pub(super) fn at(text: &str) -> Option<Self> {
        let plain = text.parse().map(|ip: IpAddr| SocketAddr::new(ip, PEOPLE_PORT));
        let address = plain.or_else(|_| text.parse()).ok()?;
        Some(Self { address, link: None })
    }

    /// Boxes tell their cluster addresses, for which this machine has no route as a
    /// rule. But they are on the cable by which they were heard: so the call goes out
    /// there, past the gateway.
    pub(super) async fn connect(&self) -> std::io::Result<TcpStream> {
        let socket = || {
            if self.address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }
        };
        if let Some(link) = &self.link {
            let on_the_cable = socket()?;
            on_the_cable.bind_device(Some(link.as_bytes()))?;
            setsockopt(&on_the_cable, sockopt::DontRoute, &true)?;
            if let Ok(stream) = on_the_cable.connect(self.address).await {
                return Ok(stream);
            }
        }
        socket()?.connect(self.address).await
    }
}

/// Boxes of a site that answer on this network, or the one of this name.
///
/// # Errors
/// When this machine cannot ask for them.
pub(super) async fn look(site: &str, name: Option<&str>) -> Result<Vec<Place>, mdns_sd::Error> {
    let daemon = ServiceDaemon::new()?;
    let places = hear(&daemon, site, name).await;
    // It ends with the process in any case.
    drop(daemon.shutdown());
    places
}

async fn hear(
    daemon: &ServiceDaemon,
    site: &str,
    name: Option<&str>,
) -> Result<Vec<Place>, mdns_sd::Error> {
    daemon.set_service_name_len_max(LONGEST_SERVICE)?;
    let service = format!("_serf_{site}._tcp.local.");
    let found = daemon.browse(&service)?;
    let wanted = name.map(|name| format!("{name}.{service}"));
    let mut places = Vec::new();
    let mut until = Instant::now() + LISTEN;
    while let Ok(Ok(event)) = timeout_at(until, found.recv_async()).await {
        let ServiceEvent::ServiceResolved(info) = event else { continue };
        if wanted.as_deref().is_some_and(|wanted| wanted != info.get_fullname()) {
            continue;
        }
        for ip in info.get_addresses() {
            let address = SocketAddr::new(ip.to_ip_addr(), PEOPLE_PORT);
            let links = match ip {
                ScopedIp::V4(v4) => v4.interface_ids().iter().map(|id| id.name.clone()).collect(),
                _ => Vec::new(),
            };
            places.extend(links.into_iter().map(|link| Place { address, link: Some(link) }));
        }
        if !places.is_empty() {
            until =
                if wanted.is_some() { Instant::now() } else { until.min(Instant::now() + MOMENT) };
        }
    }
    places.sort();
    places.dedup();
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_named_by_its_address_with_a_port_or_without() {
        let at = |text| Place::at(text).map(|place| place.address.to_string());
        assert_eq!(at("192.168.1.20").unwrap(), "192.168.1.20:7943");
        assert_eq!(at("192.168.1.20:443").unwrap(), "192.168.1.20:443");
        assert_eq!(at("fe80::1").unwrap(), "[fe80::1]:7943");
        assert_eq!(at("ashlar-4f0c21aa"), None);
    }
}
