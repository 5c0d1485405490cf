//! The container cluster.

mod docker;
mod nodes;
mod own_address;
pub(crate) mod seat;
mod seats;
mod stacks;
mod standing;

pub(crate) use docker::{Engine, watch};
pub(crate) use standing::Standing;

use anyhow::Result;
use ashlar_cluster::{Intent, SwarmRole};
use std::net::IpAddr;

/// A Swarm's port for managers.
pub(crate) const SWARM_PORT: u16 = 2377;

/// How to get into a Swarm.
pub(crate) struct Invitation {
    /// The token for the role.
    pub(crate) token: zeroize::Zeroizing<String>,
    /// A manager's `ip:port`.
    pub(crate) manager: String,
}

/// Effects on the container engine. Every call is safe to repeat.
pub(crate) trait Swarm {
    /// The engine's Swarm as this node sees it.
    async fn observe(&self) -> Result<ashlar_cluster::Swarm>;
    /// Starts a Swarm with this node as its first manager.
    async fn init(&self, own: IpAddr) -> Result<()>;
    /// Goes on with this node as the only manager of its Swarm, whoever else managed it.
    async fn force_new(&self, own: IpAddr) -> Result<()>;
    /// Lets this manager, which sits on another one's seat, be known by its own address.
    async fn correct_address(&self, own: IpAddr) -> Result<()>;
    /// Joins a Swarm.
    async fn join(&self, own: IpAddr, invitation: &Invitation) -> Result<()>;
    /// Leaves whatever Swarm the engine is in or on its way into.
    async fn leave(&self) -> Result<()>;
    /// Writes the cluster's record into Raft, if it is still at `index`. Where it strikes
    /// a box off that was not, the join tokens change in the same stroke.
    async fn write_record(&self, intent: &Intent, index: Option<u64>) -> Result<()>;
    /// Makes a node a manager or a worker. Looks at Raft again first: there are
    /// never more managers than `most`.
    async fn set_role(&self, name: &str, role: SwarmRole, most: u8) -> Result<()>;
    /// Takes a node's tasks away, because its box leaves, or gives it tasks again.
    async fn set_leaving(&self, name: &str, leaving: bool) -> Result<()>;
    /// Gives a witness no tasks, or one that is none any more tasks again.
    async fn set_voting(&self, name: &str, voting: bool) -> Result<()>;
    /// Strikes an entry from the list of nodes: a dead one, or that of a box that a
    /// person struck off.
    async fn drop_entry(&self, id: &str, revoked: bool) -> Result<()>;
    /// Deploys a stack that the image ships, or brings it up to date, and marks
    /// it as whole, of this digest.
    async fn deploy(&self, stack: &str, digest: &str) -> Result<()>;
    /// Services, configs and secrets that no shipped stack has, in words.
    async fn of_people(&self) -> Result<Vec<String>>;
    /// Removes a stack.
    async fn remove(&self, stack: &str) -> Result<()>;
}
