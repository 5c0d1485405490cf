//! The ring: who is there, as gossip tells it.

mod clocks;
mod config;
mod serf;

pub(crate) use config::{Configuration, RPC};
pub(crate) use serf::Serf;

use anyhow::Result;
use ashlar_cluster::{MemberStatus, OtherClock, RingMember, Tags};
use ashlar_pki::RingKey;
use std::collections::BTreeMap;
use std::net::IpAddr;
use zeroize::Zeroizing;

/// A member as the ring carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// Its name, unique in the ring.
    pub(crate) name: String,
    /// Its address.
    pub(crate) address: IpAddr,
    /// Whether it lives.
    pub(crate) status: MemberStatus,
    /// Its tags.
    pub(crate) tags: BTreeMap<String, String>,
}

/// Effects on the ring. Every call is safe to repeat.
pub(crate) trait Ring {
    /// Takes part in the ring, if this node does not yet.
    async fn start(&self, with: &Configuration<'_>, tags: &Tags) -> Result<()>;
    /// Takes no part any more, without leaving: the plan starts it anew.
    async fn stop(&self);
    /// Every member known, this node included; none while it takes no part.
    async fn members(&self) -> Result<Option<Vec<Member>>>;
    /// Asks the members at `addresses` to let this node in; succeeds if one does.
    async fn join(&self, addresses: &[String]) -> Result<()>;
    /// Tells the others that this node leaves, and takes no part any more.
    async fn leave(&self) -> Result<()>;
    /// Lets every member forget one that is gone.
    async fn forget(&self, name: &str) -> Result<()>;
    /// Gives this node exactly these keys, the one to seal with first, and keeps them
    /// before it uses them.
    async fn set_keys(&self, keys: &[Zeroizing<RingKey>]) -> Result<()>;
    /// Tells everybody on the segment which keys the site had before, by their marks,
    /// the newest first.
    fn tell_former_keys(&self, marks: &[String]);
    /// Whether another box tells that the site had the key of this mark before.
    fn is_told_former(&self, mark: &str) -> bool;
    /// What the clocks of live members show beside this node's, as they answered last.
    fn clocks(&self) -> Vec<OtherClock>;
    /// Gives this node exactly these tags.
    async fn set_tags(&self, tags: &Tags) -> Result<()>;
}

impl From<Member> for RingMember {
    fn from(member: Member) -> Self {
        let tags = Tags::from_map(&member.tags);
        Self {
            id: tags.as_ref().map(|t| t.id.clone()),
            name: member.name,
            address: member.address,
            status: member.status,
            storage_open: tags.as_ref().is_some_and(|t| t.storage_open),
            ca_key: tags.as_ref().is_some_and(|t| t.ca_key),
            swarm: tags.as_ref().and_then(|t| t.swarm),
            witness: tags.as_ref().is_some_and(|t| t.witness),
            full: tags.as_ref().is_some_and(|t| t.full),
            keys: tags.as_ref().and_then(|t| t.keys.clone()),
            cas: tags.as_ref().and_then(|t| t.cas.clone()),
            keeps: tags.as_ref().and_then(|t| t.keeps),
            yields: tags.as_ref().and_then(|t| t.yields.clone()),
            hand: tags.as_ref().and_then(|t| t.hand),
            left: tags.as_ref().and_then(|t| t.left.clone()),
            cluster: tags.and_then(|t| t.cluster),
        }
    }
}
