//! What one node sees, gathered afresh by the daemon before each plan.
//!
//! A part that could not be observed is `None`: the planner must then not act
//! on it, because "I could not look" is not "there is nothing". Why it is
//! silent, and since when, stands in [`Observed::looks`].

use crate::{
    BothSeen, Cas, Clock, DataPartition, Intent, Keeps, KeyPrint, LeftBehind, Look, Part,
    Rebalance, Record, RingKeys, Succession, SwarmRole, ToldRotation, Yielding,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Everything one node knows at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// Monotonic time of the observation, in milliseconds since boot.
    pub now_ms: u64,
    /// Whether a site was imported: without one a node does nothing at all.
    pub site: bool,
    /// This box votes and carries no data ([`crate::carries_no_data`]).
    #[serde(default)]
    pub witness: bool,
    /// This node; `None` until a site was imported and an identity made.
    pub identity: Option<Identity>,
    /// The cluster that this node belongs to, as its own state says.
    pub membership: Option<Membership>,
    /// The ring as the local ring daemon tells it; `None` when it does not answer.
    pub ring: Option<Ring>,
    /// Certificates on this node.
    pub pki: Pki,
    /// The storage daemon; `None` when it does not answer.
    pub storage: Option<Storage>,
    /// Whether the cluster volume is mounted and answers on this node.
    pub mounted: bool,
    /// The container engine; `None` when it does not answer.
    pub swarm: Option<Swarm>,
    /// When each part was last asked, and since when it has been silent. A
    /// part that is not wanted is not in it.
    #[serde(default)]
    pub looks: BTreeMap<Part, Look>,
    /// The partitions that can run full.
    #[serde(default)]
    pub disks: Vec<Disk>,
    /// Whether something is wrong with the data partition, or was.
    #[serde(default)]
    pub data: DataPartition,
    /// A storage daemon's log here is long: cutting it gives room.
    #[serde(default)]
    pub long_logs: bool,
    /// The data partition has no room left for files: see [`crate::takes_no_more`].
    #[serde(default)]
    pub full: bool,
    /// Of a hundred parts of the last minute, in how many something here waited for
    /// the processor.
    #[serde(default)]
    pub cpu_pressure: u8,
    /// Where this node stands in the world: its machine and its cable.
    #[serde(default)]
    pub place: Place,
    /// What is known of the wall clock.
    #[serde(default)]
    pub clock: Clock,
    /// The others say that this node lost its place in the cluster,
    #[serde(default)]
    pub retired: bool,
    /// and that a person asked for it.
    #[serde(default)]
    pub removed: bool,
    /// This box was taken out of its cluster by a person, and waits until one lets
    /// it in again.
    #[serde(default)]
    pub out: bool,
    /// Whether there is a file in the cluster volume; `None` if nobody looked: only a box
    /// that sees another cluster does.
    #[serde(default)]
    pub files: Option<bool>,
    /// This box's cluster dissolves into another one. It stands until the box belongs to
    /// that one.
    #[serde(default)]
    pub yields: Option<Yielding>,
    /// This box is being switched off or restarted in order, and may hand over first.
    #[serde(default)]
    pub goes_down: bool,
    /// The [`Volume::turn`] with which this node gave its right to go on alone away,
    /// as its own disk says: it has that right again from a later one on.
    #[serde(default)]
    pub handed_over: Option<u32>,
    /// A person standing at this box said that the other one of two is gone for good: this
    /// one goes on without it. It stands until the cluster's record says so.
    #[serde(default)]
    pub left_behind: Option<LeftBehind>,
    /// It was said since this box was switched on. One of before counts only for what was
    /// begun: the other one may have been there in the meantime, and gone on.
    #[serde(default)]
    pub said_since_boot: bool,
    /// How the two copies stood when both were last in sight.
    #[serde(default)]
    pub both_seen: Option<BothSeen>,
    /// When what the Swarm's manager knows was last copied here, in seconds of the wall
    /// clock; `None` if there is no such copy.
    #[serde(default)]
    pub seat: Option<u64>,
}

impl Observed {
    /// The cluster's record, if this node can read it.
    #[must_use]
    pub fn intent(&self) -> Option<&Intent> {
        self.swarm.as_ref()?.record.intent()
    }

    /// The same for who may change it: the Swarm's leader.
    #[must_use]
    pub fn intent_as_leader(&self) -> Option<&Intent> {
        self.intent().filter(|_| self.swarm.as_ref().is_some_and(|s| s.manager && s.leader))
    }
}

