//! Rules of founding and enrolling.

use super::{Case, Verdict, must};
use crate::{MemberStatus, RingMember, Step};
use std::collections::BTreeSet;
use std::net::IpAddr;

fn alive(m: &&RingMember) -> bool {
    m.status == MemberStatus::Alive
}

pub(super) fn only_when_alone(step: &Step, c: &Case<'_>) -> Verdict {
    if !matches!(step, Step::Found) {
        return Ok(());
    }
    if c.o.ring.as_ref().is_some_and(|ring| ring.outdated) {
        return Err("another box tells that this node's ring key was replaced".into());
    }
    let mut there = c.members().iter().filter(|m| m.status != MemberStatus::Left);
    if let Some(m) = there.find(|m| m.cluster.is_some()) {
        return Err(format!("{} shows a cluster", m.name));
    }
    let quiet = c.o.ring.as_ref().map_or(0, |r| r.quiet_ms);
    match c.members().iter().filter(alive).find(|m| m.id.is_none()) {
        Some(m) if quiet < c.w.grace_ms => Err(format!("{} does not say who it is", m.name)),
        _ => Ok(()),
    }
}

pub(super) fn only_smallest(step: &Step, c: &Case<'_>) -> Verdict {
    if !matches!(step, Step::Found) {
        return Ok(());
    }
    let Some(me) = &c.o.identity else { return Err("this node has no identity".into()) };
    let other = |m: &RingMember| m.id.as_ref() != Some(&me.id);
    let may = |m: &&RingMember| alive(m) && !(m.witness && c.w.storage && other(m));
    let mut ids: Vec<_> = c.members().iter().filter(may).filter_map(|m| m.id.as_ref()).collect();
    ids.sort();
    must(ids.first() == Some(&&me.id), "this node is not the smallest live id")?;
    must(ids.get(1) != Some(&&me.id), "another live member has this node's id")
}

pub(super) fn waits_for_expected(step: &Step, c: &Case<'_>) -> Verdict {
    let (Step::Found, Some(expect)) = (step, c.w.expect) else { return Ok(()) };
    let ids: BTreeSet<_> = c.members().iter().filter(alive).filter_map(|m| m.id.as_ref()).collect();
    must(ids.len() >= usize::from(expect), format!("{} of {expect} nodes are alive", ids.len()))
}

pub(super) fn waits_until_settled(step: &Step, c: &Case<'_>) -> Verdict {
    if !matches!(step, Step::Found) {
        return Ok(());
    }
    let quiet = c.o.ring.as_ref().map_or(0, |r| r.quiet_ms);
    must(quiet >= c.w.settle_ms, "the ring changed within the settle time")?;
    let gone = [MemberStatus::Failed, MemberStatus::Leaving];
    let failed = c.members().iter().find(|m| gone.contains(&m.status));
    match failed {
        Some(m) if quiet < c.w.grace_ms => {
            Err(format!("{} stopped answering within the grace time", m.name))
        }
        _ => Ok(()),
    }
}

pub(super) fn hears_the_others(step: &Step, c: &Case<'_>) -> Verdict {
    if !matches!(step, Step::Found) {
        return Ok(());
    }
    let Some(carrier) = c.o.place.carrier_ms else { return Err("the port has no link".into()) };
    must(carrier >= c.w.settle_ms, "the cable was plugged in within the settle time")?;
    let ids: BTreeSet<_> = c.members().iter().filter(alive).filter_map(|m| m.id.as_ref()).collect();
    let guesses = ids.len() < 2 && c.w.expect.is_none();
    must(!guesses || carrier >= c.w.alone_ms, "the switch may not forward yet")
}

pub(super) fn signs_by_a_clock_that_can_be_right(step: &Step, c: &Case<'_>) -> Verdict {
    let signs = match step {
        Step::Found => true,
        Step::RenewCertificate { via } => via.is_empty(),
        _ => false,
    };
    must(!(signs && c.o.clock.before_build), "the clock is before the release was made")?;
    let voters = believed(c);
    let against = voters.iter().filter(|ahead| !(-300..=300).contains(*ahead)).count();
    must(!(signs && 2 * against > voters.len()), "the others show another time")
}

/// How far those clocks are ahead that are believed, this node's among them. Counted by
/// hand: the planner has a rule of its own.
fn believed(c: &Case<'_>) -> Vec<i64> {
    let own = (0, c.o.clock.synchronised);
    let others = c.o.clock.others.iter().map(|other| (other.ahead_s, other.synchronised));
    let all: Vec<_> = others.chain([own]).collect();
    let set = all.iter().any(|(_, synchronised)| *synchronised);
    all.into_iter().filter(|(_, synchronised)| *synchronised || !set).map(|(a, _)| a).collect()
}

pub(super) fn sets_the_clock_by_most_of_the_others(step: &Step, c: &Case<'_>) -> Verdict {
    let Step::SetClock { ahead_s } = step else { return Ok(()) };
    must(!c.o.clock.synchronised, "a time server has set it")?;
    must(!(-300..=300).contains(ahead_s), "it is right")?;
    let voters = believed(c);
    let there = voters.iter().filter(|ahead| ahead.abs_diff(*ahead_s) <= 300).count();
    must(2 * there > voters.len(), "fewer than half of those that are believed show that")
}

pub(super) fn ca_key_on_three(step: &Step, c: &Case<'_>) -> Verdict {
    let own = c.o.identity.as_ref().map(|me| &me.id);
    let held: BTreeSet<_> = c
        .kin()
        .filter(|m| m.status == MemberStatus::Alive && m.ca_key && m.id.as_ref() != own)
        .map(|m| m.address)
        .collect();
    match step {
        Step::FetchCaKey { .. } => {
            must(!c.o.pki.ca_key, "the key is here")?;
            must(held.len() < 3, "three others hold it")
        }
        Step::DropCaKey { via } => {
            let keep: BTreeSet<_> = via.iter().filter(|a| held.contains(a)).collect();
            must(keep.len() >= 3, "fewer than three others are seen to hold it")
        }
        _ => Ok(()),
    }
}

pub(super) fn no_second_membership(step: &Step, c: &Case<'_>) -> Verdict {
    match (step, &c.o.membership) {
        (Step::Found, Some(own)) => Err(format!("this node belongs to {}", own.cluster)),
        (Step::Enrol { cluster, .. }, Some(own)) => {
            must(*cluster == own.cluster, format!("this node belongs to {}", own.cluster))
        }
        _ => Ok(()),
    }
}

pub(super) fn ask_only_signers(step: &Step, c: &Case<'_>) -> Verdict {
    let signs = |cluster: Option<&crate::ClusterId>, address: &IpAddr| {
        c.members().iter().filter(alive).any(|m| {
            let right = m.cluster.is_some() && m.cluster.as_ref() == cluster;
            right && m.ca_key && m.address == *address
        })
    };
    let own = c.o.membership.as_ref().map(|m| &m.cluster);
    let (cluster, via, may_be_empty) = match step {
        Step::Enrol { cluster, via } => (Some(cluster), via, false),
        Step::RenewCertificate { via } => (own, via, c.o.pki.ca_key),
        Step::FetchCaKey { via } | Step::DropCaKey { via } => (own, via, false),
        _ => return Ok(()),
    };
    must(may_be_empty || !via.is_empty(), "there is nobody to ask")?;
    match via.iter().find(|address| !signs(cluster, address)) {
        Some(address) => Err(format!("{address} is no live member that holds the CA key")),
        None => Ok(()),
    }
}
