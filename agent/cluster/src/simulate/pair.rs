//! Two boxes without a witness: what each storage daemon holds of who decides, and the
//! story of a box that is switched off in order.

use super::act::Effect;
use super::scenario::DEADLINE;
use super::world::Bricks;
use super::{Fault, Random, Simulation};
use crate::{Observed, going_alone, hands_over, phases};

/// How long a box that is switched off may take to hand over, in milliseconds.
const PATIENCE: u64 = 90_000;

/// What a storage daemon has on its disk of who decides.
#[derive(Clone, Copy, Default)]
pub(super) struct Terms {
    /// Of two that meet the later one holds.
    version: u32,
    pub(super) turn: u32,
    /// Either copy is written by itself.
    pub(super) either: bool,
}

/// How far a hand-over came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// The box works no more.
    Stopped,
    /// That is noted.
    Noted,
    /// Its own storage daemon has it on disk.
    Here,
    /// Only the other one's has: what the own one wrote was not on disk yet.
    There,
    /// Both have.
    All,
}

impl Bricks {
    /// What the storage daemon of this box holds.
    pub(super) fn terms(&self, node: usize) -> Terms {
        self.terms.get(&node).copied().unwrap_or_default()
    }

    /// Whether any of them holds that the second of two copies decides.
    pub(super) fn is_handed_over(&self) -> bool {
        self.nodes.len() == 2 && self.terms.values().any(|t| t.turn % 2 == 1)
    }

    /// Whether one of these that have it mounted may write with the bricks that are
    /// here, each by what its own storage daemon holds.
    pub(super) fn may_write(&self, clients: &[usize], set: &[usize], here: &[usize]) -> bool {
        if self.terms.is_empty() {
            return self.quorum_of(set, here);
        }
        clients.iter().any(|n| self.terms(*n).either || self.quorum_of(set, here))
    }
}

impl Simulation {
    /// Boxes on one side that have the volume mounted.
    pub(super) fn clients(&self, pool: usize, side: bool) -> Vec<usize> {
        let mounts = |n: &usize| {
            let node = &self.nodes[*n];
            let knows = node.disk.pool == Some(pool) && node.disk.pair.stale.is_none();
            knows && node.run.as_ref().is_some_and(|run| run.mounted)
        };
        let all = 0..self.nodes.len();
        all.filter(mounts).filter(|n| self.apart.contains(n) == side).collect()
    }

    /// Storage daemons that see each other hold the latest.
    pub(super) fn agree_on_terms(&mut self, pool: usize) {
        let stores: Vec<_> = (0..self.nodes.len())
            .filter(|n| self.nodes[*n].disk.pool == Some(pool) && self.nodes[*n].stores())
            .filter(|n| self.nodes[*n].disk.pair.stale.is_none())
            .collect();
        for &node in &stores {
            let seen = stores.iter().copied().filter(|n| self.reach(node, *n));
            let Some(volume) = &self.pools[pool].volume else { return };
            let latest = seen.map(|n| volume.terms(n)).max_by_key(|t| t.version);
            let Some(latest) = latest.filter(|t| t.version > volume.terms(node).version) else {
                continue;
            };
            if let Some(volume) = &mut self.pools[pool].volume {
                volume.terms.insert(node, latest);
            }
        }
    }

    /// Changes what the storage daemons hold: this one's, and of all that it sees.
    fn set_terms(&mut self, node: usize, turn: u32, either: bool, reach: Reach) -> Effect {
        let pool = self.nodes[node].disk.pool.ok_or("no pool")?;
        let volume = self.pools[pool].volume.as_mut().ok_or("there is no volume")?;
        let before = volume.terms(node);
        volume.terms.insert(node, Terms { version: before.version + 1, turn, either });
        if reach != Reach::Here {
            self.agree_on_terms(pool);
        }
        if let Some(volume) = self.pools[pool].volume.as_mut().filter(|_| reach == Reach::There) {
            volume.terms.insert(node, before);
        }
        Ok(())
    }

