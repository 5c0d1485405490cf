//! One node: its site, its keys, and the effects by which it acts.

use crate::host::Host;
use crate::identity;
use crate::looks::Looks;
use crate::observe::{self, Sight};
use crate::paths::Paths;
use crate::places::Told;
use crate::ring::Ring;
use crate::storage::Storage;
use crate::swarm::{Standing, Swarm};
use crate::trust::Trust;
use anyhow::{Context, Result};
use ashlar_cluster::{Identity, Keeps, Part, RingMember, Wanted};
use ashlar_site::Site;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// The four effects that a node has on the world.
pub(crate) struct Effects<H, R, S, W> {
    /// Units, names, links and mounts.
    pub(crate) host: H,
    /// The ring.
    pub(crate) ring: R,
    /// Replicated storage.
    pub(crate) storage: S,
    /// The container cluster.
    pub(crate) swarm: W,
}

/// A node with a site.
pub(crate) struct Node<H, R, S, W> {
    pub(crate) paths: Paths,
    pub(crate) site: Site,
    pub(crate) wanted: Wanted,
    pub(crate) effects: Effects<H, R, S, W>,
    /// The ring's live picture, and since when it is as it is.
    pub(crate) quiet: RefCell<Quiet>,
    /// Since when the link with the cluster address has had carrier.
    pub(crate) carrier: RefCell<Carrier>,
    /// Another machine answered at this node's address when it was asked last.
    pub(crate) twin: Cell<bool>,
    /// This box is being switched off or restarted in order.
    pub(crate) goes_down: Cell<bool>,
    /// When it was last looked after what this box keeps to go on alone.
    pub(crate) kept_for_alone: Cell<Option<u64>>,
    /// What the Swarm's managers hold of this node.
    pub(crate) standing: RefCell<Standing>,
    /// What others said about places in this cluster.
    pub(crate) told: RefCell<Told>,
    /// What the last look at each part brought.
    pub(crate) sight: RefCell<Sight>,
    /// How long a look at a part may take.
    pub(crate) patience: fn(Part) -> Duration,
    /// Somebody lists the volume.
    pub(crate) peeking: Arc<AtomicBool>,
    /// The looks at each part.
    pub(crate) looks: Looks,
    trust: OnceCell<Arc<Trust>>,
}

/// How long the ring has been as it is.
#[derive(Debug, Default)]
pub(crate) struct Quiet {
    picture: BTreeSet<(String, Option<String>, Option<Keeps>)>,
    since_ms: u64,
}

impl Quiet {
    /// Notes what the ring shows at `now_ms`, and says for how long the set of
    /// live members, their clusters and what those keep has been the same.
    pub(crate) fn note(&mut self, members: &[RingMember], now_ms: u64) -> u64 {
        let alive = members.iter().filter(|m| m.status == ashlar_cluster::MemberStatus::Alive);
        let picture: BTreeSet<_> = alive
            .map(|m| (m.name.clone(), m.cluster.as_ref().map(|c| c.0.clone()), m.keeps))
            .collect();
        if picture != self.picture {
            self.picture = picture;
            self.since_ms = now_ms;
        }
        now_ms.saturating_sub(self.since_ms)
    }
}

/// A link with carrier, and since when it was seen so.
#[derive(Debug, Default)]
pub(crate) struct Carrier {
    link: Option<String>,
    since_ms: u64,
}

impl Carrier {
    /// Notes which link carries the cluster address and has carrier at `now_ms`,
    /// and says for how long it has been that one.
    pub(crate) fn note(&mut self, link: Option<String>, now_ms: u64) -> Option<u64> {
        if link != self.link {
            self.link = link;
            self.since_ms = now_ms;
        }
        self.link.as_ref().map(|_| now_ms.saturating_sub(self.since_ms))
    }
}

/// The unit of the storage daemon.
pub(crate) const STORAGE_UNIT: &str = "glusterd.service";

/// The unit of the container engine.
pub(crate) const ENGINE_UNIT: &str = "docker.service";

/// The socket that starts the engine for whoever asks it, with or without its
/// files: it is stopped together with it.
pub(crate) const ENGINE_SOCKET: &str = "docker.socket";

/// The unit of the agent itself.
pub(crate) const AGENT_UNIT: &str = "ashlar-agent.service";

/// The unit that mounts the cluster volume.
pub(crate) const MOUNT_UNIT: &str = "srv-cluster.mount";

impl<H: Host, R: Ring, S: Storage, W: Swarm> Node<H, R, S, W> {
    pub(crate) fn new(
        paths: &Paths,
        site: Site,
        wanted: Wanted,
        effects: Effects<H, R, S, W>,
    ) -> Self {
        Self {
            paths: paths.clone(),
            site,
            wanted,
            effects,
            quiet: RefCell::default(),
            carrier: RefCell::default(),
            twin: Cell::default(),
            goes_down: Cell::default(),
            kept_for_alone: Cell::default(),
            standing: RefCell::default(),
            told: RefCell::default(),
            sight: RefCell::default(),
            patience: observe::patience,
            peeking: Arc::default(),
            looks: Looks::default(),
            trust: OnceCell::new(),
        }
    }

    /// The identity on disk.
    pub(crate) fn identity(&self) -> Result<Identity> {
        identity::load(&self.paths)?.context("this node has no identity yet")
    }

    /// This node's keys; opened once it has an identity.
    pub(crate) fn trust(&self) -> Result<Arc<Trust>> {
        if let Some(trust) = self.trust.get() {
            return Ok(trust.clone());
        }
        let opened = Trust::open(&self.paths, &self.identity()?, &self.site)?;
        Ok(self.trust.get_or_init(|| Arc::new(opened)).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ashlar_cluster::{ClusterId, MemberStatus};

    fn member(name: &str, status: MemberStatus, cluster: Option<&str>) -> RingMember {
        RingMember {
            keys: None,
            cas: None,
            id: None,
            name: name.into(),
            address: std::net::IpAddr::from([10, 83, 0, 1]),
            status,
            cluster: cluster.map(|c| ClusterId(c.into())),
            storage_open: false,
            ca_key: false,
            swarm: None,
            witness: false,
            full: false,
            keeps: None,
            yields: None,
            hand: None,
            left: None,
        }
    }

    #[test]
    fn carrier_counts_from_when_this_link_was_first_seen_to_have_it() {
        let mut carrier = Carrier::default();
        let link = |name: &str| Some(name.to_owned());
        assert_eq!(carrier.note(None, 1_000), None);
        assert_eq!(carrier.note(link("enp1s0"), 5_000), Some(0));
        assert_eq!(carrier.note(link("enp1s0"), 9_000), Some(4_000));
        assert_eq!(carrier.note(link("enp2s0"), 9_500), Some(0), "it moved");
        assert_eq!(carrier.note(None, 9_600), None);
        assert_eq!(carrier.note(link("enp2s0"), 9_700), Some(0), "it was pulled");
    }

    #[test]
    fn the_ring_is_quiet_until_a_live_member_or_its_cluster_changes() {
        let mut quiet = Quiet::default();
        let a = member("a", MemberStatus::Alive, None);
        assert_eq!(quiet.note(std::slice::from_ref(&a), 100), 0);
        assert_eq!(quiet.note(std::slice::from_ref(&a), 150), 50);
        let failed = member("b", MemberStatus::Failed, None);
        assert_eq!(quiet.note(&[a, failed], 200), 100, "the dead do not count");
        let founded = member("a", MemberStatus::Alive, Some("c"));
        assert_eq!(quiet.note(&[founded], 300), 0);
    }
}
