//! The boxes of a cluster, each once: ring, storage, Swarm and PKI know the same
//! box by its ring name, its address, its host name and its id.

use crate::{MemberStatus, NodeId, Observed, RingMember, SwarmNode};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// How a box stands in its cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Tenure {
    /// It is there.
    Active,
    /// It is there, and a person asked for its removal.
    Draining,
    /// It is not seen, and keeps its place for the grace time.
    Lost {
        /// Since when, in seconds of the wall clock; `None` if that is not on
        /// record, or this node cannot read the record.
        since: Option<u64>,
    },
    /// It lost its place for good.
    Retired,
}

/// A box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RosterBox {
    /// Its id.
    pub id: NodeId,
    /// Its host name.
    pub name: String,
    /// Its cluster address.
    pub address: IpAddr,
    /// How it stands.
    pub tenure: Tenure,
    /// Its address is in the storage pool, besides this node's own.
    pub pooled: bool,
    /// It gives a brick.
    pub brick: bool,
    /// Ids of its entries in the Swarm, as far as this node can tell.
    pub seats: BTreeSet<String>,
    /// It shows that it holds the CA key.
    pub ca_key: bool,
}

/// Every box of this node's cluster that is known, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    /// The boxes.
    pub boxes: Vec<RosterBox>,
}

impl Roster {
    /// Joins what was observed.
    #[must_use]
    pub fn of(observed: &Observed) -> Self {
        let intent = observed.intent();
        let cluster = observed.membership.as_ref().map(|m| &m.cluster);
        let members = observed.ring.iter().flat_map(|ring| &ring.members);
        let ours = |m: &&RingMember| cluster.is_some() && m.cluster.as_ref() == cluster;
        // The one that is alive counts, should an id be seen twice.
        let mut seen: BTreeMap<&NodeId, &RingMember> = BTreeMap::new();
        for member in members.filter(ours) {
            let Some(id) = &member.id else { continue };
            let first = seen.entry(id).or_insert(member);
            if (member.status, &member.name) < (first.status, &first.name) {
                *first = member;
            }
        }
        let known = intent.iter().flat_map(|i| &i.boxes).map(|(id, b)| (id, (&b.name, b.address)));
        let gone = intent.iter().flat_map(|i| &i.retired).map(|(id, b)| (id, (&b.name, b.address)));
        let ring = seen.iter().map(|(id, m)| (*id, (&m.name, m.address)));
        let all: BTreeMap<_, _> = known.chain(gone).chain(ring).collect();
        let entry = |(id, (name, address)): (&NodeId, (&String, IpAddr))| {
            let member = seen.get(id).copied();
            let tenure = match intent.and_then(|i| i.boxes.get(id)) {
                _ if is_retired(observed, id) => Tenure::Retired,
                known if member.is_some_and(|m| m.status == MemberStatus::Alive) => {
                    if known.is_some_and(|k| k.remove) { Tenure::Draining } else { Tenure::Active }
                }
                known => Tenure::Lost { since: known.and_then(|k| k.lost_since) },
            };
            let volume = observed.storage.as_ref().and_then(|s| s.volume.as_ref());
            let mut peers = observed.storage.iter().flat_map(|s| &s.peers);
            let seats = observed.swarm.iter().flat_map(|s| &s.nodes);
            RosterBox {
                id: id.clone(),
                name: name.clone(),
                address,
                tenure,
                pooled: peers.any(|p| p.address == address),
                brick: volume.is_some_and(|v| v.has_brick_of(address)),
                seats: seats
                    .filter(|n: &&SwarmNode| n.name == *name)
                    .map(|n| n.id.clone())
                    .collect(),
                ca_key: member.is_some_and(|m| m.ca_key),
            }
        };
        Self { boxes: all.into_iter().map(entry).collect() }
    }

    /// The box of that name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&RosterBox> {
        self.boxes.iter().find(|b| b.name == name)
    }
}

/// Whether that box lost its place, as far as this node knows.
pub(crate) fn is_retired(observed: &Observed, id: &NodeId) -> bool {
    let intent = observed.intent();
    observed.pki.struck_off.contains(id) || intent.is_some_and(|i| i.retired.contains_key(id))
}
