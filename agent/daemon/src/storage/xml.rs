//! What `gluster --xml` prints. Fields that nobody here reads are left out.

use ashlar_cluster::{Brick, Peer, Volume};
use nix::unistd::Pid;
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
    #[serde(default)]
    vol_rebalance: Option<Moving>,
}

/// A rebalance; it has no id while there was none.
#[derive(Debug, Deserialize)]
pub(super) struct Moving {
    #[serde(default, rename = "task-id")]
    pub(super) id: String,
    /// What each box does of it that can be asked.
    #[serde(default, rename = "node")]
    pub(super) parts: Vec<MovingPart>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MovingPart {
    #[serde(rename = "nodeName")]
    name: String,
    #[serde(default)]
    pub(super) failures: u64,
    pub(super) status: u8,
    #[serde(default, rename = "statusStr")]
    pub(super) words: String,
}

impl MovingPart {
    /// Where; `None` is the box that was asked.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.name.parse().ok()
    }
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
#[serde(rename_all = "camelCase")]
struct XmlBrick {
    name: String,
    #[serde(default)]
    is_arbiter: u8,
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
    /// `N/A` of what does not listen or does not run.
    #[serde(default)]
    port: String,
    #[serde(default)]
    pid: String,
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

/// What a self-heal daemon is called where a brick has its host.
const HEALER: &str = "Self-heal Daemon";

/// What runs of a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Processes {
    /// Addresses of the bricks that run.
    pub(super) bricks: Vec<IpAddr>,
    /// Where a self-heal daemon should run and does not; `None` is this node.
    pub(super) healers_down: Vec<Option<IpAddr>>,
    /// Where the bricks that run listen.
    pub(super) ports: BTreeMap<IpAddr, u16>,
    /// The process of this node's self-heal daemon.
    pub(super) healer_here: Option<Pid>,
}

impl Processes {
    /// Addresses without a self-heal daemon; this node's own is `own`.
    pub(super) fn healers_down(&self, own: Option<IpAddr>) -> Vec<IpAddr> {
        self.healers_down.iter().filter_map(|address| address.or(own)).collect()
    }
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
            let arbiter = b.is_arbiter == 1;
            Some(Brick { address: host.parse().ok()?, online: false, arbiter })
        });
        let volume = Volume {
            started: found.status_str == "Started",
            replicas: found.replica_count,
            bricks: bricks.collect(),
            ..Volume::default()
        };
        Some((volume, options))
    }

    /// The bricks of that volume by address, as GlusterFS calls them.
    pub(super) fn brick_names(&self, volume: &str) -> BTreeMap<IpAddr, String> {
        let volumes = self.vol_info.iter().flat_map(|i| &i.volumes.volume);
        let bricks = volumes.filter(|v| v.name == volume).flat_map(|v| &v.bricks.brick);
        let named = |b: &XmlBrick| {
            let (host, _) = b.name.rsplit_once(":/")?;
            Some((host.parse().ok()?, b.name.clone()))
        };
        bricks.filter_map(named).collect()
    }

    /// What runs of the volume. Daemons are listed beside bricks, with a word
    /// for a host name and an address for a path.
    pub(super) fn processes(&self) -> Processes {
        let volumes = self.vol_status.iter().flat_map(|s| &s.volumes.volume);
        let nodes = || volumes.clone().flat_map(|v| &v.node);
        let bricks = nodes().filter(|n| n.status == 1 && n.path.starts_with('/'));
        let listens = |n: &XmlNode| Some((n.hostname.parse().ok()?, n.port.parse().ok()?));
        let healers = nodes().filter(|n| n.hostname == HEALER);
        let down = healers.clone().filter(|n| n.status != 1);
        // It alone is not called by an address.
        let mut here = healers.filter(|n| n.status == 1 && n.path.parse::<IpAddr>().is_err());
        Processes {
            ports: bricks.clone().filter_map(listens).collect(),
            bricks: bricks.filter_map(|n| n.hostname.parse().ok()).collect(),
            healers_down: down.map(|n| n.path.parse().ok()).collect(),
            healer_here: here.find_map(|n| n.pid.parse().ok()).map(Pid::from_raw),
        }
    }

    /// The last rebalance, if there ever was one.
    pub(super) fn moving(&self) -> Option<&Moving> {
        self.vol_rebalance.as_ref().filter(|moving| !moving.id.is_empty())
    }

    /// Entries that await healing, over all bricks; `None` if a brick could not
    /// say (it prints a dash).
    pub(super) fn pending_heals(&self) -> Option<u64> {
        let bricks = &self.heal_info.as_ref()?.bricks.brick;
        let known: Option<Vec<u64>> = bricks.iter().map(|b| b.entries.parse().ok()).collect();
        known.filter(|known| !known.is_empty()).map(|known| known.iter().sum())
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
    fn a_volume_of_two_sets_has_three_copies_and_six_bricks() {
        let output = parse(include_str!("fixtures/volume-6.xml")).unwrap();
        let (volume, options) = output.volume("clusterfs").unwrap();
        assert_eq!((volume.replicas, volume.bricks.len()), (3, 6));
        assert!(volume.has_whole_sets());
        assert_eq!(volume.sets().count(), 2);
        assert_eq!(options["user.ashlar-spread"], "1");
    }

    #[test]
    fn the_brick_of_a_witness_is_told_from_a_copy() {
        let text = include_str!("fixtures/volume-3.xml");
        let (two, third) = text.split_at(text.rfind("<isArbiter>").unwrap());
        let witness =
            format!("{}{}", two.replace("brick</name>", "x</name>"), third.replacen('0', "1", 1));
        let output = parse(&witness).unwrap();
        let (volume, _) = output.volume("clusterfs").unwrap();
        assert_eq!(volume.arbiter().map(|b| b.address), Some(ip([56, 136])));
        assert_eq!(volume.full().count(), 2);
        let names = output.brick_names("clusterfs");
        assert_eq!(names[&ip([56, 136])], "10.83.56.136:/data/bricks/clusterfs/x");
    }

    #[test]
    fn the_self_heal_daemon_is_not_taken_for_a_brick() {
        let output = parse(include_str!("fixtures/status-3.xml")).unwrap();
        let processes = output.processes();
        assert_eq!(processes.bricks, [ip([100, 37]), ip([251, 215]), ip([56, 136])]);
        assert!(processes.healers_down(Some(ip([100, 37]))).is_empty());
    }

    #[test]
    fn a_self_heal_daemon_that_does_not_run_is_found_here_and_elsewhere() {
        let text = include_str!("fixtures/status-3.xml");
        let (bricks, healers) = text.split_at(text.find(HEALER).unwrap());
        let dead = format!("{bricks}{}", healers.replacen("<status>1", "<status>0", 2));
        let processes = parse(&dead).unwrap().processes();
        assert_eq!(processes.bricks.len(), 3);
        assert_eq!(processes.healers_down(Some(ip([100, 37]))), [ip([100, 37]), ip([251, 215])]);
    }

    #[test]
    fn what_is_to_heal_is_unknown_while_a_brick_cannot_say() {
        let text = include_str!("fixtures/heal-3.xml");
        let count = "<totalNumberOfEntries>0</totalNumberOfEntries>";
        let dash = text.replacen(count, "<totalNumberOfEntries>-</totalNumberOfEntries>", 1);
        assert_eq!(parse(&dash).unwrap().pending_heals(), None);
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
                let _ = (output.peers(), output.volume("clusterfs"), output.processes());
            }
        }
    }
}
