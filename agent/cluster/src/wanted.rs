//! What the recipe and the site ask of this node.

use serde::{Deserialize, Serialize};

/// The wanted state: constant for the life of the agent process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Whether the recipe wants the ring (and with it the PKI).
    pub ring: bool,
    /// Whether the recipe wants replicated storage.
    pub storage: bool,
    /// Whether the recipe wants a Swarm.
    pub swarm: bool,
    /// Whether the profile is for one box by itself.
    #[serde(default)]
    pub solo: bool,
    /// Whether the profile is for a box that votes and carries no data.
    #[serde(default)]
    pub witness: bool,
    /// How many live nodes must be present before one of them founds the
    /// cluster; `None` lets a single node found after the settle window.
    pub expect: Option<u8>,
    /// How long the ring must have been unchanged before a node founds, in
    /// milliseconds.
    pub settle_ms: u64,
    /// How long a node that sees nobody must have had carrier before it founds
    /// without `expect`, in milliseconds: a switch with spanning tree forwards
    /// nothing for half a minute after a cable was plugged in.
    pub alone_ms: u64,
    /// How long a member that failed before it showed a cluster is waited for,
    /// in milliseconds: it may have founded one just before its power went.
    pub grace_ms: u64,
    /// How long a box that is lost keeps its place, in milliseconds.
    pub removal_ms: u64,
    /// Ring addresses (`ip` or `ip:port`) from the site to join besides those
    /// that mDNS finds.
    pub join: Vec<String>,
    /// The cluster volume's name.
    pub volume: String,
    /// The highest replica count of the cluster volume (1 to 3).
    pub replicas: u8,
    /// The highest number of Swarm managers: 1, 3, 5 or 7.
    pub managers: u8,
    /// The stacks that the recipe ships, kept deployed by the leader.
    pub stacks: Vec<StackFile>,
}

/// A stack that the image ships.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StackFile {
    /// Its name.
    pub name: String,
    /// A digest of its Compose file: another content is deployed anew.
    pub digest: String,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            ring: true,
            storage: true,
            swarm: true,
            solo: false,
            witness: false,
            expect: None,
            settle_ms: 10_000,
            alone_ms: 45_000,
            grace_ms: 300_000,
            removal_ms: 72 * 3_600_000,
            join: Vec::new(),
            volume: "clusterfs".into(),
            replicas: 3,
            managers: 3,
            stacks: Vec::new(),
        }
    }
}
