//! Rules of two clusters of one site that meet. They look at what the members show and
//! what this box sees, and not at how the planner judged it.

use super::{Case, Verdict, must};
use crate::{ClusterId, MemberStatus, RingMember, Step};

/// Live members of another cluster than this node's.
fn of<'a>(c: &Case<'a>, cluster: &ClusterId) -> Vec<&'a RingMember> {
    let alive = c.members().iter().filter(|m| m.status == MemberStatus::Alive && m.id.is_some());
    alive.filter(|m| m.cluster.as_ref() == Some(cluster)).collect()
}

/// Whether this box itself sees something of a person's.
fn sees_data(c: &Case<'_>) -> bool {
    let swarm = c.o.swarm.iter().filter(|swarm| c.w.swarm && swarm.manager);
    let services = swarm.flat_map(|swarm| swarm.of_people.iter().flatten()).count();
    (c.w.storage && c.o.files == Some(true)) || services > 0
}

pub(super) fn yield_only_what_holds_nothing(step: &Step, c: &Case<'_>) -> Verdict {
    let Step::Yield { into } = step else { return Ok(()) };
    let own = c.o.membership.as_ref().map(|m| &m.cluster).ok_or("it belongs to no cluster")?;
    must(own != into, "that is its own cluster")?;
    must(!sees_data(c), "something of a person's is in it")?;
    let there = of(c, into);
    let ours: Vec<_> = of(c, own).iter().filter_map(|m| m.keeps).collect();
    let theirs: Vec<_> = there.iter().filter_map(|m| m.keeps).collect();
    must(ours.iter().all(|keeps| !keeps.data), "this cluster shows that it holds data")?;
    // A box that never was more than let in has nothing to look into.
    let outside = c.o.membership.as_ref().is_some_and(|m| !m.founder && !m.swarm)
        && c.volume().is_none()
        && c.kin().all(|m| m.status != MemberStatus::Alive);
    if !outside {
        must(!c.w.storage || c.o.files == Some(false), "nobody looked into the volume here")?;
        must(!ours.is_empty(), "nobody shows that this cluster holds nothing")?;
    }
    let best = theirs.iter().max().ok_or("nobody shows what the other cluster holds")?;
    let most = ours.iter().max().map_or(0, |keeps| keeps.boxes);
    let before = (best.data, best.boxes) > (false, most);
    must(before || (best.boxes == most && into < own), "this cluster comes before it")?;
    must(there.iter().all(|m| m.yields.is_none()), "the other cluster dissolves itself")?;
    let quiet = c.o.ring.as_ref().map_or(0, |r| r.quiet_ms);
    must(quiet >= 2 * c.w.settle_ms, "the clusters have only just met")
}

pub(super) fn dissolve_only_when_all_agree(step: &Step, c: &Case<'_>) -> Verdict {
    match step {
        Step::StandFast => return must(c.o.yields.is_some(), "its cluster does not dissolve"),
        Step::Dissolve { .. } => {}
        _ => return Ok(()),
    }
    let own = c.o.membership.as_ref().map(|m| &m.cluster).ok_or("it belongs to no cluster")?;
    let noted = c.o.yields.as_ref().ok_or("nobody wrote down that this cluster dissolves")?;
    must(noted.asked || !sees_data(c), "something of a person's is in it")?;
    let mut others = c.members().iter().filter(|m| m.status == MemberStatus::Alive && m.ca_key);
    let lets_in =
        |m: &RingMember| m.cluster.as_ref().is_some_and(|x| x != own) && m.yields.is_none();
    must(others.any(lets_in), "no other cluster that could take it is in sight")?;
    let quiet = c.o.ring.as_ref().map_or(0, |r| r.quiet_ms);
    let away = !noted.asked && quiet < c.w.grace_ms;
    let undecided =
        c.kin().find(|m| m.yields.is_none() && (away || m.status == MemberStatus::Alive));
    match undecided {
        Some(m) => Err(format!("{} does not show that it knows", m.name)),
        None => Ok(()),
    }
}
