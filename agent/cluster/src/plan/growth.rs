//! More boxes than one set of copies has: three that give no brick become a further
//! set, and files move there. Nothing here is kept in memory: how far it is stands in
//! the volume, so another leader, or the same one after a power cut, goes on with it.

use super::storage::{brick_givers, unhealthy};
use super::{because, waits};
use crate::situation::Situation;
use crate::{Plan, Rebalance, Step, Storage, Volume};
use std::net::IpAddr;

/// How many bricks a set has: with fewer copies nothing is gained by a second set that
/// the loss of one box would not take away.
const SET: usize = 3;

/// What a volume that has all its copies still needs.
pub(super) fn plan(s: &Situation<'_>, volume: &Volume, storage: &Storage, plan: &mut Plan) {
    let copies = usize::from(volume.replicas);
    if copies != SET || usize::from(s.replicas()) != SET || !volume.has_whole_sets() {
        return;
    }
    if volume.is_spread() { add(s, volume, storage, plan) } else { spread(volume, plan) }
}

/// The boxes that would give the next set, this node first and then by id.
fn next_set(s: &Situation<'_>, volume: &Volume, storage: &Storage) -> Option<Vec<IpAddr>> {
    let mut free = brick_givers(s, storage);
    free.retain(|a| volume.bricks.iter().all(|b| b.address != *a));
    free.truncate(SET);
    (free.len() == SET).then_some(free)
}

fn add(s: &Situation<'_>, volume: &Volume, storage: &Storage, plan: &mut Plan) {
    let Some(bricks) = next_set(s, volume, storage) else { return };
    let sets = volume.sets().count() + 1;
    let gone = |b: &&crate::Brick| s.gives_up(b.address);
    // Who replaces a box comes first: what is left may still be a set.
    let until = match volume.bricks.iter().find(gone) {
        Some(brick) => Some(format!("the copy on {} has another place", brick.address)),
        None => unhealthy(volume),
    };
    if let Some(until) = until {
        let rule = "add-sets-only-when-healthy";
        return plan.waits.push(waits(format!("a set of copies number {sets}"), until, rule));
    }
    let why = format!("three boxes give no brick, and {} hold all files", volume.bricks.len());
    plan.steps.push(because(Step::AddSet { bricks }, why));
}

/// Files go to the sets that they belong in: begun, watched, begun again if it was cut,
/// and noted once it is complete and nothing is left to heal.
fn spread(volume: &Volume, plan: &mut Plan) {
    let count = volume.sets().count();
    let sets = u8::try_from(count).unwrap_or(u8::MAX);
    let rule = "spread-only-what-is-whole";
    let wanted = || format!("all files spread over {count} sets");
    let unhealthy = unhealthy(volume);
    match &volume.rebalance {
        None => {
            let until = "it is known whether files move";
            plan.waits.push(waits(wanted(), until, rule));
        }
        Some(Rebalance::Running) => {
            plan.waits.push(waits(wanted(), "every box has moved its part", rule));
        }
        Some(state) => match (unhealthy, state) {
            (Some(until), _) => plan.waits.push(waits(wanted(), until, rule)),
            (None, Rebalance::Done) => {
                let why = "every box has moved its part, and nothing is to heal";
                plan.steps.push(because(Step::NoteSpread { sets }, why));
            }
            (None, Rebalance::Failed(how)) => {
                let why = format!("files move no more, and not all are where they belong: {how}");
                plan.steps.push(because(Step::Rebalance { sets }, why));
            }
            (None, _) => {
                let why = format!("files are not yet spread over {count} sets");
                plan.steps.push(because(Step::Rebalance { sets }, why));
            }
        },
    }
}
