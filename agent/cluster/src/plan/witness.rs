//! What a witness is for: the third brick beside two copies, and a vote in the Swarm
//! without a task.

use super::storage::{brick_givers, givers, unhealthy};
use super::{because, waits};
use crate::situation::Situation;
use crate::{Availability, Plan, RingMember, Step, Storage, Swarm, Volume};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Gives two copies a witness; or lets a third copy take its place, as soon as there is
/// a box for it. Says whether anything is to be done, or waits.
pub(super) fn arbiter(
    s: &Situation<'_>,
    volume: &Volume,
    storage: &Storage,
    plan: &mut Plan,
) -> bool {
    let free = |address: &IpAddr| volume.bricks.iter().all(|b| b.address != *address);
    let third = brick_givers(s, storage).into_iter().find(free).filter(|_| s.replicas() > 2);
    if let Some(arbiter) = volume.arbiter() {
        // Its place is free only while every copy is whole.
        let three = volume.replicas == 3 && volume.bricks.len() == 3;
        let sure = s.observed.ring.is_some() && (!s.wanted.swarm || knows_who_goes(s));
        let Some(third) = third.filter(|_| three && sure && unhealthy(volume).is_none()) else {
            return true;
        };
        let why = format!("{third} can hold a whole copy in the place of the witness");
        let step = Step::DropBrick { brick: arbiter.address, replicas: 2 };
        plan.steps.push(because(step, why));
        return true;
    }
    let two = volume.replicas == 2 && volume.bricks.len() == 2 && s.replicas() > 1;
    let stay = volume.bricks.iter().all(|b| !s.leaves(b.address));
    if !two || !stay || third.is_some() || comes(s, free) {
        return false;
    }
    let witness = |address: &IpAddr| s.votes_only_at(*address) && free(address);
    let Some(brick) = givers(s, storage).into_iter().find(witness) else { return false };
    if let Some(until) = unhealthy(volume) {
        plan.waits.push(waits(format!("a witness on {brick}"), until, "witness-beside-two"));
    } else {
        let why = format!("{brick} carries no data, and can tell which of two copies is whole");
        plan.steps.push(because(Step::AddArbiter { brick }, why));
    }
    true
}

/// Whether it is known which boxes are on their way out, or have lost their place.
fn knows_who_goes(s: &Situation<'_>) -> bool {
    s.observed.swarm.as_ref().is_some_and(|swarm| swarm.record.intent().is_some())
}

/// Whether a box for a third copy is on its way.
fn comes(s: &Situation<'_>, free: impl Fn(&IpAddr) -> bool) -> bool {
    let quiet = s.observed.ring.as_ref().is_some_and(|ring| ring.quiet_ms >= s.wanted.grace_ms);
    let third = |m: &RingMember| {
        !s.votes_only(m) && free(&m.address) && !s.leaves(m.address) && s.replicas() > 2
    };
    !quiet && s.live_kin().any(third)
}

/// A witness gets no tasks, and whoever is none any more gets them again.
pub(super) fn duty(s: &Situation<'_>, swarm: &Swarm, plan: &mut Plan) {
    let entries: BTreeSet<_> =
        swarm.nodes.iter().filter(|n| n.up).map(|n| (&n.name, n.availability)).collect();
    for (name, availability) in entries {
        let name = name.clone();
        let mut shown = s.live().filter(|m| m.name == name).map(|m| s.votes_only(m));
        let Some(witness) = shown.next() else { continue };
        if shown.any(|other| other != witness) {
            continue;
        }
        let why = match (witness, availability) {
            (true, Availability::Active) => "it is a witness",
            (false, Availability::Voting) => "it is no witness",
            _ => continue,
        };
        plan.steps.push(because(Step::SetVoting { name, voting: witness }, why));
    }
}
