//! Another cluster of this site: one of the two dissolves, box by box. Every box writes
//! down first that it will, and says so; none goes before all have. What was written down
//! outlives a power cut, and the volume and the Swarm that nobody can look into any more
//! once the first ones have gone.

use super::{because, waits};
use crate::meeting::Meeting;
use crate::situation::Situation;
use crate::{Plan, Planned, Step};

/// The rule that keeps a cluster together.
const RULE: &str = "dissolve-only-when-all-agree";

/// Whether this box leaves its cluster now, and does nothing else.
pub(super) fn plan(s: &Situation<'_>, plan: &mut Plan) -> bool {
    let Some(own) = s.observed.membership.as_ref().map(|m| &m.cluster) else { return false };
    if s.own_entry().is_none() {
        return false;
    }
    let Some(yielding) = &s.observed.yields else {
        decide(s, plan);
        return false;
    };
    let into = yielding.into.clone();
    if let Some(planned) = reconsidered(s) {
        plan.steps.push(planned);
        return false;
    }
    match s.may_dissolve(yielding) {
        Ok(()) => {
            let why = if yielding.asked {
                "a person decided that this cluster dissolves"
            } else {
                "this cluster holds nothing of a person's, and another one goes on"
            };
            plan.steps = vec![because(Step::Dissolve { into }, why)];
            plan.waits.clear();
            true
        }
        Err(until) => {
            let wanted = format!("the end of cluster {own}, which dissolves into {into}");
            plan.waits.push(waits(wanted, until, RULE));
            false
        }
    }
}

fn decide(s: &Situation<'_>, plan: &mut Plan) {
    let rule = "yield-only-what-holds-nothing";
    match s.meeting() {
        Meeting::Alone | Meeting::Stands => {}
        Meeting::Yields(into) => {
            let wanted = || format!("one cluster, {into}");
            match s.found_here() {
                Err(until) if !s.never_got_in() => plan.waits.push(waits(wanted(), until, rule)),
                Ok(found) if !found.is_empty() => {
                    let until = format!("its leader has seen {} as well", found.join(", "));
                    plan.waits.push(waits(wanted(), until, rule));
                }
                _ if s.is_steady() => {
                    let why = "it holds nothing of a person's, and the other one goes on";
                    plan.steps.push(because(Step::Yield { into: into.clone() }, why));
                }
                _ => {
                    let until = "both clusters have been in sight for a while";
                    plan.waits.push(waits(wanted(), until, rule));
                }
            }
        }
        Meeting::BothHold(other) => {
            let until = format!(
                "a person says which goes on, because both hold data: `ashlarctl cluster merge \
                 --into {other}` here, or the same there"
            );
            plan.waits.push(waits("one cluster", until, rule));
        }
        Meeting::Unsettled(until) => plan.waits.push(waits("one cluster", until, rule)),
    }
}

/// What was decided by itself is taken back when it is not right any more; and of two
/// that dissolve into each other one goes on.
fn reconsidered(s: &Situation<'_>) -> Option<Planned> {
    let yielding = s.observed.yields.as_ref()?;
    let own = s.observed.membership.as_ref().map(|m| &m.cluster)?;
    let clusters = s.clusters();
    let theirs = clusters.get(&yielding.into);
    if own < &yielding.into && theirs.is_some_and(|other| other.yields == Some(own)) {
        return Some(because(Step::StandFast, "the other cluster dissolves into this one"));
    }
    if yielding.asked {
        return None;
    }
    if let Some(found) = s.found_here().ok().filter(|found| !found.is_empty()) {
        let why = format!("there is something of a person's by now: {}", found.join(", "));
        return Some(because(Step::StandFast, why));
    }
    match s.meeting() {
        // What works here goes on.
        Meeting::Alone if s.is_quiet_for_long() && s.storage_holds() => {
            Some(because(Step::StandFast, "the other cluster has not been seen for long"))
        }
        Meeting::Stands | Meeting::BothHold(_) => {
            Some(because(Step::StandFast, "the other cluster is not the one that goes on"))
        }
        Meeting::Yields(into) if *into != yielding.into && theirs.is_none() && s.is_steady() => {
            let why = "another cluster goes on instead";
            Some(because(Step::Yield { into: into.clone() }, why))
        }
        _ => None,
    }
}
