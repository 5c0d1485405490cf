//! Clusters of one site that were founded apart, and meet.

use super::act::Effect;
use super::scenario::DEADLINE;
use super::world::Disk;
use super::{Fault, Random, Simulation};
use crate::{ClusterId, MemberStatus, Yielding, merging};
use std::collections::{BTreeMap, BTreeSet};

/// How often a box may begin anew: one that left, and met nobody then, founds a cluster
/// that may have to dissolve as well.
pub(super) const LIVES: usize = 4;

impl Disk {
    /// What was never written goes with the power.
    pub(super) fn forget_what_is_not_noted(&mut self) {
        if !self.noted {
            self.yields = None;
        }
        // The box comes back, and before anything else its brick is nothing again.
        if self.renewing {
            (self.emptied, self.hollow) = (true, false);
        }
    }
}

impl Simulation {
    /// Whether another cluster is in sight: nobody looks for data otherwise.
    fn sees_another(&self, n: usize) -> bool {
        let own = self.cluster_of(n);
        let view = self.nodes[n].run.as_ref().and_then(|run| run.ring.as_ref());
        own.is_some()
            && view.is_some_and(|view| {
                view.others.values().any(|(status, tags)| {
                    *status == MemberStatus::Alive && tags.cluster.is_some() && tags.cluster != own
                })
            })
    }

    /// What a box finds in the volume.
    pub(super) fn files(&self, n: usize) -> Option<bool> {
        let pool = self.nodes[n].disk.pool.filter(|_| self.sees_another(n) && self.mounted(n))?;
        Some(self.pools[pool].kept && self.settings.fault != Some(Fault::NobodyLooks))
    }

    /// What a manager finds in its Swarm.
    pub(super) fn of_people(&self, n: usize) -> Option<Vec<String>> {
        let raft = self.nodes[n].disk.raft.filter(|_| self.sees_another(n))?;
        let service = self.rafts[raft].kept.then(|| "service till".to_owned());
        self.quorate(raft, n).then(|| service.into_iter().collect())
    }

    /// A person leaves something in the cluster of this node: a file, or a service.
    fn keep(&mut self, node: usize, service: bool) {
        let disk = &self.nodes[node].disk;
        match (disk.raft, disk.pool) {
            (Some(raft), _) if service && self.rafts[raft].leader.is_some() => {
                self.rafts[raft].kept = true;
            }
            (_, Some(pool)) if !service && self.writes(node) && self.mounted(node) => {
                self.pools[pool].kept = true;
            }
            _ => return,
        }
        self.say(Some(node), || "a person leaves something in its cluster".into());
        self.touch();
    }

    /// Whether there is something of a person's in this node's cluster.
    fn keeps(&self, node: usize) -> bool {
        let disk = &self.nodes[node].disk;
        disk.pool.is_some_and(|pool| self.pools[pool].kept)
            || disk.raft.is_some_and(|raft| self.rafts[raft].kept)
    }

    pub(super) fn yield_to(&mut self, node: usize, into: &ClusterId, asked: bool) -> Effect {
        self.nodes[node].disk.noted = self.settings.fault != Some(Fault::NobodyWritesDown);
        self.nodes[node].disk.yields = Some(Yielding { into: into.clone(), asked });
        Ok(())
    }

    /// As the effect does, it looks again just before.
    pub(super) fn dissolve(&mut self, node: usize) -> Effect {
        let yielding = self.nodes[node].disk.yields.clone().ok_or("nothing is written down")?;
        let (files, services) = (self.files(node), self.of_people(node));
        let data = files == Some(true) || services.is_some_and(|found| !found.is_empty());
        if data && !yielding.asked {
            return Err("there is something of a person's by now");
        }
        let as_another = *self.reborn.get(&node).ok_or("it has no other life")?;
        self.dissolved.insert(node);
        if !yielding.asked {
            self.nothing_is_lost(node);
        }
        self.nodes[as_another].disk.yields = Some(yielding);
        self.nodes[as_another].disk.noted = true;
        self.start_anew(node)
    }

    /// What a person left in a cluster is still there when this box has gone.
    fn nothing_is_lost(&mut self, node: usize) {
        let disk = &self.nodes[node].disk;
        let left = |of: &[usize]| of.iter().filter(|n| !self.dissolved.contains(n)).count();
        let enough = |of: &[usize]| left(of) * 2 >= of.len() && left(of) > 0;
        let pool = disk.pool.map(|pool| &self.pools[pool]).filter(|pool| pool.kept);
        let bricks = pool.and_then(|pool| pool.volume.as_ref()).map(|v| &v.nodes);
        let raft = disk.raft.map(|raft| &self.rafts[raft]).filter(|raft| raft.kept);
        let managers = raft.map(|raft| {
            let seats = raft.seats.iter();
            let manages = seats.filter(|(_, role)| **role == crate::SwarmRole::Manager);
            manages.map(|(n, _)| *n).collect::<Vec<_>>()
        });
        let files = bricks.is_none_or(|bricks| enough(bricks));
        let services = managers.is_none_or(|managers| enough(&managers));
        if !(files && services) {
            let name = self.nodes[node].name.clone();
            self.breaks(format!("{name} set a person's data aside, and nobody asked for it"));
        }
    }

    /// A person at a box settles it. `Err` is why it is refused.
    fn ask_to_merge(&mut self, node: usize, into: &ClusterId) -> Result<(), String> {
        let observed = self.observe(node);
        let said = merging(&observed, &self.settings.wanted, &into.0);
        if let Some(why) = said.refused {
            return Err(why);
        }
        self.say(Some(node), || format!("a person asks: merge into {into}"));
        let own = self.cluster_of(node);
        for other in 0..self.nodes.len() {
            let there = self.nodes[other].run.is_some() && self.reach(node, other);
            if there && self.cluster_of(other) == own {
                self.yield_to(other, into, true)?;
            }
        }
        self.touch();
        Ok(())
    }

