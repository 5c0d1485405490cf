//! Boxes that live, and that a person asked to take out: their tasks go elsewhere,
//! their copy, their seat among the managers; and when nothing is left on them they
//! lose their place. Until then a person may keep them: each part then comes back by
//! what a cluster of so many boxes wants anyway.

use super::removal::{successor, without};
use super::storage::unhealthy;
use super::{because, waits};
use crate::situation::Situation;
use crate::{Availability, Intent, KnownBox, NodeId, Plan, Step, Swarm, SwarmNode};

pub(super) fn plan(s: &Situation<'_>, swarm: &Swarm, intent: &Intent, plan: &mut Plan) {
    let leaves = |n: &SwarmNode| intent.boxes.values().any(|k| k.remove && k.name == n.name);
    for entry in &swarm.nodes {
        let (name, leaving) = (entry.name.clone(), leaves(entry));
        if leaving && entry.up && entry.availability != Availability::Leaving {
            let why = "a person asked to take the box out";
            plan.steps.push(because(Step::SetLeaving { name, leaving }, why));
        } else if !leaving && entry.availability == Availability::Leaving {
            let retired = intent.retired.values().any(|gone| gone.name == entry.name);
            if !retired {
                let why = "the box stays";
                plan.steps.push(because(Step::SetLeaving { name, leaving }, why));
            }
        }
    }
    for known in intent.boxes.values().filter(|known| known.remove) {
        if s.live().any(|m| m.name == known.name) {
            copy(s, known, plan);
        }
    }
}

/// Its copy goes to a box that has none; or there is one copy less.
fn copy(s: &Situation<'_>, known: &KnownBox, plan: &mut Plan) {
    let Some(storage) = s.observed.storage.as_ref().filter(|_| s.wanted.storage) else { return };
    let Some(volume) = &storage.volume else { return };
    let arbiter = volume.arbiter().is_some_and(|b| b.address == known.address);
    if !volume.has_brick_of(known.address) {
        return;
    }
    let able = match unhealthy(volume) {
        _ if volume.is_handed_over() => Err("the first copy has its turn back".into()),
        _ if !volume.has_whole_sets() => Err("every set of the volume has all its copies".into()),
        Some(until) => Err(until),
        None => volume.rests().and_then(|()| successor(s, storage, volume, known.address, 1)),
    };
    match able {
        Ok(Some(to)) if volume.copies() >= 3 || arbiter => {
            let why = format!("{} is taken out, and {to} gives no brick yet", known.name);
            plan.steps.push(because(Step::ReplaceBrick { from: known.address, to }, why));
        }
        // The leader adds one more copy first.
        Ok(Some(to)) => wait(known, format!("there is a copy on {to}"), plan),
        Ok(None) => {
            let replicas = without(volume, known.address);
            let why = format!("{} is taken out, and no box is there to take its copy", known.name);
            plan.steps.push(because(Step::DropBrick { brick: known.address, replicas }, why));
        }
        Err(until) => wait(known, until, plan),
    }
}

fn wait(known: &KnownBox, until: String, plan: &mut Plan) {
    let wanted = format!("another place for the copy of {}", known.name);
    plan.waits.push(waits(wanted, until, "give-up-only-what-is-whole-elsewhere"));
}

/// Whether nothing is left on the box that others would miss.
///
/// # Errors
/// What must come about first.
pub(super) fn emptied(s: &Situation<'_>, id: &NodeId, known: &KnownBox) -> Result<(), String> {
    let name = &known.name;
    if s.wanted.storage {
        let volume = s.volume().ok_or("the volume is known")?;
        if volume.has_brick_of(known.address) {
            return Err("its copy is elsewhere".into());
        }
        if let Some(until) = unhealthy(volume) {
            return Err(until);
        }
    }
    let swarm = s.observed.swarm.as_ref().ok_or("the Swarm is known")?;
    let own = || swarm.nodes.iter().filter(|n| n.name == *name);
    if own().any(|n| n.manager) {
        return Err("it does not manage the Swarm any more".into());
    }
    if own().any(|n| n.up && n.availability != Availability::Leaving) {
        return Err("the Swarm gives it no more tasks".into());
    }
    let tasks: u64 = own().filter(|n| n.up).map(|n| n.tasks).sum();
    if tasks > 0 {
        return Err(format!("{tasks} tasks have ended there"));
    }
    let others = s.live_kin().any(|m| m.ca_key && m.id.as_ref() != Some(id));
    if !(others || s.observed.pki.ca_key) {
        return Err("another box holds the CA key".into());
    }
    Ok(())
}
