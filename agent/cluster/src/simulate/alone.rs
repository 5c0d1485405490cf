//! The second of two boxes that goes on alone because a person said so: what it keeps for
//! that, what the steps do, and what the first finds that comes back all the same.

use super::act::Effect;
use super::look::EPOCH;
use super::scenario::DEADLINE;
use super::world::{Bricks, Raft};
use super::{Fault, Random, Simulation};
use crate::{
    BothSeen, Daemon, Intent, Keeping, LeftBehind, Observed, SwarmRole, Volume, both_seen,
    gives_seat, going_alone, keeps_seat,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// How old a seat, and what is noted of both copies, may be, in seconds.
const OLD: u64 = 30;

/// How long it takes until those see each other who were parted, in milliseconds.
const MENDED: u64 = 12_000;

/// What a box has on its disk for that.
#[derive(Default)]
pub(super) struct Pair {
    /// The person's word, and in which boot it was said.
    pub(super) word: Option<(LeftBehind, u32)>,
    pub(super) seen: Option<BothSeen>,
    pub(super) seat: Option<Seat>,
    /// The volume as its storage daemon has it, which was not there when the other one
    /// went on without it: that one's takes it for no peer any more.
    pub(super) stale: Option<Box<Bricks>>,
}

/// A copy of what the Swarm's manager knew.
#[derive(Clone)]
pub(super) struct Seat {
    at: u64,
    intent: Intent,
    index: u64,
    stacks: BTreeMap<String, bool>,
    kept: bool,
}

impl Seat {
    pub(super) const fn at(&self) -> u64 {
        self.at
    }
}

/// How far a box came that goes on alone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Nobody else is served.
    Admitted,
    /// The other one's copy is given up.
    Dropped,
    /// It is struck off the pool.
    All,
}

impl Simulation {
    /// The volume as this box's storage daemon has it.
    pub(super) fn volume_at(&self, n: usize) -> Option<&Bricks> {
        let disk = &self.nodes[n].disk;
        disk.pair.stale.as_deref().or_else(|| self.pools[disk.pool?].volume.as_ref())
    }

    /// Nobody's storage daemon answers one whose volume is an old one.
    pub(super) fn alone_in_it(&self, n: usize, mut volume: Volume) -> Volume {
        let own = self.nodes[n].born.address;
        for brick in volume.bricks.iter_mut().filter(|b| b.address != own) {
            brick.online = false;
        }
        volume.pending_heals = None;
        volume
    }

    /// Writes down what the second of two keeps for the day when the first is gone.
    pub(super) fn keep_for_alone(&mut self, node: usize, observed: &Observed) {
        let now = EPOCH + self.now / 1000;
        let pair = &self.nodes[node].disk.pair;
        if let Some(seen) = both_seen(observed, &self.settings.wanted) {
            let old = |had: &BothSeen| had.whole != seen.whole || seen.at.abs_diff(had.at) >= OLD;
            if pair.seen.as_ref().is_none_or(old) {
                self.nodes[node].disk.pair.seen = Some(seen);
            }
        }
        match keeps_seat(observed, &self.settings.wanted) {
            Keeping::AsItIs => {}
            Keeping::Nothing if self.settings.fault == Some(Fault::SeatStays) => {}
            Keeping::Nothing => self.nodes[node].disk.pair.seat = None,
            Keeping::Of(address) => self.copy_seat(node, address, now),
        }
    }

    fn copy_seat(&mut self, node: usize, of: IpAddr, now: u64) {
        let pair = &self.nodes[node].disk.pair;
        if pair.seat.as_ref().is_some_and(|seat| now - seat.at < OLD) {
            return;
        }
        let (to, own) = (self.answers(node, &[of]).next(), self.nodes[node].born.address);
        let Some(manager) = to.filter(|n| self.nodes[*n].engine()) else { return };
        let Ok(raft) = self.leads(manager) else { return };
        if gives_seat(&self.observe(manager), &self.settings.wanted, own) {
            let raft = &self.rafts[raft];
            let (intent, index) = (raft.intent.clone(), raft.index);
            let (stacks, kept) = (raft.stacks.clone(), raft.kept);
            let seat = Seat { at: now, intent, index, stacks, kept };
            self.nodes[node].disk.pair.seat = Some(seat);
        }
    }

