//! One observation beside what is wanted, with the questions that planner and
//! phases both ask.

use crate::roster::is_retired;
use crate::{
    Brick, Identity, KnownBox, MemberStatus, Membership, NodeId, Observed, Part, RingMember,
    Silent, SwarmLocal, SwarmRole, Volume, Wanted,
};
use std::net::IpAddr;

/// An observation whose ring members are in one order, so that no answer can
/// depend on the order in which the ring told of them.
pub(crate) struct Situation<'a> {
    pub(crate) observed: &'a Observed,
    pub(crate) wanted: &'a Wanted,
    members: Vec<&'a RingMember>,
}

impl<'a> Situation<'a> {
    pub(crate) fn new(observed: &'a Observed, wanted: &'a Wanted) -> Self {
        let mut members: Vec<_> =
            observed.ring.iter().flat_map(|ring| ring.members.iter()).collect();
        members.sort();
        Self { observed, wanted, members }
    }

    /// Every ring member in order of id; empty if the ring does not answer.
    pub(crate) fn members(&self) -> impl Iterator<Item = &'a RingMember> + use<'a, '_> {
        self.members.iter().copied()
    }

    /// Live ring members, this node included.
    pub(crate) fn live(&self) -> impl Iterator<Item = &'a RingMember> + use<'a, '_> {
        self.members().filter(|m| m.status == MemberStatus::Alive)
    }

    /// This node's own entry, if it is alive in the ring and nobody else
    /// claims its id.
    pub(crate) fn own_entry(&self) -> Option<&'a RingMember> {
        let me = self.observed.identity.as_ref()?;
        let mut claims = self.live().filter(|m| m.id.as_ref() == Some(&me.id));
        let own = claims.next().filter(|m| m.name == me.name)?;
        claims.next().is_none().then_some(own)
    }

    /// This node with its membership and a valid certificate; without all
    /// three it has no business in storage or Swarm.
    pub(crate) fn certified(&self) -> Option<(&'a Identity, &'a Membership)> {
        let (identity, membership) =
            (self.observed.identity.as_ref()?, self.observed.membership.as_ref()?);
        (self.observed.pki.ca && self.observed.pki.certificate).then_some((identity, membership))
    }

    /// The other members of this node's cluster that have not left, and have
    /// not lost their place.
    pub(crate) fn kin(&self) -> impl Iterator<Item = &'a RingMember> + use<'a, '_> {
        let membership = self.observed.membership.as_ref();
        let me = self.observed.identity.as_ref();
        self.members().filter(move |m| {
            m.status != MemberStatus::Left
                && m.id.is_some()
                && m.id.as_ref() != me.map(|me| &me.id)
                && membership.is_some_and(|own| m.cluster.as_ref() == Some(&own.cluster))
                && !m.id.as_ref().is_some_and(|id| is_retired(self.observed, id))
        })
    }

    /// Those of [`Self::kin`] that are alive.
    pub(crate) fn live_kin(&self) -> impl Iterator<Item = &'a RingMember> + use<'a, '_> {
        self.kin().filter(|m| m.status == MemberStatus::Alive)
    }

    /// Live members of this cluster that can sign certificates.
    pub(crate) fn signers(&self) -> Vec<IpAddr> {
        self.live_kin().filter(|m| m.ca_key).map(|m| m.address).collect()
    }

    /// Live members of this cluster that manage the Swarm.
    pub(crate) fn managers(&self) -> Vec<IpAddr> {
        let managers = self.live_kin().filter(|m| m.swarm == Some(SwarmRole::Manager));
        managers.map(|m| m.address).collect()
    }

    /// Whether the others can have managers enough for a quorum, as far as the
    /// ring can tell: what a worker asks.
    pub(crate) fn others_schedule(&self) -> bool {
        let all = self.kin().filter(|m| m.swarm == Some(SwarmRole::Manager)).count();
        self.managers().len() * 2 > all
    }

    /// Whether the cluster cannot have a Swarm yet: this node founded it, has
    /// no record of a Swarm, and nobody shows one.
    pub(crate) fn before_any_swarm(&self) -> bool {
        self.observed.membership.as_ref().is_some_and(|m| m.founder && !m.swarm)
            && self.kin().all(|m| m.swarm.is_none())
    }

    /// Whether this node makes the cluster-wide changes: the Swarm's leader,
    /// or, while there cannot be a Swarm, the founder. Never two at once: a
    /// founder without a Swarm is the only node that could start one.
    pub(crate) fn authority(&self) -> bool {
        let Some((_, membership)) = self.certified() else { return false };
        if !self.wanted.swarm {
            return membership.founder;
        }
        match &self.observed.swarm {
            Some(swarm) if swarm.local == SwarmLocal::Active => swarm.manager && swarm.leader,
            _ => self.before_any_swarm(),
        }
    }

    /// Names and addresses of the boxes that a person asked to take out, as far as
    /// this node can read the record.
    pub(crate) fn leaving(&self) -> impl Iterator<Item = &'a KnownBox> {
        let record = self.observed.intent();
        record.into_iter().flat_map(|intent| intent.boxes.values()).filter(|known| known.remove)
    }

    /// Boxes that have a place by the record, and are not seen alive.
    pub(crate) fn unseen(&self) -> impl Iterator<Item = &'a KnownBox> + use<'a, '_> {
        let here = self.observed.identity.as_ref().map(|me| &me.id);
        let gone =
            move |id: &NodeId| Some(id) != here && !self.live().any(|m| m.id.as_ref() == Some(id));
        let boxes = self.observed.intent().into_iter().flat_map(|intent| &intent.boxes);
        boxes.filter(move |(id, _)| gone(id)).map(|(_, known)| known)
    }

    /// Whether the box of that name is on its way out, or lost its place and may
    /// still be up for a moment.
    pub(crate) fn goes(&self, name: &str) -> bool {
        let record = self.observed.intent();
        let retired = record.into_iter().flat_map(|intent| intent.retired.values());
        self.leaving().any(|known| known.name == name)
            || retired.into_iter().any(|gone| gone.name == name)
    }

    /// Whether a person struck the box of that name off.
    pub(crate) fn is_struck_off(&self, name: &str) -> bool {
        let record = self.observed.intent();
        let mut retired = record.into_iter().flat_map(|intent| intent.retired.values());
        retired.any(|gone| gone.revoked && gone.name == name)
    }

    /// Whether the box at this address is on its way out.
    pub(crate) fn leaves(&self, address: IpAddr) -> bool {
        self.leaving().any(|known| known.address == address)
    }

    /// Whether the box at this address is on its way out, or lost its place.
    pub(crate) fn gives_up(&self, address: IpAddr) -> bool {
        let record = self.observed.intent();
        let mut retired = record.into_iter().flat_map(|intent| intent.retired.values());
        self.leaves(address) || retired.any(|gone| gone.address == address)
    }

    /// Live members of other clusters: there should be none, because all boxes
    /// of a ring are of one site.
    pub(crate) fn strangers(&self) -> impl Iterator<Item = &'a RingMember> + use<'a, '_> {
        let own = self.observed.membership.as_ref().map(|m| &m.cluster);
        self.live()
            .filter(move |m| own.is_some() && m.cluster.is_some() && m.cluster.as_ref() != own)
    }

    /// How a part hangs: it runs, and does not answer.
    pub(crate) fn hangs(&self, part: Part) -> Option<&'a Silent> {
        self.observed.looks.get(&part)?.silent.as_ref().filter(|silent| silent.runs)
    }

    /// Whether the storage of the node at this address could start a brick: its
    /// daemon runs and is connected to the one here.
    pub(crate) fn stores(&self, address: IpAddr) -> bool {
        let me = self.observed.identity.as_ref().map(|me| me.address);
        let peers = self.observed.storage.iter().flat_map(|s| &s.peers);
        let peer = || peers.clone().any(|p| p.address == address && p.connected && p.in_cluster);
        Some(address) == me || (self.live_kin().any(|m| m.address == address) && peer())
    }

    /// Whether this box is a witness, where storage is wanted.
    pub(crate) fn is_witness(&self) -> bool {
        self.wanted.storage && self.observed.witness
    }

    /// Whether that member is one.
    pub(crate) fn votes_only(&self, member: &RingMember) -> bool {
        self.wanted.storage && member.witness
    }

    /// Whether the box at this address is one.
    pub(crate) fn votes_only_at(&self, address: IpAddr) -> bool {
        let here = self.observed.identity.as_ref().is_some_and(|me| me.address == address);
        if here {
            return self.is_witness();
        }
        self.live_kin().any(|m| m.address == address && self.votes_only(m))
    }

    /// The cluster volume, if there is one.
    pub(crate) fn volume(&self) -> Option<&'a Volume> {
        self.observed.storage.as_ref()?.volume.as_ref()
    }

    /// This node's own brick.
    pub(crate) fn own_brick(&self) -> Option<&'a Brick> {
        let me = self.observed.identity.as_ref()?;
        self.volume()?.bricks.iter().filter(|b| b.address == me.address).min_by_key(|b| b.online)
    }

    /// The replica count to reach.
    pub(crate) fn replicas(&self) -> u8 {
        self.wanted.replicas.clamp(1, 3)
    }

    /// Whether this node mounts the volume as a client: it has no brick, and the
    /// volume has all that it will get, or this node was at work before. Its copy may
    /// have been given up, and the Swarm must not miss its engine for that. A
    /// witness gives none before there are two copies.
    pub(crate) fn is_client(&self) -> bool {
        let worked = self.observed.membership.as_ref().is_some_and(|m| m.swarm);
        let whole = self.volume().is_some_and(|v| v.replicas >= self.replicas());
        let needs_none = worked || self.is_witness();
        self.own_brick().is_none() && (whole || (needs_none && self.volume().is_some()))
    }

    /// Whether the volume can be mounted here.
    pub(crate) fn mountable(&self) -> bool {
        self.volume().is_some_and(|v| v.started)
            && (self.own_brick().is_some() || self.is_client())
            && !self.yields()
            && self.looks_for().is_none()
    }

    /// The boxes that give a brick and have no room left for files, by name, if their lack
    /// of it takes it from the volume.
    pub(crate) fn crammed(&self) -> Vec<String> {
        if !self.observed.full && !self.live().any(|m| m.full) {
            return Vec::new();
        }
        let here = self.observed.identity.as_ref().map(|me| me.address);
        let told = |at: IpAddr| match here == Some(at) {
            true => Some(self.observed.full),
            false => self.live().find(|m| m.address == at).map(|m| m.full),
        };
        // One that is full itself, and was just switched on, has not heard of the others yet.
        let full = |at: IpAddr| told(at).unwrap_or(self.observed.full);
        let Some(volume) = self.volume().filter(|v| v.writable() && !v.has_room(full)) else {
            return Vec::new();
        };
        let of = volume.bricks.iter().map(|b| b.address).filter(|at| told(*at) == Some(true));
        of.map(|at| self.name_at(at)).collect()
    }

    /// Whether the storage phase holds, room for files aside, or is not wanted.
    pub(crate) fn storage_holds(&self) -> bool {
        !self.wanted.storage
            || (self.certified().is_some()
                && self.mountable()
                && self.observed.mounted
                && self.own_brick().is_none_or(|b| b.online)
                && self.volume().is_some_and(Volume::writable))
    }
}

/// The largest odd number of managers for this many nodes: an even one more
/// would only add a node whose loss stops the cluster.
pub(crate) fn manager_count(nodes: usize, most: u8) -> usize {
    let most = nodes.min(usize::from(most)).max(1);
    if most % 2 == 0 { most - 1 } else { most }
}
