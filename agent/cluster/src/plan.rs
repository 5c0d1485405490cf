//! The planner: from one observation to what should be done about it.
//!
//! Each phase plans for itself and only what its own observation allows, so a
//! phase that waits does not hold up the upkeep of another.

mod alone;
mod growth;
mod joining;
mod leaving;
mod meeting;
mod pair;
mod pki;
mod removal;
mod ring;
mod rotation;
mod storage;
mod succession;
mod swarm;
mod witness;

pub(crate) use joining::{Joining, joining};
pub use removal::gives_up_copies;
pub(crate) use removal::{leaves_at, spare_for};
pub(crate) use storage::{awaited, may_create, unhealthy};

use crate::roster::is_retired;
use crate::situation::Situation;
use crate::{Daemon, Fence, Observed, Plan, Planned, Record, Scope, Step, Wait, Wanted};

/// How long a daemon may run and not answer, in milliseconds. Longer than any
/// start, election or time-out on a dead peer takes.
const HUNG: u64 = 60_000;

/// The same while the whole box is starved of its processor: what is only slow would
/// be slower still after a restart. Not for ever: an app may starve it for good.
const HUNG_AND_STARVED: u64 = 180_000;

/// From what part on, of a hundred, a box is starved.
const STARVED: u8 = 80;

/// What this node should do now, earlier phases first, and what it waits for;
/// no steps when it is settled or waits for others.
#[must_use]
pub fn plan(observed: &Observed, wanted: &Wanted) -> Plan {
    let mut plan = Plan::default();
    if !observed.site {
        return plan;
    }
    // Before anything else: what lost power on the way goes on, whatever it has left.
    if observed.retired && observed.removed {
        let why = "a person took this box out of the cluster";
        plan.steps.push(because(Step::StayOut, why));
        return plan;
    }
    if observed.retired {
        let why = "this node's place in the cluster was given away";
        plan.steps.push(because(Step::StartAnew, why));
        return plan;
    }
    if observed.place.moved {
        in_another_machine(observed, wanted, &mut plan);
        return plan;
    }
    if observed.out {
        let until = "a person lets it in again: `ashlarctl node rejoin` on this box";
        plan.waits.push(waits("a place in the cluster", until, "stay-out-until-let-in"));
        return plan;
    }
    if observed.identity.is_none() {
        plan.steps.push(because(Step::MakeIdentity, "this node has no identity yet"));
        return plan;
    }
    if observed.place.cable_elsewhere {
        let why = "the cable is in another port than the address";
        plan.steps.push(because(Step::MakeIdentity, why));
    }
    if !wanted.ring {
        return plan;
    }
    let situation = Situation::new(observed, wanted);
    ring::plan(&situation, &mut plan.steps);
    if let Some(ahead_s) = observed.clock.right_by().filter(|_| observed.ring.is_some()) {
        let why = "more of the others' clocks show that time than this one's";
        plan.steps.push(because(Step::SetClock { ahead_s }, why));
    }
    if observed.goes_down {
        pair::before_it_goes_down(&situation, &mut plan);
        unreadable(observed, &mut plan);
        fenced(observed, &mut plan);
        return plan;
    }
    pki::plan(&situation, &mut plan.steps);
    if observed.membership.is_none()
        && let Joining::Wait(why) = joining(&situation)
    {
        let what_for = why.strip_prefix("waiting ").unwrap_or(&why).to_owned();
        let rule = "found-only-when-alone".into();
        plan.waits.push(Wait { wanted: "a cluster".into(), what_for, rule });
    }
    storage::plan(&situation, &mut plan);
    swarm::plan(&situation, &mut plan);
    alone::plan(&situation, &mut plan);
    removal::plan(&situation, &mut plan);
    alone::leads_no_more(&situation, &mut plan);
    if meeting::plan(&situation, &mut plan) {
        return plan;
    }
    rotation::plan(&situation, &mut plan);
    succession::plan(&situation, &mut plan);
    without_a_place(&situation, &mut plan);
    unreadable(observed, &mut plan);
    fenced(observed, &mut plan);
    plan
}

