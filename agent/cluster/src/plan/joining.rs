//! How a node without a cluster comes to one: it enrols with one that lives,
//! or founds one, or waits; and it says what for.

use crate::clock::apart;
use crate::situation::Situation;
use crate::{ClusterId, MemberStatus, RingMember};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The next move of a node without a membership.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Joining {
    /// Enrol with a cluster that lives in the ring.
    Enrol { cluster: ClusterId, via: Vec<IpAddr> },
    /// Found a cluster.
    Found,
    /// Neither yet; why, for a person.
    Wait(String),
}

/// The rules, in order; the first that applies decides.
pub(crate) fn joining(s: &Situation<'_>) -> Joining {
    let Some(ring) = &s.observed.ring else {
        return wait("waiting for the ring");
    };
    let Some(me) = s.own_entry() else {
        return wait("waiting to be seen alive in the ring under this node's own id");
    };
    let found = match s.cluster_to_join() {
        Ok(found) => found,
        Err(why) => return wait(why),
    };
    if let Some((cluster, found)) = found {
        let signers: Vec<_> =
            found.members.iter().filter(|m| m.ca_key).map(|m| m.address).collect();
        if signers.is_empty() {
            return wait(format!(
                "waiting for a member of cluster {cluster} that holds the CA key"
            ));
        }
        return Joining::Enrol { cluster: cluster.clone(), via: signers };
    }
    if ring.outdated {
        return wait(
            "this site's ring key was replaced: this box has a site file of before, and needs the \
             new one",
        );
    }
    if let Some(member) = there(s).find(|m| m.cluster.is_some()) {
        return wait(format!(
            "waiting for {}, which belongs to a cluster and does not answer",
            member.name
        ));
    }
    // A laptop that looks at the ring never will say so: it is waited for no
    // longer than one that stopped answering.
    if let Some(member) = s.live().find(|m| m.id.is_none())
        && ring.quiet_ms < s.wanted.grace_ms
    {
        return wait(format!("waiting for {} to say who it is", member.name));
    }
    let candidates: BTreeSet<_> = s.live().filter_map(|m| m.id.as_ref()).collect();
    if let Some(expect) = s.wanted.expect.filter(|n| candidates.len() < usize::from(*n)) {
        return wait(format!("{} of {expect} expected nodes present", candidates.len()));
    }
    if let Some(why) = deaf(s, candidates.len()) {
        return wait(why);
    }
    if s.is_witness() {
        return wait(
            "waiting for a box that carries data: this one is a witness and founds nothing",
        );
    }
    let may = |m: &&RingMember| m.id.is_some() && !s.votes_only(m);
    if let Some(smaller) = s.live().filter(may).find(|m| m.id < me.id) {
        return wait(format!("waiting for {} to found the cluster", smaller.name));
    }
    if ring.quiet_ms < s.wanted.settle_ms {
        let settle = s.wanted.settle_ms / 1000;
        return wait(format!("founding the cluster once the ring is unchanged for {settle} s"));
    }
    // It may have founded a cluster and lost power before anybody was told.
    if let Some(gone) = there(s).find(|m| m.status != MemberStatus::Alive)
        && ring.quiet_ms < s.wanted.grace_ms
    {
        let grace = s.wanted.grace_ms / 1000;
        return wait(format!("waiting up to {grace} s for {}, which stopped answering", gone.name));
    }
    Joining::Found
}

/// Why this node may not have heard of others that are there, or may not found
/// anything by its clock.
fn deaf(s: &Situation<'_>, candidates: usize) -> Option<String> {
    let Some(carrier_ms) = s.observed.place.carrier_ms else {
        return Some("waiting for a network cable: the port has no link".into());
    };
    if s.observed.clock.before_build {
        return Some(
            "waiting for the right time: this box's clock is before its release was made".into(),
        );
    }
    let others = s.observed.clock.outvoted_by();
    if let [first, ..] = others.as_slice() {
        return Some(format!(
            "waiting for the right time: this box's clock is {} that of {}",
            apart(-first.ahead_s),
            first.name
        ));
    }
    // Whoever sees another node has a switch that forwards, and whoever was told
    // how many to expect need not guess.
    let alone = candidates < 2 && s.wanted.expect.is_none();
    let least = if alone { s.wanted.alone_ms.max(s.wanted.settle_ms) } else { s.wanted.settle_ms };
    (carrier_ms < least).then(|| {
        let seconds = least / 1000;
        format!("founding the cluster once the cable has been in for {seconds} s")
    })
}

/// Members that have not left, answering or not.
fn there<'a>(s: &Situation<'a>) -> impl Iterator<Item = &'a RingMember> {
    s.members().filter(|m| m.status != MemberStatus::Left)
}

fn wait(why: impl Into<String>) -> Joining {
    Joining::Wait(why.into())
}
