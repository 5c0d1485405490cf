//! A box that is struck off at once, in the model: nothing of it may be left in the storage
//! and the Swarm, whether it obeys or not.

use super::scenario::{DEADLINE, all_ready};
use super::world::{Bricks, Pool};
use super::{Random, Simulation};
use crate::Decision;
use std::collections::BTreeSet;

/// All are ready, then a person strikes one off.
pub(super) fn script(sim: &mut Simulation, nodes: usize, dice: &mut Random) -> Result<(), String> {
    let (spared, off, deaf) = (dice.permille(500), dice.permille(400), dice.permille(500));
    let boxes = all_ready(sim, nodes, spared, dice)?;
    let struck = dice.one_of(boxes);
    let lacks_a_spare = sim.lacks_a_spare();
    sim.until(DEADLINE, |sim| sim.leader().is_some())?;
    if sim.leader() == Some(struck) {
        let refused = sim.ask(struck, Decision::Revoke);
        return refused.err().map_or_else(|| Err("it struck itself off".into()), |_| Ok(()));
    }
    if off {
        sim.power_off(struck);
        sim.gone.insert(struck);
        sim.hold(dice.between(0, 60_000), &[])?;
        sim.until(DEADLINE, |sim| sim.leader().is_some())?;
    } else if deaf {
        sim.deaf.insert(struck);
    }
    sim.ask(struck, Decision::Revoke)?;
    let other = dice.one_of(boxes);
    if other != struck && dice.permille(300) {
        sim.hold(dice.between(0, 20_000), &[])?;
        sim.power_off(other);
        sim.power_on_at(other, sim.now + dice.between(2_000, 60_000));
    }
    if lacks_a_spare {
        // Of two sets none is given up: its brick keeps its place until there is a box for it.
        sim.until(DEADLINE, |sim| sim.is_served_by_nobody(struck) || sim.leader() == Some(struck))?;
        sim.hold(dice.between(0, 120_000), &[])?;
        let fresh = boxes;
        sim.gone.remove(&fresh);
        sim.power_on_at(fresh, sim.now);
    }
    if !off && deaf {
        let leads = |sim: &Simulation| sim.leader() == Some(struck);
        sim.until(DEADLINE, |sim| sim.is_shut_out(struck) || leads(sim))?;
        if leads(sim) {
            // Nobody takes that from it but a person who pulls its cable.
            sim.part([struck].into());
            sim.until(DEADLINE, |sim| sim.is_shut_out(struck))?;
            sim.part([].into());
        }
        sim.deaf.clear();
    } else if off {
        sim.settle(DEADLINE)?;
        sim.power_on_at(struck, sim.now);
    }
    sim.until(DEADLINE, |sim| sim.is_out(struck))?;
    sim.settle(DEADLINE)
}

impl Simulation {
    /// Whether the Swarm does not know it, and every volume lists the others by name.
    fn is_served_by_nobody(&self, struck: usize) -> bool {
        let name = &self.nodes[struck].name;
        let listed = |admits: &Option<BTreeSet<String>>| {
            admits.as_ref().is_none_or(|names| names.contains(name))
        };
        !self.rafts.iter().any(|raft| raft.seats.contains_key(&struck))
            && !self
                .pools_beside(struck)
                .any(|pool| pool.volume.as_ref().is_some_and(|volume| listed(&volume.admits)))
    }

    /// Whether besides nothing is left of it in the storage.
    fn is_shut_out(&self, struck: usize) -> bool {
        let gives = |volume: &Bricks| volume.nodes.contains(&struck);
        self.is_served_by_nobody(struck)
            && !self.pools_beside(struck).any(|pool| {
                pool.members.contains_key(&struck) || pool.volume.as_ref().is_some_and(gives)
            })
    }

    /// The pools of the other boxes.
    fn pools_beside(&self, struck: usize) -> impl Iterator<Item = &Pool> {
        let others = (0..self.nodes.len()).filter(move |n| *n != struck);
        others.filter_map(|n| self.nodes[n].disk.pool.map(|pool| &self.pools[pool]))
    }
}