    /// How both copies stood, as this box wrote down.
    pub(super) fn both_seen(&self, n: usize) -> Option<BothSeen> {
        let mut seen = self.nodes[n].disk.pair.seen.clone();
        if let Some(seen) = seen.as_mut()
            && self.settings.fault == Some(Fault::BehindGoesOn)
        {
            seen.whole = true;
        }
        seen
    }

    /// A person standing at this box says that the other one is gone for good. `Err` is
    /// why it is refused.
    fn word(&mut self, node: usize) -> Result<(), String> {
        let observed = self.observe(node);
        let target = going_alone(&observed, &self.settings.wanted);
        match (target.refused, target.without) {
            (None, Some(left)) => {
                self.say(Some(node), || format!("a person says that {} is gone", left.name));
                self.nodes[node].disk.pair.word = Some((left, self.nodes[node].boots));
                self.touch();
                Ok(())
            }
            (refused, _) => Err(refused.unwrap_or_default()),
        }
    }

    pub(super) fn go_on_alone(&mut self, node: usize, without: IpAddr, until: Reach) -> Effect {
        let pool = self.nodes[node].disk.pool.ok_or("no pool")?;
        let other = self.nodes.iter().position(|n| n.born.address == without);
        let other = other.ok_or("nobody has this address")?;
        let name = self.nodes[node].name.clone();
        let counts = self.pools[pool].volume.as_ref().is_some_and(|v| v.nodes.contains(&other));
        // As the effect does: it looks again just before.
        if counts && self.nodes[other].stores() && self.reach(node, other) {
            return Err("its storage answers");
        }
        let volume = self.pools[pool].volume.as_mut().ok_or("there is no volume")?;
        let before = volume.clone();
        if self.settings.fault != Some(Fault::EverybodyIsLetIn) {
            volume.admits = Some([name].into());
        }
        if until == Reach::Admitted {
            return Ok(());
        }
        if before.nodes.contains(&other) {
            self.nodes[other].disk.pair.stale = Some(Box::new(before));
            self.drop_brick(node, without)?;
        }
        if until == Reach::All {
            self.pools[pool].members.remove(&other);
        }
        Ok(())
    }

    pub(super) fn lead_alone(&mut self, node: usize) -> Effect {
        let raft = self.nodes[node].disk.raft.ok_or("it is in no Swarm")?;
        if self.rafts[raft].misplaced.is_some() {
            // As the effect does: it waits for the engine, and asks it once it leads.
            let leads = self.leads(node).is_ok();
            if leads {
                self.rafts[raft].misplaced = None;
            }
            return if leads { Ok(()) } else { Err("the engine does not lead yet") };
        }
        let seat = self.nodes[node].disk.pair.seat.clone().ok_or("there is no seat")?;
        self.rafts[raft].forsaken = true;
        let cluster = self.rafts[raft].cluster.clone();
        self.nodes[node].disk.raft = Some(self.rafts.len());
        self.rafts.push(Raft {
            cluster,
            seats: BTreeMap::from([(node, SwarmRole::Manager)]),
            ghosts: BTreeMap::from([(format!("ghost-{node}"), (node, SwarmRole::Worker))]),
            disowned: BTreeMap::new(),
            leader: None,
            electing: false,
            stacks: seat.stacks,
            intent: seat.intent,
            index: seat.index,
            emptied: BTreeSet::new(),
            voting: BTreeSet::new(),
            kept: seat.kept,
            forsaken: false,
            misplaced: Some(node),
        });
        self.restart(node, Daemon::Engine)
    }

