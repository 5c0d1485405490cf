//! What a plan can contain. Each step is idempotent: doing it twice, or again
//! after a power cut half-way, ends in the same state.

use crate::{ClusterId, NodeId};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// An ordered list of steps. The daemon executes them in order and stops at
/// the first failure; the next observation starts a new plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What to do, each with its reason.
    pub steps: Vec<Planned>,
}

/// A step and why it is there, in words for the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// What to do.
    pub step: Step,
    /// Why, as a short sentence.
    pub because: String,
}

/// A systemd service that the planner starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Daemon {
    /// The gossip ring.
    Ring,
    /// GlusterFS management daemon.
    Storage,
    /// Docker.
    Engine,
}

/// Which role a node takes in the Swarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SwarmRole {
    /// Votes in Raft.
    Manager,
    /// Runs tasks only.
    Worker,
}

/// One effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Step {
    /// Make the node id, host name and cluster address, and write them to state.
    MakeIdentity,
    /// Start a daemon's unit (writing its configuration first).
    Start {
        /// Which.
        daemon: Daemon,
    },
    /// Ask the ring daemon to join these addresses.
    JoinRing {
        /// `ip` or `ip:port`.
        addresses: Vec<String>,
    },
    /// Set this node's ring tags.
    SetTags {
        /// Tag `cluster`; `None` removes it.
        cluster: Option<ClusterId>,
        /// Tag `storage`.
        storage_open: bool,
    },
    /// Found a cluster: mint the CA, this node's certificate, and write the
    /// membership.
    Found,
    /// Enrol with a member of this cluster, and write the membership.
    Enrol {
        /// The cluster that the member's tag names.
        cluster: ClusterId,
        /// The member.
        via: NodeId,
        /// Its address.
        address: IpAddr,
    },
    /// Renew this node's certificate, from the CA key if it is here, else
    /// through a member that has it.
    RenewCertificate {
        /// Members to ask, in order; empty when the key is here.
        via: Vec<IpAddr>,
    },
    /// Fetch the CA key over mutual TLS and seal it (managers only).
    FetchCaKey {
        /// Members to ask, in order.
        via: Vec<IpAddr>,
    },
    /// Add a node to the trusted storage pool (leader only).
    ProbePeer {
        /// Its cluster address.
        address: IpAddr,
    },
    /// Create the cluster volume (leader only).
    CreateVolume {
        /// Nodes that give a brick each, in order.
        bricks: Vec<IpAddr>,
    },
    /// Add bricks and raise the replica count (leader only).
    AddBricks {
        /// Replica count afterwards.
        replicas: u8,
        /// Nodes that give a brick each.
        bricks: Vec<IpAddr>,
    },
    /// Set TLS, quorum and time-out options on the volume (leader only).
    TuneVolume,
    /// Start the volume (leader only).
    StartVolume,
    /// Mount the volume on this node.
    MountVolume,
    /// Start a new Swarm on this node.
    InitSwarm,
    /// Join the Swarm with a token fetched over mutual TLS.
    JoinSwarm {
        /// Role to join with.
        role: SwarmRole,
        /// Members to ask for a token and to join, in order.
        via: Vec<IpAddr>,
    },
    /// Deploy a stack (leader only).
    DeployStack {
        /// Its name.
        name: String,
    },
}
