//! The planner: from one observation to what should be done about it.
//!
//! Each phase plans for itself and only what its own observation allows, so a
//! phase that waits does not hold up the upkeep of another.

mod joining;
mod pki;
mod ring;
mod storage;
mod swarm;

pub(crate) use joining::{Joining, joining};
pub(crate) use storage::{awaited, may_create};

use crate::situation::Situation;
use crate::{Observed, Plan, Planned, Step, Wanted};

/// What this node should do now, earlier phases first; empty when it is
/// settled or waits for others.
#[must_use]
pub fn plan(observed: &Observed, wanted: &Wanted) -> Plan {
    let mut steps = Vec::new();
    if !observed.site {
        return Plan { steps };
    }
    // What runs under this node's name may be the node itself.
    if observed.place.moved {
        return Plan { steps };
    }
    if observed.identity.is_none() {
        steps.push(because(Step::MakeIdentity, "this node has no identity yet"));
        return Plan { steps };
    }
    if observed.place.cable_elsewhere {
        steps.push(because(Step::MakeIdentity, "the cable is in another port than the address"));
    }
    if !wanted.ring {
        return Plan { steps };
    }
    let situation = Situation::new(observed, wanted);
    ring::plan(&situation, &mut steps);
    pki::plan(&situation, &mut steps);
    storage::plan(&situation, &mut steps);
    swarm::plan(&situation, &mut steps);
    Plan { steps }
}

fn because(step: Step, because: impl Into<String>) -> Planned {
    Planned { step, because: because.into() }
}
