//! Two boxes without a witness: the one whose copy decides manages as well. With the
//! copy that decides here and the manager there, neither could go on without the other.
//! One that is switched off in order hands both to the other one, and has them back
//! when it has healed.

use super::storage::unhealthy;
use super::swarm::still_known;
use super::{because, waits};
use crate::situation::Situation;
use crate::{Hand, Plan, Planned, Step, Swarm, SwarmLocal, SwarmRole, Volume};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The step that brings both to one box. All managers are reachable.
pub(super) fn seat(s: &Situation<'_>, swarm: &Swarm) -> Option<Planned> {
    let volume = s.volume().filter(|_| s.wanted.storage)?;
    let seat = s.seat_of_two(volume)?;
    let entries = || swarm.nodes.iter().filter(|n| !s.goes(&n.name));
    let coming = s.live_kin().map(|m| m.name.as_str()).filter(|name| !s.goes(name));
    let boxes: BTreeSet<_> = entries().map(|n| n.name.as_str()).chain(coming).collect();
    let there = entries().filter(|n| n.up && n.address == Some(seat.address));
    let decides = there.min_by_key(|n| &n.name).filter(|_| boxes.len() == 2)?;
    let managers: BTreeSet<_> =
        swarm.nodes.iter().filter(|n| n.manager).map(|n| n.name.as_str()).collect();
    let why = if volume.decides() == Some(seat) && !volume.is_handed_over() {
        "of two boxes the one with the first copy manages"
    } else {
        "the other one of two boxes is switched off in order"
    };
    if !managers.contains(decides.name.as_str()) {
        let (name, role) = (decides.name.clone(), SwarmRole::Manager);
        return (managers.len() == 1).then(|| because(Step::SetSwarmRole { name, role }, why));
    }
    if managers.len() != 2 {
        return None;
    }
    let other = managers.into_iter().find(|name| *name != decides.name && !s.goes(name))?;
    let (name, role) = (other.to_owned(), SwarmRole::Worker);
    Some(because(Step::SetSwarmRole { name, role }, why))
}

/// To whom this box, which is being switched off, hands over what of two boxes only one
/// has: its address, or what must come about first. `None` if there is nothing to hand
/// over, or nobody to take it.
fn successor(s: &Situation<'_>) -> Option<Result<IpAddr, String>> {
    let (me, membership) = s.certified().filter(|_| s.wanted.storage && s.wanted.swarm)?;
    let mut kin = s.kin();
    let other = kin.next().filter(|_| membership.swarm && kin.next().is_none())?;
    let lives = s.live_kin().any(|m| m.id == other.id && m.hand != Some(Hand::Over));
    if !lives || other.swarm.is_none() || s.observed.waits_for_its_turn() {
        return None;
    }
    let Some(storage) = &s.observed.storage else {
        return Some(Err("the storage daemon answers".into()));
    };
    let volume = storage.volume.as_ref().filter(|v| v.started)?;
    let two = volume.pair().is_some_and(|(first, second)| first.online && second.online);
    let theirs = volume.has_brick_of(other.address);
    if !two || !theirs || !s.stores(other.address) {
        return None;
    }
    let manages = other.swarm == Some(SwarmRole::Manager);
    let alone = |swarm: &Swarm| swarm.local == SwarmLocal::Active && !swarm.manager;
    // Its engine is stopped already where a hand-over was cut; it left its seat before.
    let left = || s.own_entry().is_some_and(|m| m.swarm == Some(SwarmRole::Worker));
    let seated = s.observed.swarm.as_ref().map_or_else(left, alone);
    let decides = volume.decides().is_some_and(|b| b.address == me.address);
    if !decides && seated && manages {
        return None;
    }
    if let Some(until) = unhealthy(volume) {
        return Some(Err(until));
    }
    if volume.is_handed_over() && decides {
        return Some(Err(format!("{} has its turn back", other.name)));
    }
    if !(seated && manages) {
        return Some(Err(format!("{} alone manages the Swarm", other.name)));
    }
    Some(Ok(other.address))
}

/// Whether this box, which is being switched off, still has something to hand over.
pub(crate) fn hands_over(s: &Situation<'_>) -> bool {
    successor(s).is_some()
}

/// What is done before this box goes down: nothing else is begun.
pub(super) fn before_it_goes_down(s: &Situation<'_>, plan: &mut Plan) {
    let Some(able) = successor(s) else { return };
    let (Some(volume), rule) = (s.volume(), "hand-over-only-what-is-whole") else { return };
    if s.authority() {
        hand_back(s, volume, plan);
        let led = s.observed.swarm.as_ref().filter(|_| unhealthy(volume).is_none());
        let known = |swarm: &&Swarm| still_known(s, swarm).is_none();
        plan.steps.extend(led.filter(known).and_then(|swarm| seat(s, swarm)));
    }
    match able {
        Ok(to) => {
            let turn = volume.turn_of_second();
            let why = "this box is switched off in order, and the other one is to go on";
            plan.steps.push(because(Step::HandOver { to, turn }, why));
        }
        Err(until) => plan.waits.push(waits("the hand-over to the other box", until, rule)),
    }
}

/// Whether the first of two copies gets its turn back.
pub(super) enum Turn {
    /// It has it.
    First,
    /// It gets it now.
    GivenBack,
    /// Something must come about first.
    Awaited,
}

/// The one that handed over has its turn again when its copy is whole.
pub(super) fn hand_back(s: &Situation<'_>, volume: &Volume, plan: &mut Plan) -> Turn {
    let Some(first) = volume.bricks.first().map(|b| b.address) else { return Turn::First };
    let asks = |m: &crate::RingMember| m.address == first && m.hand == Some(Hand::Back);
    if !volume.is_handed_over() && !s.live_kin().any(asks) {
        return Turn::First;
    }
    let there = s.live_kin().any(|m| m.address == first) && s.stores(first);
    let able = match unhealthy(volume) {
        _ if !there || s.goes_down_at(first) => Err("its box is back".into()),
        None => Ok(()),
        Some(until) => Err(until),
    };
    match able {
        Ok(()) => {
            let why = format!("the box at {first} is back, and its copy is whole");
            plan.steps.push(because(Step::HandBack { turn: volume.turn_of_first() }, why));
            Turn::GivenBack
        }
        Err(until) => {
            let wanted = format!("the turn of the first copy, on {first}");
            plan.waits.push(waits(wanted, until, "hand-back-only-what-is-whole"));
            Turn::Awaited
        }
    }
}
