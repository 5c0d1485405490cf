//! The phases that a node passes on its way from power-on to service.

use serde::{Deserialize, Serialize};

/// A phase, in the order in which they are passed. Each has a systemd target,
/// `ashlar-<phase>.target`, that other units can be wanted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The node knows its site, its id, its name and its cluster address.
    Identity,
    /// The node is a live member of the ring.
    Ring,
    /// The node belongs to a cluster and holds a certificate of its CA.
    Pki,
    /// The node carries a brick of the cluster volume and has it mounted.
    Storage,
    /// The node is an active member of the Swarm.
    Swarm,
    /// Every phase that the recipe wants holds now.
    Ready,
}

impl Phase {
    /// Every phase, first to last.
    pub const ALL: [Self; 6] =
        [Self::Identity, Self::Ring, Self::Pki, Self::Storage, Self::Swarm, Self::Ready];

    /// The lower-case word used in output, tags and unit names.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Ring => "ring",
            Self::Pki => "pki",
            Self::Storage => "storage",
            Self::Swarm => "swarm",
            Self::Ready => "ready",
        }
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Where one phase stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseState {
    /// Which phase.
    pub phase: Phase,
    /// Whether it holds at the moment of the observation.
    pub holds: bool,
    /// Why it does not hold, or what it holds with: one short line for a person.
    pub detail: String,
}
