//! The stories of the witness.

use super::scenario::DEADLINE;
use super::{Random, Simulation};
use std::collections::BTreeSet;

impl Simulation {
    /// Whether no brick lacks anything.
    pub(super) fn is_whole(&self) -> bool {
        let volumes = self.pools.iter().filter_map(|pool| pool.volume.as_ref());
        volumes.into_iter().all(|volume| volume.lacks.values().all(BTreeSet::is_empty))
    }
}

/// One of all dies; the others go on, if two of three are there. It comes back, and
/// another one is gone by then perhaps. A further box with data comes, or does not.
pub(super) fn one_dies(
    sim: &mut Simulation,
    nodes: usize,
    dice: &mut Random,
) -> Result<(), String> {
    let third = nodes;
    sim.gone = [third].into();
    for node in 0..nodes {
        sim.power_on_at(node, dice.between(0, 60_000));
    }
    sim.settle(DEADLINE)?;
    let dead = dice.one_of(nodes);
    let rough = sim.settings.most_cuts > 0;
    let others: Vec<_> =
        (0..nodes).filter(|n| *n != dead && !rough && sim.carries_on(*n, dead)).collect();
    let data = |n: &usize| !sim.settings.witnesses.contains(n);
    let copies: Vec<_> = (0..nodes).filter(data).collect();
    if nodes == 3 && !rough && others.len() < 2 {
        return Err("a witness does not settle it".into());
    }
    sim.hold(30_000, &[])?;
    sim.power_off(dead);
    sim.hold(120_000, &others)?;
    let next = copies.iter().copied().find(|n| *n != dead);
    if copies.contains(&dead) && dice.permille(500) {
        // It comes back to a witness that knows what it missed, and to nobody who has it.
        next.into_iter().for_each(|next| sim.power_off(next));
        sim.power_on_at(dead, sim.now);
        sim.hold(90_000, &[])?;
        next.into_iter().for_each(|next| sim.power_on_at(next, sim.now));
    } else {
        sim.power_on_at(dead, sim.now);
    }
    sim.settle(DEADLINE)?;
    if dice.permille(500) {
        sim.gone.clear();
        sim.power_on_at(third, sim.now);
        sim.settle(DEADLINE)?;
    }
    Ok(())
}

/// One of two and a witness dies for good. A box of its kind takes its place; or the
/// witness is done without, or a third copy is in its place.
pub(super) fn replaced(
    sim: &mut Simulation,
    nodes: usize,
    dice: &mut Random,
) -> Result<(), String> {
    let (spare, second_life) = (nodes, nodes + 1);
    sim.gone = [spare, second_life].into();
    sim.form(nodes, dice)?;
    let dead = dice.one_of(nodes);
    // What nobody else has is lost with it, and no rule could bring that back.
    sim.until(DEADLINE, |sim| sim.is_on(dead) && sim.is_whole())?;
    sim.power_off(dead);
    sim.gone.insert(dead);
    sim.is_reborn_as(dead, second_life);
    sim.hold(dice.between(0, 90_000), &[])?;
    let witness = sim.settings.witnesses.contains(&dead);
    if !witness || dice.permille(600) {
        if witness && dice.permille(500) {
            sim.settings.witnesses.insert(spare);
        }
        sim.gone.remove(&spare);
        sim.power_on_at(spare, sim.now);
    }
    sim.settle(DEADLINE)?;
    sim.gone.remove(&dead);
    sim.power_on_at(dead, sim.now);
    sim.until(DEADLINE, |sim| !sim.gone.contains(&second_life))?;
    sim.settle(DEADLINE)
}
