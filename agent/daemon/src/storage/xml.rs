//! What `gluster --xml` prints. Fields that nobody here reads are left out.

use ashlar_cluster::{Brick, Peer, Volume};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Every answer has this form.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Output {
    pub(super) op_ret: i32,
    #[serde(default)]
    pub(super) op_errno: i32,
    #[serde(default)]
    pub(super) op_errstr: String,
    #[serde(default)]
    pub(super) output: String,
    #[serde(default)]
    peer_status: Option<PeerStatus>,
    #[serde(default)]
    vol_info: Option<VolInfo>,
    #[serde(default)]
    vol_status: Option<VolStatus>,
    #[serde(default)]
    heal_info: Option<HealInfo>,
}

#[derive(Debug, Deserialize)]
struct PeerStatus {
    #[serde(default)]
    peer: Vec<XmlPeer>,
}

#[derive(Debug, Deserialize)]
struct XmlPeer {
    #[serde(default)]
    hostname: String,
    #[serde(default)]
    hostnames: Hostnames,
    #[serde(default)]
    connected: u8,
    #[serde(default, rename = "stateStr")]
    state: String,
}

#[derive(Debug, Default, Deserialize)]
struct Hostnames {
    #[serde(default)]
    hostname: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct VolInfo {
    volumes: VolInfoVolumes,
}

#[derive(Debug, Deserialize)]
struct VolInfoVolumes {
    #[serde(default)]
    volume: Vec<XmlVolume>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct XmlVolume {
    name: String,
    status_str: String,
    replica_count: u8,
    bricks: XmlBricks,
    #[serde(default)]
    options: Options,
}

#[derive(Debug, Deserialize)]
struct XmlBricks {
    #[serde(default)]
    brick: Vec<XmlBrick>,
}

/// Its text repeats the name; only the element is read.
#[derive(Debug, Deserialize)]
struct XmlBrick {
    name: String,
}

#[derive(Debug, Default, Deserialize)]
struct Options {
    #[serde(default)]
    option: Vec<XmlOption>,
}

#[derive(Debug, Deserialize)]
struct XmlOption {
    name: String,
    #[serde(default)]
    value: String,
}

#[derive(Debug, Deserialize)]
struct VolStatus {
    volumes: VolStatusVolumes,
}

#[derive(Debug, Deserialize)]
struct VolStatusVolumes {
    #[serde(default)]
    volume: Vec<VolStatusVolume>,
}

#[derive(Debug, Deserialize)]
struct VolStatusVolume {
    #[serde(default)]
    node: Vec<XmlNode>,
}

/// A brick, or a daemon such as the self-heal daemon.
#[derive(Debug, Deserialize)]
struct XmlNode {
    hostname: String,
    #[serde(default)]
    path: String,
    #[serde(default)]
    status: u8,
}

#[derive(Debug, Deserialize)]
struct HealInfo {
    bricks: HealBricks,
}

#[derive(Debug, Deserialize)]
struct HealBricks {
    #[serde(default)]
    brick: Vec<HealBrick>,
}

#[derive(Debug, Deserialize)]
struct HealBrick {
    #[serde(default, rename = "totalNumberOfEntries")]
    entries: String,
}

/// Parses an answer.
pub(super) fn parse(text: &str) -> Result<Output, quick_xml::DeError> {
    quick_xml::de::from_str(text)
}

impl Output {
    /// The peers besides this node. One that is known by name only is left out:
    /// it gets its address when it is probed by that.
    pub(super) fn peers(&self) -> Vec<Peer> {
        let address = |p: &XmlPeer| -> Option<IpAddr> {
            let names = std::iter::once(&p.hostname).chain(&p.hostnames.hostname);
            names.into_iter().find_map(|name| name.parse().ok())
        };
        let peers = self.peer_status.iter().flat_map(|s| &s.peer);
        peers
            .filter_map(|p| {
                Some(Peer {
                    address: address(p)?,
                    connected: p.connected == 1,
                    in_cluster: p.state == "Peer in Cluster",
                })
            })
            .collect()
    }

