//! A box that is struck off at once, in the model: nothing of it may be left in the storage
//! and the Swarm, whether it obeys or not.

use super::scenario::{DEADLINE, all_ready};
use super::{Random, Simulation};
use crate::Decision;

/// All are ready, then a person strikes one off.
pub(super) fn script(sim: &mut Simulation, nodes: usize, dice: &mut Random) -> Result<(), String> {
    let (spared, off, deaf) = (dice.permille(500), dice.permille(400), dice.permille(500));
    let boxes = all_ready(sim, nodes, spared, dice)?;
    let struck = dice.one_of(boxes);
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
    if !off && deaf {
        sim.until(DEADLINE, |sim| sim.is_shut_out(struck))?;
        sim.deaf.clear();
    } else if off {
        sim.settle(DEADLINE)?;
        sim.power_on_at(struck, sim.now);
    }
    sim.until(DEADLINE, |sim| sim.is_out(struck))?;
    sim.settle(DEADLINE)
}

impl Simulation {
    /// Whether nothing is left of it in the storage and the Swarm, and the volume serves
    /// the others only.
    fn is_shut_out(&self, struck: usize) -> bool {
        let (name, others) = (&self.nodes[struck].name, |n: &usize| *n != struck);
        let seat = self.rafts.iter().any(|raft| raft.seats.contains_key(&struck));
        let here: Vec<_> = (0..self.nodes.len()).filter(others).collect();
        let pools = here.iter().filter_map(|n| self.nodes[*n].disk.pool.map(|p| &self.pools[p]));
        !seat
            && pools.into_iter().all(|pool| {
                let volume = pool.volume.as_ref();
                let served = volume.is_some_and(|v| {
                    v.nodes.contains(&struck)
                        || v.admits.as_ref().is_none_or(|names| names.contains(name))
                });
                !served && !pool.members.contains_key(&struck)
            })
    }
}
