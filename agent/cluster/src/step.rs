//! What a plan can contain. Each step may be repeated: done twice, or again
//! after a power cut half-way, it ends in the same state.

mod terms;

use crate::{ClusterId, Intent, KeyPrint, NodeId, Tags};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// What to do, and what is waited for.
///
/// What a step needs was already true in the observation: no step relies on
/// another of the same plan. So the daemon does those of each phase one after
/// another and the phases beside each other, looks again before each step,
/// and does not act on one that breaks a rule by then. A step that fails is put
/// on a backoff of its own and does not hold up the others: a phase that is
/// stuck does not stop the upkeep of another. A step that succeeded but is
/// planned again unchanged counts as failed for the backoff.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What to do, each with its reason.
    pub steps: Vec<Planned>,
    /// What would be done if something else were otherwise.
    #[serde(default)]
    pub waits: Vec<Wait>,
}

/// A step and why it is there, in words for the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// What to do.
    pub step: Step,
    /// Why, as a short sentence.
    pub because: String,
    /// The leadership that a cluster-wide step was planned under.
    #[serde(default)]
    pub fence: Option<Fence>,
}

/// The leadership under which a cluster-wide step was planned: under another it
/// must not act. The founder of a cluster that has no Swarm yet has no index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fence {
    /// Who leads.
    pub leader: NodeId,
    /// The version of the Swarm's record in Raft.
    pub index: Option<u64>,
}

/// Something that is wanted and not done yet, and what holds it back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Wait {
    /// What is wanted.
    pub wanted: String,
    /// What for: `until …`, or `for …`.
    pub what_for: String,
    /// The rule of the linter that would refuse it meanwhile.
    pub rule: String,
}

/// Whom a step concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// This node alone.
    Node,
    /// The cluster: only the one that leads it may do that.
    Cluster,
}