/// Whether this box, which is being switched off in order, still has something to hand
/// over to the other one of two.
#[must_use]
pub fn hands_over(observed: &Observed, wanted: &Wanted) -> bool {
    observed.goes_down && pair::hands_over(&Situation::new(observed, wanted))
}

/// Notes under whose lead each cluster-wide step is planned.
fn fenced(observed: &Observed, plan: &mut Plan) {
    let fence = fence(observed);
    for planned in plan.steps.iter_mut().filter(|p| p.step.scope() == Scope::Cluster) {
        planned.fence.clone_from(&fence);
    }
}

/// What runs under this node's name elsewhere may be the node itself: nothing is done as
/// that node before it is known that nobody answers at its address. A disk that was
/// moved goes on by itself then, because nobody may be there who could log in; one that
/// was copied waits, because nothing tells the copy from what was copied.
fn in_another_machine(observed: &Observed, wanted: &Wanted, plan: &mut Plan) {
    // As long as a switch may take that has just come up.
    if observed.place.carrier_ms.is_some_and(|long| long >= wanted.alone_ms) {
        let why = "this disk was set up in another machine, which may be gone";
        plan.steps.push(because(Step::TakeMachine, why));
    } else {
        let until = format!("its cable has been in for {} s", wanted.alone_ms / 1000);
        plan.waits.push(waits("to be this node here", until, "one-machine-a-node"));
    }
}

/// What a newer release decided must not be undone by one that cannot read it.
fn unreadable(observed: &Observed, plan: &mut Plan) {
    let record = observed.swarm.as_ref().map(|swarm| &swarm.record);
    if let Some(Record::Unreadable(why)) = record {
        plan.steps.retain(|planned| planned.step.scope() == Scope::Node);
        let until = format!("this release can read the cluster's record: {why}");
        plan.waits.push(waits("every change of the cluster", until, "only-by-a-record-it-reads"));
    }
}

/// A box that lost its place may come to lead before it hears of that, or runs on though it
/// did: it reads the record as any leader does, and would move its own copy for ever.
fn without_a_place(s: &Situation<'_>, plan: &mut Plan) {
    let own = s.observed.identity.as_ref().map(|me| &me.id);
    if !own.is_some_and(|id| is_retired(s.observed, id)) {
        return;
    }
    plan.steps.retain(|planned| planned.step.scope() == Scope::Node);
    if s.authority() {
        let until = "another box leads: this one lost its place";
        plan.waits.push(waits("every change of the cluster", until, "lead-only-with-a-place"));
    }
}

/// The leadership under which a cluster-wide step acts now: another one than it
/// was planned under is a reason to plan anew.
#[must_use]
pub fn fence(observed: &Observed) -> Option<Fence> {
    let leader = observed.identity.as_ref()?.id.clone();
    let index = observed.swarm.as_ref().and_then(|swarm| swarm.index);
    Some(Fence { leader, index })
}

fn because(step: Step, because: impl Into<String>) -> Planned {
    Planned { step, because: because.into(), fence: None }
}

fn waits(wanted: impl Into<String>, until: impl std::fmt::Display, rule: &str) -> Wait {
    Wait { wanted: wanted.into(), what_for: format!("until {until}"), rule: rule.into() }
}

/// What is done about a daemon that does not answer: one that does not run is
/// started; one that hangs is left some time, and then killed.
fn rouse(s: &Situation<'_>, daemon: Daemon, plan: &mut Plan) {
    let Some(hung) = s.hangs(daemon.part()) else {
        let why = format!("the {daemon} does not answer");
        return plan.steps.push(because(Step::Start { daemon }, why));
    };
    let long = s.observed.now_ms.saturating_sub(hung.since_ms);
    let limit = if s.observed.cpu_pressure >= STARVED { HUNG_AND_STARVED } else { HUNG };
    if long >= limit {
        let why = format!("it runs and has not answered for {} s: {}", long / 1000, hung.why);
        plan.steps.push(because(Step::Restart { daemon }, why));
    } else {
        let until = format!("it has been silent for {} s, or answers", limit / 1000);
        plan.waits.push(waits(format!("a new {daemon}"), until, "restart-only-the-hung"));
    }
}