/// A partition that can run full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// What a person calls it: `state` or `data`.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// What is used of it, of a hundred parts.
    pub used_percent: u8,
}

/// The machine and the cable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Milliseconds for which the link that carries the cluster address has had
    /// carrier; `None` while it has none.
    pub carrier_ms: Option<u64>,
    /// That link has no carrier, or is not the one that the address belongs on,
    /// and another could carry it.
    pub cable_elsewhere: bool,
    /// This disk was set up in another machine: it was copied or moved, and the
    /// node that it stands for may be running there.
    pub moved: bool,
    /// Another machine answered at the node's address when it was asked last.
    #[serde(default)]
    pub twin: bool,
    /// The medium cannot be written: state and data are in memory, and no site is
    /// taken.
    #[serde(default)]
    pub in_memory: bool,
    /// *Try without touching a disk* was chosen in the boot menu: state and data are in
    /// memory, and no site is taken.
    #[serde(default)]
    pub tried: bool,
    /// What became of a change of the network.
    #[serde(default)]
    pub change: Option<NetworkChange>,
}

/// A change of the site's network that is not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum NetworkChange {
    /// It is set up; the one of before is put back unless somebody answers under it.
    Trying,
    /// The one of before was put back.
    Undone {
        /// Why, in words.
        why: String,
    },
}

/// Who this node is, for life.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NodeId(pub String);

impl std::fmt::Display for NodeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

/// A cluster's random id, made at its founding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClusterId(pub String);

impl std::fmt::Display for ClusterId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

/// A node's identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Identity {
    /// Random id, made at first boot, kept in state.
    pub id: NodeId,
    /// Host name, derived from the id.
    pub name: String,
    /// The cluster address, derived from the id (or given by the site).
    pub address: IpAddr,
}

/// Membership of a cluster, as written to this node's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Which cluster.
    pub cluster: ClusterId,
    /// Whether this node founded it.
    pub founder: bool,
    /// Whether this node has ever been part of the cluster's Swarm. Written
    /// *after* [`crate::Step::InitSwarm`] succeeded (by
    /// [`crate::Step::RecordSwarm`]) and *before* [`crate::Step::JoinSwarm`]
    /// acts; never taken back. While it is `false` on the founder no Swarm can
    /// exist, because only the founder may start one and nobody is told of it
    /// before it is written.
    #[serde(default)]
    pub swarm: bool,
}

/// The ring, seen from here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ring {
    /// Every member known, this node included.
    pub members: Vec<RingMember>,
    /// Milliseconds since the set of live members, or the cluster of one or what it keeps,
    /// last changed.
    pub quiet_ms: u64,
    /// Another box on the segment tells that the site had this node's ring key before.
    #[serde(default)]
    pub outdated: bool,
}

/// One ring member, with the tags that Ashlar's nodes carry decoded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RingMember {
    /// Tag `id`; `None` for a member that carries no Ashlar tags (yet).
    pub id: Option<NodeId>,
    /// Ring name, which is the host name.
    pub name: String,
    /// Cluster address.
    pub address: IpAddr,
    /// Liveness.
    pub status: MemberStatus,
    /// Tag `cluster`: the cluster that the member belongs to.
    pub cluster: Option<ClusterId>,
    /// Tag `storage`: `true` once the member's storage daemon runs with TLS and
    /// can be probed.
    pub storage_open: bool,
    /// Tag `ca`: the member holds the CA key, so it can enrol newcomers.
    pub ca_key: bool,
    /// Tag `swarm`: the member's role in the Swarm, once it is in one.
    pub swarm: Option<SwarmRole>,
    /// Tag `data`, `none`: the member votes and carries no data.
    #[serde(default)]
    pub witness: bool,
    /// Tag `room`, `none`: its data partition has none left for files.
    #[serde(default)]
    pub full: bool,
    /// Tag `keys`: the ring keys that the member has, by their fingerprints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<RingKeys>,
    /// Tags `cas` and `ca-next`: the CAs that the member trusts, by their fingerprints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cas: Option<Cas>,
    /// Tag `keeps`: what its cluster holds, as its leader shows it while another one is in
    /// sight.
    #[serde(default)]
    pub keeps: Option<Keeps>,
    /// Tag `yields`: it knows that its cluster dissolves into that one.
    #[serde(default)]
    pub yields: Option<ClusterId>,
    /// Tag `hand`: that the right of two to go on alone shall change hands.
    #[serde(default)]
    pub hand: Option<Hand>,
    /// Tag `left`: its cluster went on without this box, which must not go on beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<NodeId>,
}