    pub(super) fn tune_terms(&mut self, node: usize) -> Effect {
        let pool = self.nodes[node].disk.pool.ok_or("no pool")?;
        let terms = self.pools[pool].volume.as_ref().map(|v| v.terms(node));
        match terms.filter(|t| t.either != (t.turn % 2 == 1)) {
            Some(terms) => self.set_terms(node, terms.turn, !terms.either, Reach::All),
            None => Ok(()),
        }
    }

    pub(super) fn hand_over(&mut self, node: usize, turn: u32, until: Reach) -> Effect {
        let pool = self.nodes[node].disk.pool.ok_or("no pool")?;
        if let Some(run) = &mut self.nodes[node].run {
            (run.mounted, run.engine) = (false, false);
        }
        if until == Reach::Stopped {
            return Ok(());
        }
        let late = self.settings.fault == Some(Fault::NotedLast) && until != Reach::All;
        if !late {
            self.nodes[node].disk.handed_over = Some(turn);
        }
        if until == Reach::Noted {
            return Ok(());
        }
        self.set_terms(node, turn, true, until)?;
        if until == Reach::All {
            self.write(pool);
        }
        Ok(())
    }

    pub(super) fn hand_back(&mut self, node: usize, turn: u32, half: bool) -> Effect {
        let pool = self.nodes[node].disk.pool.ok_or("no pool")?;
        let volume = self.pools[pool].volume.as_ref().ok_or("there is no volume")?;
        let now = volume.terms(node);
        let taken = self.settings.fault == Some(Fault::TakenLast) && now.either;
        self.set_terms(node, now.turn, taken, Reach::All)?;
        if !half {
            self.set_terms(node, turn, taken, Reach::All)?;
        }
        self.write(pool);
        Ok(())
    }

    /// A person, or the box itself, switches it off in order.
    pub(super) fn switch_off(&mut self, node: usize) {
        let until = self.now + PATIENCE;
        self.say(Some(node), || "is being switched off".into());
        if let Some(run) = &mut self.nodes[node].run {
            run.goes_down = Some(until);
        }
        self.touch();
    }

    /// Whether it goes down: there is nothing left to hand over, or its time is over.
    pub(super) fn goes_down_now(&self, node: usize, observed: &Observed) -> bool {
        let until = self.nodes[node].run.as_ref().and_then(|run| run.goes_down);
        until.is_some_and(|until| self.now >= until || !hands_over(observed, &self.settings.wanted))
    }

    /// The box with the first copy.
    fn first(&self) -> Option<usize> {
        self.pools.iter().find_map(|pool| pool.volume.as_ref())?.nodes.first().copied()
    }
}

