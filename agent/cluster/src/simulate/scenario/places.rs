//! Stories in which boxes come, are lost for good, and are taken out.

use super::DEADLINE;
use crate::Decision;
use crate::simulate::{Random, Simulation};

/// All are switched on, the spare box with them if it is there from the start; how many
/// they are, when all are ready. The one after the spare is the second life of another.
pub(in crate::simulate) fn all_ready(
    sim: &mut Simulation,
    nodes: usize,
    spared: bool,
    dice: &mut Random,
) -> Result<usize, String> {
    let boxes = nodes + usize::from(spared);
    sim.gone = (boxes..nodes + 2).collect();
    sim.form(boxes, dice)?;
    Ok(boxes)
}

/// A cluster that grows, while some of it loses power.
pub(super) fn grows(sim: &mut Simulation, nodes: usize, dice: &mut Random) -> Result<(), String> {
    let mut first = 1 + dice.one_of(nodes);
    if sim.settings.witnesses.contains(&0) {
        // It founds nothing.
        first = first.max(2);
    }
    sim.gone = (first..nodes).collect();
    (0..first).for_each(|node| sim.power_on_at(node, 0));
    sim.settle(DEADLINE)?;
    let cluster = sim.cluster();
    for node in first..nodes {
        // A fresh box that is switched on while all others are off founds a cluster.
        if sim.gone.len() + 3 <= nodes && sim.settings.cuts == 0 {
            sim.settle(DEADLINE)?;
            sim.settings.cuts = 20;
        }
        sim.gone.remove(&node);
        sim.power_on_at(node, sim.now);
        sim.hold(dice.between(0, 60_000), &[])?;
        if dice.permille(300) {
            sim.settle(DEADLINE)?;
        }
    }
    // One of those who move files, or who were to, is off for a while.
    let moves = |sim: &Simulation| sim.pools.iter().flat_map(|p| &p.volume).any(|v| v.moves());
    let data = nodes - sim.settings.witnesses.len();
    let may_move = data / 3 > 1 && dice.permille(500);
    if may_move && sim.until(300_000, moves).is_ok() {
        let dead = dice.one_of(nodes);
        sim.hold(dice.between(0, 40_000), &[])?;
        sim.power_off(dead);
        sim.power_on_at(dead, sim.now + dice.between(5_000, 120_000));
    }
    sim.settle(DEADLINE)?;
    if sim.cluster() == cluster { Ok(()) } else { Err("it is another cluster".into()) }
}

/// One dies for good and is replaced, and comes back.
pub(super) fn replaced(
    sim: &mut Simulation,
    nodes: usize,
    dice: &mut Random,
) -> Result<(), String> {
    let (spare, second_life) = (nodes, nodes + 1);
    let (early, late) = (dice.permille(400), dice.permille(700));
    sim.gone = [second_life].into();
    if !early {
        sim.gone.insert(spare);
    }
    for node in (0..nodes).chain(early.then_some(spare)) {
        sim.power_on_at(node, dice.between(0, 2_000));
    }
    sim.settle(DEADLINE)?;
    let dead = dice.one_of(nodes);
    // Another one may just have been away: its copy is not whole yet.
    let other = dice.one_of(nodes);
    if other != dead && dice.permille(600) {
        sim.power_off(other);
        sim.hold(30_000, &[])?;
        sim.power_on_at(other, sim.now);
        sim.until(DEADLINE, |sim| sim.is_on(other))?;
        sim.hold(dice.between(2_000, 12_000), &[])?;
    }
    sim.until(DEADLINE, |sim| sim.is_on(dead))?;
    sim.power_off(dead);
    if sim.lacks_a_spare() && (early || !late) {
        // No other box can take its copy, and none may be given up: it keeps its place.
        sim.hold(dice.between(200_000, 600_000), &[])?;
        sim.power_on_at(dead, sim.now);
        sim.gone = [spare, second_life].into_iter().filter(|n| sim.gone.contains(n)).collect();
        return sim.settle(DEADLINE);
    }
    sim.gone.insert(dead);
    sim.is_reborn_as(dead, second_life);
    if !early && late {
        sim.hold(dice.between(0, 90_000), &[])?;
        sim.gone.remove(&spare);
        sim.power_on_at(spare, sim.now);
    }
    if dice.permille(200) {
        // What is known of the lost one must outlast this. (A fresh box that is
        // switched on while all others are off would found a cluster.)
        sim.hold(dice.between(0, 30_000), &[])?;
        sim.until(DEADLINE, |sim| sim.gone.contains(&spare) || sim.cluster_of(spare).is_some())?;
        for node in (0..=spare).filter(|n| *n != dead) {
            if !sim.gone.contains(&node) {
                sim.power_off(node);
                sim.power_on_at(node, sim.now + dice.between(2_000, 22_000));
            }
        }
    }
    sim.settle(DEADLINE)?;
    sim.gone.remove(&dead);
    sim.power_on_at(dead, sim.now);
    sim.until(DEADLINE, |sim| !sim.gone.contains(&second_life))?;
    sim.settle(DEADLINE)
}