/// What a box of two shows of the right to go on alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hand {
    /// It is being switched off, and gives it away if it has it.
    Over,
    /// It gave it away, and asks to have it back.
    Back,
}

impl Hand {
    /// The lower-case word used in tags.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Over => "over",
            Self::Back => "back",
        }
    }
}

/// Serf's view of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum MemberStatus {
    /// Answers.
    Alive,
    /// Says that it is leaving.
    Leaving,
    /// Left on purpose.
    Left,
    /// Stopped answering.
    Failed,
}

/// Certificates on this node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pki {
    /// The CA certificate of the cluster is here.
    pub ca: bool,
    /// This node's certificate is here and valid.
    pub certificate: bool,
    /// The certificate has passed two thirds of its life.
    pub renewal_due: bool,
    /// The CA's private key is here, and its seal opens.
    pub ca_key: bool,
    /// The ring's primary key is another than the site's: it was changed, and
    /// site and seal have to follow.
    #[serde(default)]
    pub ring_key_changed: bool,
    /// The ring keys of this node; `None` before they could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring_keys: Option<RingKeys>,
    /// A key that was made here and that nobody else has before the ring does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_key: Option<KeyPrint>,
    /// What managers of the Swarm told of a replacement of the ring's key, while this
    /// node does not read the record itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_rotation: Option<ToldRotation>,
    /// The CAs that this node trusts; `None` while it has no certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cas: Option<Cas>,
    /// The CA by which this node signs, or lets others sign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signs_by: Option<KeyPrint>,
    /// The newest replacement of the CA that managers of the Swarm told of, while this
    /// node does not read the record itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_succession: Option<Succession>,
    /// Boxes that this node serves no more, by its own list.
    #[serde(default)]
    pub struck_off: BTreeSet<NodeId>,
}

/// GlusterFS, seen from this node's daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storage {
    /// Addresses in the trusted pool besides this node.
    pub peers: Vec<Peer>,
    /// The cluster volume, if it exists.
    pub volume: Option<Volume>,
}

/// A member of the trusted pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// The address by which it was probed.
    pub address: IpAddr,
    /// Whether the connection to it stands.
    pub connected: bool,
    /// Whether it is a full peer ("Peer in Cluster"), not half-way in.
    pub in_cluster: bool,
}

/// The cluster volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Started.
    pub started: bool,
    /// Replica count.
    pub replicas: u8,
    /// TLS on the data plane, both sides.
    pub tls: bool,
    /// Quorum and time-out options are as this release wants them.
    pub tuned: bool,
    /// Bricks, in volume order: each [`Self::replicas`] of them are a set.
    pub bricks: Vec<Brick>,
    /// Of the bricks that do not serve, those whose process runs: the mount here gets no
    /// answer of them. To start them does nothing.
    #[serde(default)]
    pub silent: BTreeSet<IpAddr>,
    /// This node's own brick holds nothing of the volume any more, not even the mark that
    /// makes it one: its data partition was lost, or emptied. Or it was begun to be given
    /// back as an empty one and that was not done: then it counts for nothing, and is told
    /// of as one that does not run.
    #[serde(default)]
    pub emptied: bool,
    /// Directories, by their paths in the volume, that are different ones on different
    /// bricks, and that this node's brick has as enough boxes made them.
    #[serde(default)]
    pub torn: BTreeSet<String>,
    /// Entries that await healing; `None` when that could not be read, or a
    /// brick could not say.
    pub pending_heals: Option<u64>,
    /// Nodes whose storage daemon answers and whose self-heal daemon does not
    /// run, though the volume has copies to heal.
    #[serde(default)]
    pub healers_down: Vec<IpAddr>,
    /// Of the bricks that run, those that lack something which another one that
    /// runs has: asked of every one of them, and only while a brick does not run.
    /// `None` if one could not say.
    #[serde(default)]
    pub behind: Option<BTreeSet<IpAddr>>,
    /// Over how many sets the files were spread when that was last complete, as the
    /// volume itself notes; 0 if there never was a second set.
    #[serde(default)]
    pub spread: u8,
    /// How far files are on their way over more sets than that; `None` if it is not
    /// known, or nothing is to move.
    #[serde(default)]
    pub rebalance: Option<Rebalance>,
    /// Whom the bricks let in, by the names in their certificates; `None` is everybody
    /// with a certificate of the cluster.
    #[serde(default)]
    pub admits: Option<BTreeSet<String>>,
    /// How often the right of two copies to go on alone changed hands, as the volume
    /// itself notes: even, and it is the first one's; odd, and the second one's.
    #[serde(default)]
    pub turn: u32,
}