    pub(super) fn forget_word(&mut self, node: usize) -> Effect {
        if let Some((left, _)) = self.nodes[node].disk.pair.word.take()
            && let Some(pool) = self.nodes[node].disk.pool
            && let Some(volume) = &mut self.pools[pool].volume
        {
            // Nothing came of it: the other one is let in again.
            let other = self.nodes.iter().position(|n| n.born.address == left.address);
            if other.is_some_and(|other| volume.nodes.contains(&other)) {
                volume.admits = None;
            }
        }
        Ok(())
    }

    /// What an old copy must never do beside the one that went on.
    pub(super) fn check_old_copies(&self) -> Result<(), String> {
        for (n, node) in self.nodes.iter().enumerate() {
            let mounts = node.run.as_ref().is_some_and(|run| run.mounted);
            let Some(pool) = node.disk.pool.filter(|_| mounts && node.disk.pair.stale.is_some())
            else {
                continue;
            };
            let Some(volume) = &self.pools[pool].volume else { continue };
            let let_in = volume.admits.as_ref().is_none_or(|names| names.contains(&node.name));
            if let_in && self.online(pool).iter().any(|b| self.reach(n, *b)) {
                return Err(format!("{} mixes its old copy with the new one", node.name));
            }
        }
        Ok(())
    }

    /// Before it mounts its old copy it sees the one that went on, if that can be seen.
    pub(super) fn old_copy_yields(&mut self, node: usize) {
        let Some(pool) = self.nodes[node].disk.pool else { return };
        let long = |n: &usize| {
            let run = self.nodes[*n].run.as_ref();
            let since = run.and_then(|run| run.looks_since);
            since.is_some_and(|since| self.now.saturating_sub(since) > MENDED)
        };
        let there = |n: &usize| self.nodes[*n].rings() && self.reach(node, *n) && long(n);
        let stale = self.nodes[node].disk.pair.stale.is_some();
        let mut others = self.pools[pool].volume.iter().flat_map(|v| v.nodes.iter());
        let mended = self.now.saturating_sub(self.mended) > MENDED;
        if stale && mended && others.any(there) {
            let name = self.nodes[node].name.clone();
            self.breaks(format!("{name} goes on with its old copy beside the other one"));
        }
    }

    /// Of these two one goes on with what the other one was left behind with, and they do
    /// not see each other: a person was told not to let it come to that.
    pub(super) fn parted_for_good(&self, a: usize, b: usize) -> bool {
        let old = |n: usize| self.nodes[n].disk.raft.is_some_and(|raft| self.rafts[raft].forsaken);
        old(a) != old(b) && !self.reach(a, b)
    }

    /// A seat is for the second of two, and for nobody else.
    pub(super) fn check_seats(&self) -> Result<(), String> {
        let here = || (0..self.nodes.len()).filter(|n| !self.gone.contains(n));
        let kept = here().filter(|n| self.nodes[*n].disk.pair.seat.is_some()).count();
        if kept > 0 && here().count() != 2 {
            return Err("what the Swarm knows is kept where nobody needs it".into());
        }
        Ok(())
    }
}

/// Says it again where power failed before anything was done, until the box goes on.
fn insist(sim: &mut Simulation, first: usize, other: usize) -> Result<(), String> {
    for _ in 0..5 {
        let void = |sim: &Simulation| {
            let done = sim.given_up.contains(&first);
            sim.is_on(other) && !done && sim.nodes[other].disk.pair.word.is_none()
        };
        sim.until(DEADLINE, |sim| sim.is_ready(other) || void(sim))?;
        if !void(sim) {
            return Ok(());
        }
        sim.hold(60_000, &[])?;
        sim.until(DEADLINE, |sim| sim.is_on(other))?;
        sim.hold(40_000, &[])?;
        if sim.is_on(other) {
            sim.word(other)?;
        }
    }
    Err("it does not go on, however often it is told to".into())
}