    /// Clusters of boxes that are on, and one box of each.
    fn living(&self) -> BTreeMap<ClusterId, usize> {
        let on = (0..self.nodes.len()).filter(|n| self.is_on(*n));
        on.filter_map(|n| Some((self.cluster_of(n)?, n))).collect()
    }

    /// All are in one cluster, and ready. (If data came in while a cluster dissolved, it
    /// goes on with the boxes that it still has: whoever left it keeps its place for days.)
    fn came_together(&self, late: bool) -> bool {
        let mut here = (0..self.nodes.len()).filter(|n| !self.gone.contains(n));
        self.cluster().is_some() && here.all(|n| self.is_on(n) && (late || self.is_ready(n)))
    }

    /// Whether a box of another cluster is in reach: whoever is ready then says what is
    /// not so.
    pub(super) fn is_not_alone(&self, node: usize) -> bool {
        let own = self.cluster_of(node);
        let other = |n: &usize| {
            let theirs = self.cluster_of(*n);
            theirs.is_some() && theirs != own && self.nodes[*n].rings() && self.reach(node, *n)
        };
        own.is_some() && self.nodes[node].rings() && (0..self.nodes.len()).any(|n| other(&n))
    }
}

/// Two groups, or three, that found apart from each other; then they meet.
pub(super) fn meet(sim: &mut Simulation, nodes: usize, dice: &mut Random) -> Result<(), String> {
    let second = 1 + dice.one_of(nodes - 1);
    let third = if nodes > second + 1 && dice.permille(300) {
        second + 1 + dice.one_of(nodes - second - 1)
    } else {
        nodes
    };
    let groups: Vec<BTreeSet<usize>> =
        [0..second, second..third, third..nodes].into_iter().map(Iterator::collect).collect();
    sim.gone = (nodes..LIVES * nodes).collect();
    (nodes..LIVES * nodes).for_each(|node| sim.is_reborn_as(node - nodes, node));
    let kept: Vec<bool> = groups.iter().map(|_| dice.permille(400)).collect();
    // One after another, because the model parts the ring in two only.
    let mut formed: BTreeSet<usize> = BTreeSet::new();
    for (group, keeps) in groups.iter().zip(&kept).filter(|(group, _)| !group.is_empty()) {
        formed.iter().for_each(|n| sim.power_off(*n));
        sim.part(group.clone());
        group.iter().for_each(|n| sim.power_on_at(*n, sim.now + dice.between(0, 2_000)));
        let ready = |sim: &Simulation| group.iter().all(|n| sim.is_ready(*n));
        sim.until(DEADLINE, ready)?;
        if *keeps {
            let node = *group.first().unwrap_or(&0);
            let kept = |sim: &Simulation| sim.keeps(node);
            let service = dice.permille(500);
            while !kept(sim) {
                sim.keep(node, service);
                sim.hold(1_000, &[])?;
            }
        }
        formed.extend(group);
    }
    for n in &formed {
        sim.power_on_at(*n, sim.now + dice.between(0, 2_000));
    }
    if dice.permille(700) {
        // Both are whole before the cable is plugged in.
        let ready = |sim: &Simulation| (0..second).all(|n| sim.is_ready(n));
        if groups[2].is_empty() {
            sim.until(DEADLINE, ready)?;
        }
    }
    (sim.settings.cuts, sim.settings.failures) = (15, 30);
    sim.part([].into());
    // A person, a second bad cable, or a fuse comes in between.
    let late = dice.permille(250);
    let mut disturbed = late;
    if late {
        sim.hold(dice.between(0, 90_000), &[])?;
        let node = dice.one_of(nodes);
        sim.keep(node, dice.permille(500));
    } else if dice.permille(250) {
        sim.hold(dice.between(0, 60_000), &[])?;
        sim.part(groups[0].clone());
        sim.hold(dice.between(5_000, 60_000), &[])?;
        sim.part([].into());
        disturbed = true;
    } else if dice.permille(300) {
        sim.hold(dice.between(20_000, 60_000), &[])?;
        let node = dice.one_of(nodes);
        if sim.is_on(node) {
            sim.power_off(node);
            sim.power_on_at(node, sim.now + dice.between(2_000, 60_000));
        }
    }
    let holding = kept.iter().zip(&groups).filter(|(keeps, group)| **keeps && !group.is_empty());
    if holding.count() < 2 && !late {
        // Nobody needs to say anything.
        sim.until(2 * DEADLINE, |sim| sim.came_together(false))?;
        return if disturbed { Ok(()) } else { sim.settle(DEADLINE) };
    }
    sim.hold(120_000, &[])?;
    // Boxes that nobody told still belong to the cluster that ended: asked once more.
    for _ in 0..6 {
        if sim.until(DEADLINE, |sim| sim.came_together(late)).is_ok() {
            return Ok(());
        }
        let living = sim.living();
        let (Some((from, node)), Some(into)) = (living.first_key_value(), living.keys().nth(1))
        else {
            continue;
        };
        let (from, node, into) = (from.clone(), *node, into.clone());
        let asked = sim.ask_to_merge(node, &into);
        if asked.is_err() {
            let other = living.get(&into).copied().unwrap_or(node);
            sim.ask_to_merge(other, &from).or(asked)?;
        }
    }
    sim.until(DEADLINE, |sim| sim.came_together(late))
}