/// A brick.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brick {
    /// Address of its node.
    pub address: IpAddr,
    /// Whether its process runs, and answers the mount here, where there is one.
    pub online: bool,
    /// It is a witness's: it knows of every file and holds the content of none.
    #[serde(default)]
    pub arbiter: bool,
}

/// The container engine, seen from this node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swarm {
    /// This node's own state.
    pub local: SwarmLocal,
    /// This node is a manager.
    pub manager: bool,
    /// This node is the Raft leader.
    pub leader: bool,
    /// All nodes; empty unless this node is a manager with quorum.
    pub nodes: Vec<SwarmNode>,
    /// Stacks that the agent deployed, or part of them; empty unless this node
    /// leads.
    pub stacks: Vec<Stack>,
    /// Milliseconds for which the managers have taken this node for down
    /// although its engine is a member; 0 if they take it for up, or nobody
    /// could be asked.
    #[serde(default)]
    pub disowned_ms: u64,
    /// Milliseconds for which no manager could tell this worker how it stands:
    /// their engines hang, or they have no quorum.
    #[serde(default)]
    pub unheard_ms: u64,
    /// Milliseconds for which [`Self::local`] has been pending, or an error.
    #[serde(default)]
    pub limbo_ms: u64,
    /// The version of the Swarm's own record in Raft, by which a change that
    /// was planned on an older one is told apart; managers only.
    #[serde(default)]
    pub index: Option<u64>,
    /// The record that the cluster keeps in Raft.
    #[serde(default)]
    pub record: Record,
    /// Boxes of which a manager told this worker that they lost their place.
    #[serde(default)]
    pub told_retired: BTreeSet<NodeId>,
    /// A manager told this worker that it is being taken out.
    #[serde(default)]
    pub told_leaving: bool,
    /// Milliseconds since this node last saw the Swarm with a manager less; `None`
    /// if it has not.
    #[serde(default)]
    pub manager_less_ms: Option<u64>,
    /// Services, configs and secrets that no recipe ships, in words; `None` if nobody
    /// looked: only a manager that sees another cluster does.
    #[serde(default)]
    pub of_people: Option<Vec<String>>,
    /// This node manages, and Raft knows it by another address than its own: it sat down on
    /// the seat of another box.
    #[serde(default)]
    pub misplaced: bool,
}

/// A stack that the agent deployed, as its services tell it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stack {
    /// Its name.
    pub name: String,
    /// The digest of the file that every one of its services was deployed
    /// from; `None` if they differ, or a deployment was cut.
    pub digest: Option<String>,
    /// Services that exist.
    pub services: u32,
    /// Services that there were when its deployment was complete.
    pub of: u32,
    /// Tasks that run.
    pub running: u64,
    /// Tasks that should run.
    pub desired: u64,
}

impl Stack {
    /// Whether all of it is deployed, from a file of this digest.
    #[must_use]
    pub fn is(&self, digest: &str) -> bool {
        self.digest.as_deref() == Some(digest) && self.services >= self.of
    }
}

/// The engine's `LocalNodeState`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum SwarmLocal {
    /// Member of no Swarm.
    #[default]
    Inactive,
    /// Joining.
    Pending,
    /// Member.
    Active,
    /// Broken, or locked: its certificate ended while it was off, or the file
    /// of its state is gone.
    Error,
}

/// A Swarm node as a manager lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwarmNode {
    /// The Swarm's own id of this entry; a box that joined twice has two.
    #[serde(default)]
    pub id: String,
    /// Host name, equal to the ring name.
    pub name: String,
    /// Address that it advertises.
    pub address: Option<IpAddr>,
    /// `Ready` in the engine's words.
    pub up: bool,
    /// Manager role.
    pub manager: bool,
    /// A manager that the others reach.
    pub reachable: bool,
    /// The Raft leader.
    pub leader: bool,
    /// Whether it is given tasks.
    #[serde(default)]
    pub availability: Availability,
    /// Tasks that still run there, of one that is being emptied.
    #[serde(default)]
    pub tasks: u64,
}

/// Whether a node of the Swarm is given tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Availability {
    /// It is.
    #[default]
    Active,
    /// It is not, by a person's own order to the engine, who may take it back.
    Closed,
    /// It is being emptied, because its box is to be taken out of the cluster.
    Leaving,
    /// It is not, because its box is a witness.
    Voting,
}
