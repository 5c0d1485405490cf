//! `GET /v1/status`: where this node stands.

use ashlar_cluster::{
    Alert, ClusterId, Identity, LeftBehind, MemberStatus, Part, Phase, Tenure, Wait,
};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The answer to `GET /v1/status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
    /// Stacks, as far as this node knows (managers only).
    #[serde(default)]
    pub stacks: Vec<StackView>,
    /// Partitions that can run full.
    #[serde(default)]
    pub disks: Vec<DiskView>,
    /// Where this image's book is on the web: the page of an alert is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub book: Option<String>,
    /// What the agent is about to do or doing, in plain words; empty when settled.
    pub doing: Vec<String>,
    /// The same one by one in the planner's exact words, as the history and the journal
    /// have them; empty if an older agent told only those.
    #[serde(default)]
    pub exactly: Vec<String>,
    /// The last error of a step, if the step has not succeeded since.
    pub trouble: Option<String>,
    /// What a person should know, the worst first.
    #[serde(default)]
    pub alerts: Vec<Alert>,
    /// Without whom this box, the second of two, could go on, if a person says that the
    /// first is gone for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub could_go_on_without: Option<LeftBehind>,
    /// What is wanted and not done yet, and what holds it back.
    #[serde(default)]
    pub waits: Vec<Wait>,
    /// How old what is shown is, part by part.
    #[serde(default)]
    pub parts: Vec<PartView>,
    /// Milliseconds since boot as the agent counts them, when it wrote this:
    /// what `since_ms` of an alert is to be compared with.
    #[serde(default)]
    pub now_ms: u64,
    /// Boot times.
    pub boot: BootTimes,
}

/// Seconds since power-on as the kernel counts them (`CLOCK_BOOTTIME`;
/// firmware and boot loader excluded).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BootTimes {
    /// When the real root's init started.
    pub userspace: f64,
    /// When the agent started.
    pub agent: f64,
}

/// One phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

/// When a part of the node was last looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PartView {
    /// Which.
    pub part: Part,
    /// Milliseconds since the last look at it ended.
    pub age_ms: u64,
    /// Why it says nothing, if it does not.
    pub silent: Option<String>,
    /// For how many milliseconds it has said nothing.
    pub silent_ms: u64,
}

/// A step that was done, or could not be: one line of the node's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Event {
    /// Version of this record.
    pub version: u32,
    /// When it ended, by the wall clock of that moment.
    pub at: String,
    /// The same in milliseconds since the boot that it happened in.
    pub since_boot_ms: u64,
    /// The phase that it worked towards.
    pub phase: Phase,
    /// What was to be done.
    pub step: String,
    /// Why.
    pub because: String,
    /// What kept it from being done; `None` if it was.
    #[serde(default)]
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// A ring member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MemberView {
    /// Host name.
    pub name: String,
    /// Cluster address.
    pub address: IpAddr,
    /// Liveness.
    pub status: MemberStatus,
    /// It belongs to the same cluster as this node.
    pub same_cluster: bool,
    /// How it stands in this node's cluster, if it is of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenure: Option<Tenure>,
    /// It votes and carries no data.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub witness: bool,
}

/// Storage in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StorageView {
    /// Volume name.
    pub volume: String,
    /// Copies of a file, a witness's brick not counted; 0 while there is no volume.
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

/// A stack of the Swarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StackView {
    /// Its name.
    pub name: String,
    /// Tasks that run.
    pub running: u64,
    /// Tasks that should run.
    pub desired: u64,
}

/// A partition that can run full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DiskView {
    /// What a person calls it: `state` or `data`.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// What is used of it, of a hundred parts.
    pub used_percent: u8,
}

/// Swarm in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

/// In words, as ctl and console show it.
impl std::fmt::Display for StorageView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.replicas == 0 {
            return write!(f, "no volume {} yet", self.volume);
        }
        let Self { volume, replicas, bricks_online, bricks, .. } = self;
        let copies = if *replicas == 1 { "copy" } else { "copies" };
        write!(f, "{volume}: {replicas} {copies}, {bricks_online} of {bricks} bricks up")?;
        f.write_str(if self.tls { ", TLS" } else { ", no TLS" })?;
        f.write_str(if self.mounted { ", mounted" } else { ", not mounted here" })?;
        match self.pending_heals {
            None | Some(0) => Ok(()),
            Some(1) => f.write_str(", 1 file to heal"),
            Some(files) => write!(f, ", {files} files to heal"),
        }
    }
}

/// In words, as ctl and console show it.
impl std::fmt::Display for SwarmView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use ashlar_cluster::SwarmLocal;
        match self.local {
            SwarmLocal::Inactive => return f.write_str("not joined yet"),
            SwarmLocal::Pending => return f.write_str("joining"),
            SwarmLocal::Error => {
                return f
                    .write_str("broken: the engine cannot work with what it knows of the Swarm");
            }
            SwarmLocal::Active => {}
        }
        f.write_str(match (self.leader, self.manager) {
            (true, _) => "leader",
            (false, true) => "manager",
            (false, false) => "worker",
        })?;
        match (self.manager, self.nodes) {
            (false, _) => Ok(()),
            // A manager lists nodes with quorum only.
            (true, 0) => f.write_str(", no quorum"),
            (true, nodes) => write!(f, ", {} of {nodes} nodes up", self.nodes_up),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ashlar_cluster::SwarmLocal;

    #[test]
    fn storage_tells_what_a_person_wants_to_know() {
        let mut view = StorageView {
            volume: "clusterfs".into(),
            replicas: 3,
            bricks_online: 2,
            bricks: 3,
            tls: true,
            mounted: true,
            pending_heals: Some(12),
        };
        assert_eq!(
            view.to_string(),
            "clusterfs: 3 copies, 2 of 3 bricks up, TLS, mounted, 12 files to heal"
        );
        view.replicas = 0;
        assert_eq!(view.to_string(), "no volume clusterfs yet");
    }

    #[test]
    fn a_worker_does_not_pretend_to_know_the_other_nodes() {
        let mut view = SwarmView {
            local: SwarmLocal::Active,
            manager: false,
            leader: false,
            nodes_up: 0,
            nodes: 0,
        };
        assert_eq!(view.to_string(), "worker");
        (view.manager, view.nodes_up, view.nodes) = (true, 2, 3);
        assert_eq!(view.to_string(), "manager, 2 of 3 nodes up");
        (view.nodes_up, view.nodes) = (0, 0);
        assert_eq!(view.to_string(), "manager, no quorum");
        view.local = SwarmLocal::Pending;
        assert_eq!(view.to_string(), "joining");
    }
}