    /// The volume of that name and its options, if there is one.
    pub(super) fn volume(&self, name: &str) -> Option<(Volume, BTreeMap<String, String>)> {
        let volumes = self.vol_info.iter().flat_map(|i| &i.volumes.volume);
        let found = volumes.into_iter().find(|v| v.name == name)?;
        let options: BTreeMap<_, _> =
            found.options.option.iter().map(|o| (o.name.clone(), o.value.clone())).collect();
        let bricks = found.bricks.brick.iter().filter_map(|b| {
            let (host, _) = b.name.rsplit_once(":/")?;
            Some(Brick { address: host.parse().ok()?, online: false })
        });
        let volume = Volume {
            started: found.status_str == "Started",
            replicas: found.replica_count,
            bricks: bricks.collect(),
            ..Volume::default()
        };
        Some((volume, options))
    }

    /// Addresses of the bricks whose process runs. Daemons are listed beside
    /// bricks, with a word for a host name and an address for a path.
    pub(super) fn bricks_online(&self) -> Vec<IpAddr> {
        let volumes = self.vol_status.iter().flat_map(|s| &s.volumes.volume);
        volumes
            .flat_map(|v| &v.node)
            .filter(|n| n.status == 1 && n.path.starts_with('/'))
            .filter_map(|n| n.hostname.parse().ok())
            .collect()
    }

    /// Entries that await healing, over all bricks; `None` if a brick could not
    /// say (it prints a dash).
    pub(super) fn pending_heals(&self) -> Option<u64> {
        let bricks = &self.heal_info.as_ref()?.bricks.brick;
        // Bricks that are down cannot say; what their healthy copies hold for
        // them is listed on those.
        let known: Vec<u64> = bricks.iter().filter_map(|b| b.entries.parse().ok()).collect();
        (!known.is_empty()).then(|| known.iter().sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ip(last: [u8; 2]) -> IpAddr {
        IpAddr::from([10, 83, last[0], last[1]])
    }

    #[test]
    fn connected_peers_are_listed_by_address() {
        let output = parse(include_str!("fixtures/peer-status.xml")).unwrap();
        let peer = |last| Peer { address: ip(last), connected: true, in_cluster: true };
        assert_eq!(output.peers(), [peer([251, 215]), peer([56, 136])]);
    }

    #[test]
    fn a_volume_that_does_not_exist_is_none_and_no_error_of_ours() {
        let output = parse(include_str!("fixtures/volume-none.xml")).unwrap();
        assert_eq!((output.op_ret, output.op_errno), (-1, 30806));
        assert!(output.volume("clusterfs").is_none());
    }

    #[test]
    fn a_volume_of_three_replicas_has_its_bricks_in_order() {
        let output = parse(include_str!("fixtures/volume-3.xml")).unwrap();
        let (volume, options) = output.volume("clusterfs").unwrap();
        assert!(volume.started);
        assert_eq!(volume.replicas, 3);
        let addresses: Vec<_> = volume.bricks.iter().map(|b| b.address).collect();
        assert_eq!(addresses, [ip([100, 37]), ip([251, 215]), ip([56, 136])]);
        assert_eq!(options["server.ssl"], "on");
        assert_eq!(options["network.ping-timeout"], "10");
    }

    #[test]
    fn the_self_heal_daemon_is_not_taken_for_a_brick() {
        let output = parse(include_str!("fixtures/status-3.xml")).unwrap();
        assert_eq!(output.bricks_online(), [ip([100, 37]), ip([251, 215]), ip([56, 136])]);
    }

    #[test]
    fn entries_that_await_healing_are_summed() {
        let output = parse(include_str!("fixtures/heal-3.xml")).unwrap();
        assert_eq!(output.pending_heals(), Some(1));
    }

    proptest! {
        #[test]
        fn whatever_text_comes_nothing_panics(text in "\\PC{0,200}", cut in 0_usize..4000) {
            let _ = parse(&text);
            let whole = include_str!("fixtures/volume-3.xml");
            if let Ok(output) = parse(whole.get(..cut).unwrap_or(whole)) {
                let _ = (output.peers(), output.volume("clusterfs"), output.bricks_online());
            }
        }
    }
}
