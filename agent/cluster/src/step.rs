//! What a plan can contain. Each step is idempotent: doing it twice, or again
//! after a power cut half-way, ends in the same state.

use crate::{ClusterId, Phase, Tags};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// An ordered list of steps, earlier phases first.
///
/// What a step needs was already true in the observation: no step relies on an
/// earlier one of the same plan. So the daemon runs them in order, and one that
/// fails is put on a backoff of its own and does not hold up the others: a
/// phase that is stuck does not stop the upkeep of another. A step that
/// succeeded but is planned again unchanged counts as failed for the backoff.
/// After a plan of which a step succeeded the daemon observes again at once.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SwarmRole {
    /// Votes in Raft.
    Manager,
    /// Runs tasks only.
    Worker,
}

impl SwarmRole {
    /// The lower-case word used in tags and output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Manager => "manager",
            Self::Worker => "worker",
        }
    }
}

impl std::fmt::Display for SwarmRole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
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
        /// All of them; what is absent here is removed.
        tags: Tags,
    },
    /// Found a cluster: mint the CA and this node's certificate, and write the
    /// membership last, so that a node with a membership has both.
    Found,
    /// Enrol with a member of this cluster: discard a CA and a CA key left by
    /// an interrupted founding, store the certificates, write the membership
    /// last. A node that has this membership already but lost its certificate
    /// (or let it expire) enrols again and keeps the membership as it is.
    Enrol {
        /// The cluster that the members' tags name.
        cluster: ClusterId,
        /// Members that hold the CA key, to ask in order.
        via: Vec<IpAddr>,
    },
    /// Renew this node's certificate, from the CA key if it is here, else
    /// through a member that has it.
    RenewCertificate {
        /// Members to ask, in order; empty when the key is here.
        via: Vec<IpAddr>,
    },
    /// Fetch the CA key over mutual TLS and seal it.
    FetchCaKey {
        /// Members to ask, in order.
        via: Vec<IpAddr>,
    },
    /// Give up the CA key, once each of these members has shown that it holds
    /// the key by signing with it.
    DropCaKey {
        /// The members that keep it.
        via: Vec<IpAddr>,
    },
    /// Make the ring's primary key the site's, and seal the CA key with it.
    AdoptRingKey,
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
    /// Add bricks and raise the replica count (leader only), and start a full
    /// heal. Until that has gone through once, pending heals are unknown.
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
    /// Start a new Swarm on this node (founder only, once in the cluster's
    /// life), and then write [`crate::Membership::swarm`].
    InitSwarm,
    /// Write [`crate::Membership::swarm`]: power failed between starting the
    /// Swarm and writing so.
    RecordSwarm,
    /// Write [`crate::Membership::swarm`], then join the Swarm with a token
    /// fetched over mutual TLS.
    JoinSwarm {
        /// Role to ask for. The manager that hands out the token decides: it
        /// answers with a worker's token while as many managers as wanted are
        /// in Raft, reachable or not.
        role: SwarmRole,
        /// Members to ask for a token and to join, in order.
        via: Vec<IpAddr>,
    },
    /// Restart the container engine of a node that the Swarm takes for down and
    /// that is not: it then reports anew.
    RestartEngine,
    /// Promote or demote a Swarm node (leader only). A promotion looks at Raft
    /// again first and does nothing if there are managers enough by now.
    SetSwarmRole {
        /// Its host name.
        name: String,
        /// Role afterwards.
        role: SwarmRole,
    },
    /// Deploy a stack (leader only).
    DeployStack {
        /// Its name.
        name: String,
    },
}

impl Step {
    /// The phase that the step works towards.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        match self {
            Self::MakeIdentity => Phase::Identity,
            Self::Start { daemon: Daemon::Ring } | Self::JoinRing { .. } | Self::SetTags { .. } => {
                Phase::Ring
            }
            Self::Found
            | Self::Enrol { .. }
            | Self::RenewCertificate { .. }
            | Self::FetchCaKey { .. }
            | Self::DropCaKey { .. }
            | Self::AdoptRingKey => Phase::Pki,
            Self::Start { daemon: Daemon::Storage }
            | Self::ProbePeer { .. }
            | Self::CreateVolume { .. }
            | Self::AddBricks { .. }
            | Self::TuneVolume
            | Self::StartVolume
            | Self::MountVolume => Phase::Storage,
            Self::Start { daemon: Daemon::Engine }
            | Self::InitSwarm
            | Self::RecordSwarm
            | Self::JoinSwarm { .. }
            | Self::RestartEngine
            | Self::SetSwarmRole { .. }
            | Self::DeployStack { .. } => Phase::Swarm,
        }
    }
}