/// A part of the node that the planner starts: a thread, or a systemd service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Daemon {
    /// The gossip ring.
    Ring,
    /// GlusterFS management daemon.
    Storage,
    /// This node's bricks and self-heal daemon: the leader lets those that ended be
    /// started.
    Bricks,
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
    /// Go on as the node of this disk in another machine than before, unless somebody
    /// answers at its address.
    TakeMachine,
    /// Set this node's wall clock by those of the others.
    SetClock {
        /// By how many seconds they are ahead of it; below zero, behind.
        ahead_s: i64,
    },
    /// Start a daemon's unit (writing its configuration first).
    Start {
        /// Which.
        daemon: Daemon,
    },
    /// Kill a daemon that runs and does not answer, and start it anew.
    Restart {
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
    /// Fetch the ring's new key over mutual TLS, and read with it besides. The one that
    /// made it has it already, and asks nobody.
    TakeRingKey {
        /// Which.
        key: KeyPrint,
        /// Boxes to ask, in order.
        via: Vec<IpAddr>,
    },
    /// Seal what this node says in the ring with that key, which it reads already.
    UseRingKey {
        /// Which.
        key: KeyPrint,
    },
    /// Read what is sealed with any other key no more.
    DropRingKeys {
        /// The one that stays.
        keep: KeyPrint,
    },
    /// Take certificates of the CA that is to follow besides, because the one of now
    /// vouches for it.
    TrustCa {
        /// Which.
        ca: KeyPrint,
    },
    /// Fetch the key of the CA that is to follow over mutual TLS, and seal it.
    FetchNextCaKey {
        /// Which.
        ca: KeyPrint,
        /// Boxes to ask, in order.
        via: Vec<IpAddr>,
    },
    /// Sign by that CA, which this node trusts already, and by no other.
    SignByCa {
        /// Which.
        ca: KeyPrint,
    },
    /// Take certificates of no other CA any more.
    TrustOnlyCa {
        /// Which.
        ca: KeyPrint,
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
    /// Add bricks and raise the replica count (leader only), and start a full
    /// heal. What was known of pending heals before counts no more.
    AddBricks {
        /// Replica count afterwards.
        replicas: u8,
        /// Nodes that give a brick each.
        bricks: Vec<IpAddr>,
    },
    /// Add a further set of copies, in one command (leader only).
    AddSet {
        /// Nodes that give a brick each.
        bricks: Vec<IpAddr>,
    },
    /// Let every box move the files that belong in another set than they are in
    /// (leader only).
    Rebalance {
        /// Over so many sets.
        sets: u8,
    },
    /// Note in the volume that the files are spread over all its sets (leader only).
    NoteSpread {
        /// So many.
        sets: u8,
    },
    /// Add the brick of a witness to two copies: it knows of every file and holds
    /// the content of none (leader only).
    AddArbiter {
        /// The witness's address.
        brick: IpAddr,
    },
    /// Set TLS, quorum and time-out options on the volume (leader only).
    TuneVolume,
    /// Stop to work, write down that the other box of two goes on from this turn of the
    /// volume on, and then let it. The one whose right it is does that itself: nobody
    /// else could know that it works no more.
    HandOver {
        /// The other box's address.
        to: IpAddr,
        /// The [`crate::Volume::turn`] afterwards, which is odd.
        turn: u32,
    },
    /// Go on without the other one of two, of which a person said that it is gone for good:
    /// serve nobody but this box, then give that one's copy up and strike it off the pool,
    /// all by the storage daemon here. Nobody leads who could.
    GoOnAlone {
        /// The other box's address.
        without: IpAddr,
    },
    /// Take the seat of the Swarm's manager that is gone, from the copy that is kept here,
    /// and be known in Raft by the own address.
    LeadAlone,
    /// Strike out what a person said of the other one of two: it is done, or that one is
    /// there after all.
    ForgetWord,
    /// Take the right to go on alone from the second of two copies, and only then give
    /// it back to the first (leader only).
    HandBack {
        /// The [`crate::Volume::turn`] afterwards, which is even.
        turn: u32,
    },
    /// Start the volume, and every brick and self-heal daemon of it that does
    /// not run (leader only).
    StartVolume,
    /// Mount the volume on this node. An engine whose containers hold a mount
    /// that died is stopped first: it starts again with its files.
    MountVolume,
    /// Tear a mount away that is silent though the volume can be written, and
    /// mount anew.
    Remount,
    /// Let the mount or the self-heal daemon of this node, which does not hear a brick that
    /// answers, connect to all of them anew. Files that are open stay so.
    ConnectAnew,
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
    /// Cut the logs of the storage daemons, which grow without end, to their
    /// last part.
    TrimLogs,
    /// Leave a Swarm that this node cannot get into or back into, so that it
    /// can join it anew.
    LeaveSwarm,
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
    /// Take a node's tasks away, because its box is to be taken out of the cluster;
    /// or give it tasks again (leader only).
    SetLeaving {
        /// Its host name.
        name: String,
        /// Whether it is emptied.
        leaving: bool,
    },
    /// Give a node no tasks, because its box is a witness; or give it tasks again
    /// (leader only).
    SetVoting {
        /// Its host name.
        name: String,
        /// Whether it only votes.
        voting: bool,
    },
    /// Strike the dead entry of a box that joined the Swarm anew, or that of a box that
    /// lost its place (leader only).
    DropSwarmEntry {
        /// The entry's id.
        id: String,
        /// The box's host name.
        name: String,
        /// The box was struck off by a person: its entry goes though it is up.
        revoked: bool,
    },
    /// Write the cluster's record into Raft, if it is still the one that this
    /// was planned on (leader only).
    Record {
        /// All of it, as it shall be.
        intent: Intent,
    },
    /// Give the place of a brick whose box is retired, or on its way out, to another
    /// box, and start to copy (leader only).
    ReplaceBrick {
        /// That box's address.
        from: IpAddr,
        /// The box that takes the copy.
        to: IpAddr,
    },
    /// Give the volume this box's own brick back as an empty one, which the other copies
    /// of its set fill: it lost all that it held, or may have lost parts of it, and is set
    /// aside then.
    RenewBrick,
    /// Make this box's data partition anew, which cannot be repaired. What the volume had
    /// there is filled in by the other copies; what containers kept in local volumes is
    /// lost.
    RemakeData,
    /// Let this box's copy of a directory count, where copies of it are different ones.
    SettleDirectory {
        /// Its path in the volume, from `/` on.
        path: String,
    },
    /// Give up the brick of a box that is retired, or on its way out, and with it one
    /// copy; of two copies and a witness the witness's brick as well. Or give up the
    /// brick of a witness, because a third copy takes its place (leader only).
    DropBrick {
        /// That box's address.
        brick: IpAddr,
        /// Replica count afterwards.
        replicas: u8,
    },
    /// Let the volume's bricks serve only these, by the names in their certificates; or
    /// everybody with a certificate of the cluster (leader only).
    AdmitToVolume {
        /// Who.
        names: Option<BTreeSet<String>>,
    },
    /// Strike a retired box off the storage pool (leader only).
    DetachPeer {
        /// Its address.
        address: IpAddr,
    },
    /// Let the whole ring forget a retired box (leader only).
    ForgetMember {
        /// Its ring name.
        name: String,
    },
    /// Serve these boxes no more, whatever certificate they show.
    StrikeOff {
        /// All that lost their place.
        nodes: BTreeSet<NodeId>,
    },
    /// Set this node's copy aside, forget the cluster and everything that came
    /// of it, and begin anew under a new id.
    StartAnew,
    /// Write down that this node's cluster dissolves into another one of its site.
    Yield {
        /// The one that goes on.
        into: ClusterId,
    },
    /// Strike that out again: this node's cluster goes on.
    StandFast,
    /// Leave the cluster, which dissolves: set this node's copy aside, forget everything
    /// that came of it, and begin anew under a new id, as a box of the other cluster.
    Dissolve {
        /// The one that goes on.
        into: ClusterId,
    },
    /// Set this node's copy aside, forget the cluster and everything that came of
    /// it, and stay out until a person lets this box in again.
    StayOut,
    /// Deploy a stack, or bring it up to date (leader only).
    DeployStack {
        /// Its name.
        name: String,
    },
    /// Remove a stack that the agent deployed and no recipe ships any more
    /// (leader only).
    RemoveStack {
        /// Its name.
        name: String,
    },
}
