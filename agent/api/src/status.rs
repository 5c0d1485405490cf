//! `GET /v1/status`: where this node stands.

use ashlar_cluster::{ClusterId, Identity, MemberStatus, Phase};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The answer to `GET /v1/status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Release of the image.
    pub release: String,
    /// Recipe that the image was made from.
    pub profile: String,
    /// Site name, once a site was imported.
    pub site: Option<String>,
    /// This node, once it has an identity.
    pub identity: Option<Identity>,
    /// Its cluster, once it belongs to one.
    pub cluster: Option<ClusterId>,
    /// Every wanted phase in order.
    pub phases: Vec<PhaseStatus>,
    /// All wanted phases hold.
    pub ready: bool,
    /// Ring members.
    pub members: Vec<MemberView>,
    /// Storage in short; `None` without storage.
    pub storage: Option<StorageView>,
    /// Swarm in short; `None` without Swarm.
    pub swarm: Option<SwarmView>,
    /// What the agent is about to do or doing, in words; empty when settled.
    pub doing: Vec<String>,
    /// The last error of a step, if the step has not succeeded since.
    pub trouble: Option<String>,
    /// Boot times.
    pub boot: BootTimes,
}

/// Seconds since power-on as the kernel counts them (`CLOCK_BOOTTIME`;
/// firmware and boot loader excluded).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BootTimes {
    /// When the real root's init started.
    pub userspace: f64,
    /// When the agent started.
    pub agent: f64,
}

/// One phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseStatus {
    /// Which.
    pub phase: Phase,
    /// Whether it holds now.
    pub holds: bool,
    /// Seconds since boot when it first held in this boot.
    pub reached: Option<f64>,
    /// One line for a person.
    pub detail: String,
}

/// A ring member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberView {
    /// Host name.
    pub name: String,
    /// Cluster address.
    pub address: IpAddr,
    /// Liveness.
    pub status: MemberStatus,
    /// It belongs to the same cluster as this node.
    pub same_cluster: bool,
}

/// Storage in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageView {
    /// Volume name.
    pub volume: String,
    /// Replica count; 0 while there is no volume.
    pub replicas: u8,
    /// Bricks whose process runs.
    pub bricks_online: usize,
    /// All bricks.
    pub bricks: usize,
    /// TLS on.
    pub tls: bool,
    /// Mounted here.
    pub mounted: bool,
    /// Entries that await healing, if known.
    pub pending_heals: Option<u64>,
}

/// Swarm in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwarmView {
    /// `inactive`, `pending`, `active`, `error`.
    pub local: ashlar_cluster::SwarmLocal,
    /// This node manages.
    pub manager: bool,
    /// This node leads.
    pub leader: bool,
    /// Nodes that are up / all, as far as this node knows (managers only).
    pub nodes_up: usize,
    /// All nodes.
    pub nodes: usize,
}