/// A person takes one out.
pub(super) fn taken_out(
    sim: &mut Simulation,
    nodes: usize,
    dice: &mut Random,
) -> Result<(), String> {
    let second_life = nodes + 1;
    let (spared, kept, dies) = (dice.permille(500), dice.permille(250), dice.permille(200));
    let boxes = all_ready(sim, nodes, spared, dice)?;
    let taken = dice.one_of(boxes);
    let other = dice.one_of(boxes);
    sim.until(DEADLINE, |sim| sim.leader().is_some())?;
    let witnesses = &sim.settings.witnesses;
    let data = (0..boxes).filter(|n| !witnesses.contains(n)).count();
    if data == 1 && !witnesses.contains(&taken) {
        let refused = sim.ask(taken, Decision::Remove);
        return refused.err().map_or_else(|| Err("the last one was taken out".into()), |_| Ok(()));
    }
    if sim.lacks_a_spare() && !witnesses.contains(&taken) {
        let refused = sim.ask(taken, Decision::Remove);
        return refused.err().map_or_else(|| Err("a set was cut short".into()), |_| Ok(()));
    }
    sim.is_reborn_as(taken, second_life);
    sim.ask(taken, Decision::Remove)?;
    sim.hold(dice.between(0, 40_000), &[])?;
    if kept {
        sim.until(DEADLINE, |sim| sim.leader().is_some())?;
        if sim.ask(taken, Decision::Keep).is_ok() {
            return sim.settle(DEADLINE);
        }
    }
    if dies && !sim.is_out(taken) {
        // It may be that nobody else has its writes, or that it alone manages.
        let alone = (0..boxes).filter(|n| *n != taken).all(|n| !sim.carries_on(n, taken));
        sim.power_off(taken);
        if alone {
            sim.power_on_at(taken, sim.now + 60_000);
        } else {
            sim.gone.insert(taken);
            sim.until(DEADLINE, |sim| sim.lost_its_place(taken))?;
            sim.settle(DEADLINE)?;
            sim.power_on_at(taken, sim.now);
        }
    } else if dice.permille(200) {
        sim.part([other].into());
        sim.hold(dice.between(10_000, 60_000), &[])?;
        sim.part([].into());
    } else if dice.permille(200) {
        sim.crash(other);
    } else if dice.permille(300) && other != taken {
        sim.power_off(other);
        sim.power_on_at(other, sim.now + dice.between(2_000, 60_000));
    }
    sim.until(DEADLINE, |sim| sim.is_out(taken))?;
    sim.settle(DEADLINE)?;
    sim.power_off(taken);
    sim.power_on_at(taken, sim.now);
    sim.hold(60_000, &[])?;
    if !sim.is_out(taken) {
        return Err("it came back by itself".into());
    }
    // A person lets it in.
    sim.power_off(taken);
    sim.gone.remove(&second_life);
    sim.power_on_at(second_life, sim.now);
    sim.settle(DEADLINE)
}