/// The first of two dies for good, and a person says so at the second. The first comes back
/// all the same, at once or much later, with its cable or without; a fresh box takes its
/// place.
pub(super) fn goes_on_alone(
    sim: &mut Simulation,
    nodes: usize,
    dice: &mut Random,
) -> Result<(), String> {
    let (spare, second_life) = (nodes, nodes + 1);
    let cuts = std::mem::take(&mut sim.settings.cuts);
    sim.gone = [spare, second_life].into();
    sim.form(nodes, dice)?;
    let volume = sim.pools.iter().find_map(|pool| pool.volume.as_ref());
    let first = volume.and_then(|v| v.nodes.first().copied()).ok_or("there is no volume")?;
    let other = (0..nodes).find(|n| *n != first).ok_or("there is no other box")?;
    let ready = |sim: &Simulation| sim.nodes[other].disk.pair.seat.is_some() && sim.is_whole();
    sim.until(DEADLINE, ready)?;
    sim.hold(dice.between(0, 60_000), &[])?;
    for node in [first, other] {
        if sim.word(node).is_ok() {
            return Err("a person's word is taken while both are there".into());
        }
    }
    let behind = dice.permille(300);
    if behind {
        // What it misses it has not healed when the first dies.
        sim.settings.heal = (120_000, 120_000);
        sim.part([other].into());
        sim.hold(dice.between(20_000, 40_000), &[])?;
        sim.part([].into());
        sim.hold(dice.between(20_000, 60_000), &[])?;
    }
    let behind = behind && !sim.is_whole();
    if !behind {
        sim.settings.heal = (3_000, 20_000);
        sim.until(DEADLINE, |sim| sim.is_on(first) && sim.is_on(other) && sim.is_whole())?;
    }
    sim.power_off(first);
    sim.gone.insert(first);
    sim.hold(dice.between(0, 30_000), &[])?;
    if dice.permille(300) {
        sim.power_off(other);
        sim.power_on_at(other, sim.now + dice.between(2_000, 20_000));
    }
    sim.hold(60_000, &[])?;
    if behind && sim.settings.fault != Some(Fault::BehindGoesOn) {
        if sim.word(other).is_ok() {
            return Err("a copy that is behind goes on".into());
        }
        sim.settings.heal = (3_000, 20_000);
        sim.gone.remove(&first);
        sim.power_on_at(first, sim.now);
        return sim.settle(DEADLINE);
    }
    sim.settings.cuts = 6 * cuts;
    sim.word(other)?;
    sim.is_reborn_as(first, second_life);
    if dice.permille(300) {
        // It is there after all, while the other one is at it.
        sim.hold(dice.between(0, 12_000), &[])?;
        sim.gone.remove(&first);
        sim.power_on_at(first, sim.now);
        let over = |sim: &Simulation| {
            !sim.gone.contains(&second_life) || sim.nodes[other].disk.pair.word.is_none()
        };
        sim.until(DEADLINE, over)?;
        // One that begins anew while all others are off founds a cluster.
        sim.settings.cuts = 0;
        if sim.nodes[first].disk.pair.stale.is_some() {
            sim.until(DEADLINE, |sim| !sim.gone.contains(&second_life))?;
        }
        return sim.settle(DEADLINE);
    }
    insist(sim, first, other)?;
    sim.settings.cuts = 0;
    if dice.permille(600) {
        sim.gone.remove(&spare);
        sim.power_on_at(spare, sim.now);
        // One that is switched on while all others are off founds a cluster.
        sim.until(DEADLINE, |sim| sim.cluster_of(spare).is_some())?;
    }
    sim.settings.cuts = cuts;
    sim.settle(DEADLINE)?;
    // It comes back, with its cable or without.
    sim.settings.cuts = 0;
    sim.gone.remove(&first);
    let pulled = dice.permille(300);
    if pulled {
        sim.part([first].into());
    }
    sim.power_on_at(first, sim.now);
    if pulled {
        sim.hold(dice.between(10_000, 90_000), &[])?;
        sim.part([].into());
    }
    sim.until(DEADLINE, |sim| !sim.gone.contains(&second_life))?;
    sim.settle(DEADLINE)
}
