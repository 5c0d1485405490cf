//! The ring tags by which nodes tell each other where they stand.
//!
//! Tags are hints: they say whom to ask and when to wait. What they claim is
//! proved over mutual TLS before anybody relies on it.

use crate::{
    Cas, ClusterId, Hand, Keeps, NodeId, Observed, RingKeys, RingMember, SwarmLocal, SwarmRole,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What one node tells the others through its ring tags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tags {
    /// Tag `id`.
    pub id: NodeId,
    /// Tag `cluster`: the cluster that the node belongs to.
    pub cluster: Option<ClusterId>,
    /// Tag `storage`: `open` once its storage daemon runs with TLS.
    pub storage_open: bool,
    /// Tag `ca`: `key` if it belongs to a cluster and holds that cluster's CA key.
    pub ca_key: bool,
    /// Tag `swarm`: `manager` or `worker` once it is in the Swarm.
    pub swarm: Option<SwarmRole>,
    /// Tag `data`: `none` if it is a witness.
    pub witness: bool,
    /// Tag `room`: `none` once its data partition takes no more files.
    #[serde(default)]
    pub full: bool,
    /// Tag `keys`: the ring keys that the node has, by their fingerprints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<RingKeys>,
    /// Tags `cas` and `ca-next`: the CAs that the node trusts, by their fingerprints, and
    /// the one whose key it has that does not sign yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cas: Option<Cas>,
    /// Tag `keeps`: what its cluster holds, if it leads that and sees another one.
    pub keeps: Option<Keeps>,
    /// Tag `yields`: the cluster that its own dissolves into.
    pub yields: Option<ClusterId>,
    /// Tag `hand`: `over` if it is being switched off, `back` if it handed over and
    /// asks to have its turn again.
    pub hand: Option<Hand>,
    /// Tag `left`: the box without which its cluster went on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<NodeId>,
}

impl RingMember {
    /// Whether the member, which has the id of these tags, carries the rest of them.
    pub(crate) fn shows(&self, tags: &Tags) -> bool {
        // Each by its name: who adds a tag is told to compare it.
        let Tags {
            id: _,
            cluster,
            storage_open,
            ca_key,
            swarm,
            witness,
            full,
            keys,
            cas,
            keeps,
            yields,
            hand,
            left,
        } = tags;
        self.cluster == *cluster
            && self.storage_open == *storage_open
            && self.ca_key == *ca_key
            && self.swarm == *swarm
            && self.witness == *witness
            && self.full == *full
            && self.keys == *keys
            && self.cas == *cas
            && self.keeps == *keeps
            && self.yields == *yields
            && self.hand == *hand
            && self.left == *left
    }
}

impl Tags {
    /// The tags that this node should carry; `None` before it has an identity.
    ///
    /// The ring daemon is started with these, so that the very first packet of
    /// a member that comes back tells of its cluster. A part that could not be
    /// observed keeps the tag that it has.
    #[must_use]
    pub fn wanted(observed: &Observed) -> Option<Self> {
        let identity = observed.identity.as_ref()?;
        let membership = observed.membership.as_ref();
        let now = observed.ring.as_ref().and_then(|ring| {
            ring.members
                .iter()
                .filter(|m| m.id.as_ref() == Some(&identity.id) && m.name == identity.name)
                .min()
        });
        let storage_open = match &observed.storage {
            Some(_) => membership.is_some() && observed.pki.ca && observed.pki.certificate,
            None => now.is_some_and(|m| m.storage_open),
        };
        // Nobody may learn of a Swarm whose existence is not yet on disk.
        let recorded = membership.is_some_and(|m| m.swarm);
        let swarm = match &observed.swarm {
            Some(swarm) if recorded && swarm.local == SwarmLocal::Active => {
                Some(if swarm.manager { SwarmRole::Manager } else { SwarmRole::Worker })
            }
            Some(_) => None,
            None => now.and_then(|m| m.swarm).filter(|_| recorded),
        };
        Some(Self {
            id: identity.id.clone(),
            cluster: membership.map(|m| m.cluster.clone()),
            storage_open,
            ca_key: membership.is_some() && observed.pki.ca_key,
            swarm,
            witness: observed.witness,
            full: observed.full,
            keys: observed.pki.ring_keys.as_ref().map(RingKeys::shown),
            cas: membership.and(observed.pki.cas.clone()),
            // Told once another cluster is in sight, by whoever knows.
            keeps: None,
            yields: membership.and(observed.yields.as_ref()).map(|y| y.into.clone()),
            hand: if observed.goes_down && membership.is_some() {
                Some(Hand::Over)
            } else {
                observed.waits_for_its_turn().then_some(Hand::Back)
            },
            left: membership.and_then(|_| observed.left()),
        })
    }

    /// As the ring carries them.
    #[must_use]
    pub fn to_map(&self) -> BTreeMap<String, String> {
        let mut map = BTreeMap::from([("id".to_owned(), self.id.0.clone())]);
        let mut put = |key: &str, value: Option<&str>| {
            if let Some(value) = value {
                map.insert(key.to_owned(), value.to_owned());
            }
        };
        put("cluster", self.cluster.as_ref().map(|c| c.0.as_str()));
        put("storage", self.storage_open.then_some("open"));
        put("ca", self.ca_key.then_some("key"));
        put("swarm", self.swarm.map(SwarmRole::as_str));
        put("data", self.witness.then_some("none"));
        put("room", self.full.then_some("none"));
        put("keys", self.keys.as_ref().map(RingKeys::to_tag).as_deref());
        put("cas", self.cas.as_ref().map(Cas::to_tag).as_deref());
        let next = self.cas.as_ref().and_then(|cas| cas.next.as_ref());
        put("ca-next", next.map(|next| next.0.as_str()));
        put("keeps", self.keeps.map(|keeps| keeps.to_string()).as_deref());
        put("yields", self.yields.as_ref().map(|c| c.0.as_str()));
        put("hand", self.hand.map(Hand::as_str));
        put("left", self.left.as_ref().map(|id| id.0.as_str()));
        map
    }

    /// Reads what the ring carries; `None` if it is no Ashlar node (yet).
    /// Values that this release does not know read as absent.
    #[must_use]
    pub fn from_map(map: &BTreeMap<String, String>) -> Option<Self> {
        let get = |key: &str| map.get(key).map(String::as_str).filter(|v| !v.is_empty());
        Some(Self {
            id: NodeId(get("id")?.to_owned()),
            cluster: get("cluster").map(|c| ClusterId(c.to_owned())),
            storage_open: get("storage") == Some("open"),
            ca_key: get("ca") == Some("key"),
            swarm: match get("swarm") {
                Some("manager") => Some(SwarmRole::Manager),
                Some("worker") => Some(SwarmRole::Worker),
                _ => None,
            },
            witness: get("data") == Some("none"),
            full: get("room") == Some("none"),
            keys: get("keys").and_then(RingKeys::from_tag),
            cas: get("cas").and_then(|cas| Cas::from_tags(cas, get("ca-next"))),
            keeps: get("keeps").and_then(|keeps| keeps.parse().ok()),
            yields: get("yields").map(|c| ClusterId(c.to_owned())),
            hand: match get("hand") {
                Some("over") => Some(Hand::Over),
                Some("back") => Some(Hand::Back),
                _ => None,
            },
            left: get("left").map(|id| NodeId(id.to_owned())),
        })
    }
}
