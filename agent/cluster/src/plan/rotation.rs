//! The ring's key is replaced. Each node takes, uses and forgets keys by itself, as the
//! record says; the leader moves the record on when all that are seen have followed.
//! Who is away is not waited for: it takes the key when it is back, over mutual TLS.

use super::{because, waits};
use crate::rotation::{current_rotation, lacks};
use crate::situation::Situation;
use crate::{Intent, Plan, RingKeys, RingMember, Rotation, RotationStage, Step};
use std::net::IpAddr;

/// So many boxes are asked for the key, one after the other.
const ASKED: usize = 5;

/// The rule by which the record is moved on.
const RULE: &str = "ring-key-only-when-all-follow";

pub(super) fn plan(s: &Situation<'_>, plan: &mut Plan) {
    let pki = &s.observed.pki;
    if s.certified().is_none() || s.observed.ring.is_none() {
        return;
    }
    if let (Some(rotation), Some(keys)) = (current_rotation(s.observed), &pki.ring_keys) {
        follow(s, rotation, keys, plan);
    }
    advance(s, plan);
}

/// What this node has still to do.
fn follow(s: &Situation<'_>, rotation: &Rotation, keys: &RingKeys, plan: &mut Plan) {
    let key = &rotation.key;
    if !keys.has(key) {
        let here = s.observed.pki.next_key.as_ref() == Some(key);
        let via = if here { Vec::new() } else { holders(s, rotation) };
        if !here && via.is_empty() {
            let until = "a box that has it answers";
            return plan.waits.push(waits("the ring's new key", until, "ring-key-by-record"));
        }
        let why = "the ring's key is replaced, and this node has not the new one";
        return plan.steps.push(because(Step::TakeRingKey { key: key.clone(), via }, why));
    }
    // Site and seal come after each change of the key in use, before the next one.
    if s.observed.pki.ring_key_changed || rotation.stage == RotationStage::Spread {
        return;
    }
    if keys.uses != *key {
        let why = "every box that is seen has the ring's new key";
        plan.steps.push(because(Step::UseRingKey { key: key.clone() }, why));
    } else if rotation.stage == RotationStage::Only && !keys.also.is_empty() {
        let why = "every box that is seen uses the ring's new key";
        plan.steps.push(because(Step::DropRingKeys { keep: key.clone() }, why));
    }
}

/// Where the new key is to be had: from those that show it; from who said so; or, if
/// nobody is seen because this node still has the old one, from whoever has a place.
fn holders(s: &Situation<'_>, rotation: &Rotation) -> Vec<IpAddr> {
    let shows =
        |m: &&crate::RingMember| m.keys.as_ref().is_some_and(|keys| keys.has(&rotation.key));
    let mut via: Vec<_> = s.live_kin().filter(shows).map(|m| m.address).collect();
    let told =
        s.observed.pki.told_rotation.as_ref().filter(|told| told.rotation.key == rotation.key);
    let record = s.observed.intent();
    let here = s.observed.identity.as_ref().map(|me| me.address);
    let places = record.into_iter().flat_map(|intent| intent.boxes.values()).map(|b| b.address);
    let live = |a: &IpAddr| s.live_kin().any(|m| m.address == *a);
    let further = told.into_iter().flat_map(|told| told.at.iter().copied()).chain(
        // Those that are seen and do not show it have not got it.
        places.filter(|a| Some(*a) != here && !live(a)),
    );
    for address in further {
        if !via.contains(&address) {
            via.push(address);
        }
    }
    via.truncate(ASKED);
    via
}

/// The leader moves the record on.
fn advance(s: &Situation<'_>, plan: &mut Plan) {
    let intent = s.observed.intent_as_leader().filter(|_| s.wanted.swarm);
    let Some(intent) = intent else { return };
    let Some(rotation) = &intent.ring else { return };
    let (stage, wanted) = match rotation.stage {
        RotationStage::Spread => (RotationStage::Use, "the use of the ring's new key"),
        RotationStage::Use => (RotationStage::Only, "the end of the ring's old key"),
        RotationStage::Only => return,
    };
    let next = Rotation { stage, ..rotation.clone() };
    let intent = Intent { ring: Some(next), ..intent.clone() };
    let held_back = behind(s, |m| lacks(m, rotation)).or_else(|| unrest(s));
    move_on(plan, wanted, intent, held_back.map(|until| (until, RULE)));
}

/// The record goes on to a stage that is wanted, unless something must come about first,
/// by a rule.
pub(super) fn move_on(
    plan: &mut Plan,
    wanted: &str,
    intent: Intent,
    held_back: Option<(String, &'static str)>,
) {
    // Another change of the record goes first; both rest on the same version of it.
    if plan.steps.iter().any(|p| matches!(p.step, Step::Record { .. })) {
        return;
    }
    if let Some((until, rule)) = held_back {
        return plan.waits.push(waits(wanted, until, rule));
    }
    let why = format!("every box that is seen is ready for {wanted}");
    plan.steps.push(because(Step::Record { intent }, why));
}

/// Whether somebody who is seen has not followed yet: what must come about first.
pub(super) fn behind(
    s: &Situation<'_>,
    lacks: impl Fn(&RingMember) -> Option<String>,
) -> Option<String> {
    let Some(own) = s.own_entry() else { return Some("this node is seen in the ring".into()) };
    let mut all = std::iter::once(own).chain(s.live_kin());
    let (member, lacks) = all.find_map(|m| Some((m, lacks(m)?)))?;
    Some(format!("{}, which {lacks}, has done so or is off", member.name))
}

/// The same of those who come and go.
pub(super) fn unrest(s: &Situation<'_>) -> Option<String> {
    let quiet_ms = s.observed.ring.as_ref().map_or(0, |ring| ring.quiet_ms);
    if quiet_ms < s.wanted.settle_ms {
        let settle = s.wanted.settle_ms / 1000;
        return Some(format!("nobody has come or gone for {settle} s"));
    }
    // One on its way in would be left outside. Not for ever: it may be no box of ours.
    let comes = |m: &&RingMember| m.id.is_some() && m.cluster.is_none();
    let newcomer = s.live().find(comes).filter(|_| quiet_ms < s.wanted.grace_ms);
    newcomer.map(|m| format!("{} has joined the cluster", m.name))
}