/// One of two is switched off in order; the other one goes on. It comes back, with its
/// cable or without; or the other one is switched off as well, and either comes first.
pub(super) fn hand_over(
    sim: &mut Simulation,
    nodes: usize,
    dice: &mut Random,
) -> Result<(), String> {
    let cuts = std::mem::take(&mut sim.settings.cuts);
    sim.form(nodes, dice)?;
    sim.hold(30_000, &[])?;
    let rough = sim.settings.most_cuts > 0;
    // Each of the few steps of a hand-over is to be cut in some run.
    sim.settings.cuts = 4 * cuts;
    let first = sim.first().ok_or("there is no volume")?;
    let other = (0..nodes).find(|n| *n != first).ok_or("there is no other box")?;
    let down = if dice.permille(850) { first } else { other };
    let left = if down == first { other } else { first };
    sim.switch_off(down);
    let pulled = rough && dice.permille(300);
    if pulled {
        sim.hold(dice.between(0, 10_000), &[])?;
        sim.part([down].into());
    }
    sim.until(DEADLINE, |sim| !sim.is_on(down))?;
    sim.settings.cuts = cuts;
    if rough {
        if !pulled && dice.permille(500) {
            sim.part([down].into());
        }
        sim.hold(dice.between(0, 120_000), &[])?;
    } else if nodes == 2 {
        sim.until(60_000, |sim| sim.is_ready(left))?;
        sim.hold(30_000, &[left])?;
    }
    let both = dice.permille(400);
    if both {
        if dice.permille(500) {
            sim.switch_off(left)
        } else {
            sim.power_off(left)
        }
        sim.hold(dice.between(0, 100_000), &[])?;
    }
    if !pulled && dice.permille(500) {
        // It comes back without its cable.
        sim.part([down].into());
    }
    sim.power_on_at(down, sim.now);
    sim.hold(dice.between(10_000, 120_000), &[])?;
    if both && dice.permille(500) {
        sim.power_on_at(left, sim.now);
        sim.hold(dice.between(10_000, 120_000), &[])?;
    }
    sim.part([].into());
    if rough && dice.permille(500) {
        // Just when it has its turn again.
        sim.power_on_at(down, sim.now);
        sim.power_on_at(left, sim.now);
        let back = |sim: &Simulation| {
            sim.pools.iter().flat_map(|p| &p.volume).all(|v| !v.is_handed_over())
        };
        sim.until(DEADLINE, back)?;
        sim.hold(dice.between(0, 5_000), &[])?;
        sim.part([down].into());
        sim.hold(dice.between(10_000, 60_000), &[])?;
        sim.part([].into());
    }
    for node in 0..nodes {
        // One that is going down goes first.
        sim.until(DEADLINE, |sim| {
            sim.nodes[node].run.as_ref().is_none_or(|r| r.goes_down.is_none())
        })?;
        sim.power_on_at(node, sim.now);
    }
    sim.settle(DEADLINE)
}

/// The first of two hands over and is off; the other one, which goes on, dies. What it wrote
/// is on no other disk: the first waits for it however long that takes, says so, and is not
/// let go on by a person's word either. The other one comes back after all.
pub(super) fn heir_dies(
    sim: &mut Simulation,
    nodes: usize,
    dice: &mut Random,
) -> Result<(), String> {
    sim.form(nodes, dice)?;
    if nodes != 2 {
        return Ok(());
    }
    sim.hold(30_000, &[])?;
    let first = sim.first().ok_or("there is no volume")?;
    let heir = 1 - first;
    sim.switch_off(first);
    sim.until(DEADLINE, |sim| !sim.is_on(first))?;
    sim.until(60_000, |sim| sim.is_ready(heir))?;
    sim.hold(dice.between(0, 60_000), &[heir])?;
    sim.power_off(heir);
    sim.hold(dice.between(0, 60_000), &[])?;
    sim.power_on_at(first, sim.now);
    for _ in 0..dice.between(6, 60) {
        sim.hold(10_000, &[])?;
        if sim.is_ready(first) {
            return Err("the first goes on without what the other one wrote".into());
        }
    }
    let (observed, wanted) = (sim.observe(first), sim.settings.wanted.clone());
    let heirs = &sim.nodes[heir];
    // After a restart nobody has told its name.
    let known_as = [heirs.name.clone(), heirs.born.address.to_string()];
    let says = phases(&observed, &wanted);
    let names = |text: &str| known_as.iter().any(|known| text.contains(known));
    if !says.iter().any(|state| !state.holds && names(&state.detail)) {
        let says: Vec<_> = says.into_iter().map(|state| state.detail).collect();
        return Err(format!("the first does not say that it waits for {known_as:?}: {says:?}"));
    }
    match going_alone(&observed, &wanted).refused {
        Some(why) if why.contains("handed over") => {}
        refused => return Err(format!("a person's word lets the first go on: {refused:?}")),
    }
    sim.power_on_at(heir, sim.now);
    sim.settle(DEADLINE)
}
