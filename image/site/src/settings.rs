//! What a recipe tells the agent: the `[agent]` table of a recipe, written into
//! the image as `/usr/lib/ashlar/agent.toml`.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Feature settings of the agent. Every field has a default, so that an empty
/// table is a working node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct AgentSettings {
    /// The ring; without it the node stays alone.
    pub ring: RingSettings,
    /// Storage for applications.
    pub storage: StorageSettings,
    /// The container cluster.
    pub swarm: SwarmSettings,
}

/// `[agent.ring]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RingSettings {
    /// Whether this profile has the ring (and with it the PKI).
    pub enabled: bool,
    /// Seconds for which the ring must be unchanged before a node founds a cluster.
    pub settle_seconds: u64,
}

/// `[agent.storage]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct StorageSettings {
    /// Whether this profile has storage for applications, at `/srv/cluster`.
    pub enabled: bool,
    /// What keeps it.
    pub driver: StorageDriver,
    /// Name of the cluster volume.
    pub volume: String,
    /// Highest replica count, 1 to 3.
    pub replicas: u8,
    /// Whether a box of this profile votes and carries no data, whatever its disk.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub witness: bool,
}

/// What keeps the files of `/srv/cluster`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum StorageDriver {
    /// GlusterFS: a copy on up to three boxes.
    #[default]
    Gluster,
    /// A directory of the data partition, for a profile of one box: it looks for no
    /// other, and takes none in.
    Local,
}

/// `[agent.swarm]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SwarmSettings {
    /// Whether this profile has a Swarm.
    pub enabled: bool,
    /// Highest number of managers: 1, 3, 5 or 7.
    pub managers: u8,
}

impl Default for RingSettings {
    fn default() -> Self {
        Self { enabled: false, settle_seconds: 10 }
    }
}

impl Default for StorageSettings {
    fn default() -> Self {
        Self {
            enabled: false,
            driver: StorageDriver::default(),
            volume: "clusterfs".into(),
            replicas: 3,
            witness: false,
        }
    }
}

impl Default for SwarmSettings {
    fn default() -> Self {
        Self { enabled: false, managers: 3 }
    }
}
