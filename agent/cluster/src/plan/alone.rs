//! The second of two boxes that goes on alone because a person said so. What was said
//! stands on its disk; each step follows from what is still to be done.

use super::{because, waits};
use crate::situation::Situation;
use crate::{Plan, Scope, Step};

pub(super) fn plan(s: &Situation<'_>, plan: &mut Plan) {
    let Some(left) = s.observed.left_behind.as_ref().filter(|_| s.certified().is_some()) else {
        return;
    };
    let forget = |plan: &mut Plan, why: String| {
        plan.steps.push(because(Step::ForgetWord, why));
    };
    let swarm = s.observed.swarm.as_ref();
    let leads = swarm.is_some_and(|swarm| swarm.manager && swarm.leader && !swarm.misplaced);
    let record = s.observed.intent().filter(|_| leads);
    if record.is_some_and(|intent| intent.retired.contains_key(&left.id)) {
        return forget(plan, format!("the cluster's record says that {} is gone", left.name));
    }
    let rule = "alone-only-by-a-person-s-word";
    if s.observed.ring.is_none() {
        return plan.waits.push(waits("to go on alone", "the ring answers", rule));
    }
    let Some(storage) = &s.observed.storage else {
        let until = "the storage daemon answers";
        return plan.waits.push(waits("to go on alone", until, rule));
    };
    let brick = storage.volume.as_ref().is_some_and(|v| v.has_brick_of(left.address));
    if brick && s.live().any(|m| m.id.as_ref() == Some(&left.id)) {
        return forget(plan, format!("{} is there after all, and nothing was done yet", left.name));
    }
    if brick && !s.observed.said_since_boot {
        let why = "power failed before anything was done, and the other one may have been there";
        return forget(plan, why.into());
    }
    let connected = storage.peers.iter().any(|p| p.address == left.address && p.connected);
    if brick && connected {
        let until = format!("it is known whether {} is there after all", left.name);
        return plan.waits.push(waits("to go on alone", until, rule));
    }
    let why = || format!("a person said that {} is gone for good", left.name);
    if brick || storage.peers.iter().any(|p| p.address == left.address) {
        plan.steps.push(because(Step::GoOnAlone { without: left.address }, why()));
    } else if !leads {
        if s.storage_holds() {
            plan.steps.push(because(Step::LeadAlone, why()));
        } else {
            let until = "the volume can be written here";
            plan.waits.push(waits("to lead the Swarm alone", until, rule));
        }
    }
}

/// A cluster that went on without this box is led by another one; what this one leads, if
/// it went on by itself, ends with its place.
pub(super) fn leads_no_more(s: &Situation<'_>, plan: &mut Plan) {
    if let Some(other) = s.went_on_without_this() {
        plan.steps.retain(|planned| planned.step.scope() == Scope::Node);
        let until = format!("{other} says so over TLS, and this box begins anew");
        plan.waits.push(waits("to yield", until, "yield-to-who-went-on"));
    }
}
