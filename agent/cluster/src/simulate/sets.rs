//! Sets of copies in the model: files that lie in one set and belong in another, and
//! the boxes that move them, each its own part, late, not all, or not at all.

use super::act::Effect;
use super::world::Bricks;
use super::{Event, Fault, Simulation};
use crate::Rebalance;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// How many bricks a full set has.
const SET: usize = 3;

/// How long a box takes to move its part, in milliseconds.
const MOVES: (u64, u64) = (5_000, 60_000);

/// What one box does of a rebalance. It stands on its disk: after a power cut it goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Moves,
    Moved,
    Failed,
}

impl Bricks {
    /// How many bricks a set has now.
    pub(super) fn set_size(&self) -> usize {
        self.nodes.len().clamp(1, SET)
    }

    pub(super) fn sets(&self) -> std::slice::Chunks<'_, usize> {
        self.nodes.chunks(self.set_size())
    }

    /// The set that this node's brick is in.
    pub(super) fn set_of(&self, node: usize) -> &[usize] {
        self.sets().find(|set| set.contains(&node)).unwrap_or_default()
    }

    /// The bricks that have this write, or lack it and should not.
    pub(super) fn holders(&self, write: usize) -> &[usize] {
        let home = self.home.get(write).copied().unwrap_or(0);
        self.sets().nth(home).unwrap_or_default()
    }

    pub(super) fn lacks(&self, node: usize, write: usize) -> bool {
        self.lacks.get(&node).is_some_and(|lacks| lacks.contains(&write))
    }

    /// Writes that lie in this node's set.
    pub(super) fn of_its_set(&self, node: usize) -> impl Iterator<Item = usize> {
        let at = self.sets().position(|set| set.contains(&node));
        (0..self.written).filter(move |w| self.home.get(*w).copied() == at)
    }

    /// Whether a box moves files.
    pub(super) fn moves(&self) -> bool {
        self.moving.values().any(|part| *part == Part::Moves)
    }

    /// Writes that are in another set than they belong in.
    pub(super) fn astray(&self) -> usize {
        let sets = self.sets().count();
        self.home.iter().enumerate().filter(|(w, home)| **home != w % sets).count()
    }
}

impl Simulation {
    /// Whether there are several sets, and every box that is there gives a brick.
    pub(super) fn lacks_a_spare(&self) -> bool {
        let volume = self.pools.iter().find_map(|pool| pool.volume.as_ref());
        let here = self.nodes.len() - self.gone.len();
        volume.is_some_and(|v| v.sets().count() > 1 && v.nodes.len() >= here)
    }

    pub(super) fn add_set(&mut self, node: usize, bricks: &[IpAddr]) -> Effect {
        let pool = self.nodes[node].disk.pool.ok_or("no pool")?;
        let nodes = self.givers(node, pool, bricks)?;
        let volume = self.pools[pool].volume.as_mut().ok_or("there is no volume")?;
        if volume.moves() {
            return Err("files move");
        }
        if nodes.iter().any(|n| volume.nodes.contains(n)) {
            return Err("it gives a brick already");
        }
        if !volume.nodes.len().is_multiple_of(SET) || nodes.len() != SET {
            return Err("that is no set");
        }
        volume.nodes.extend(nodes);
        Ok(())
    }

    /// Every box that gives a brick and can be reached begins to move its part.
    pub(super) fn rebalance(&mut self, node: usize) -> Effect {
        let pool = self.nodes[node].disk.pool.ok_or("no pool")?;
        let online = self.online(pool);
        let reached: Vec<_> = online.into_iter().filter(|n| self.reach(node, *n)).collect();
        let volume = self.pools[pool].volume.as_mut().ok_or("there is no volume")?;
        if volume.moves() {
            return Err("files move already");
        }
        volume.round += 1;
        volume.layout = volume.sets().count();
        volume.moving = reached.iter().map(|n| (*n, Part::Moves)).collect();
        for node in reached {
            self.goes_on_moving(pool, node);
        }
        Ok(())
    }

    /// A box whose storage daemon starts takes up what it was moving.
    pub(super) fn goes_on_moving(&mut self, pool: usize, node: usize) {
        let volume = self.pools[pool].volume.as_ref();
        if volume.is_some_and(|v| v.moving.get(&node) == Some(&Part::Moves)) {
            let boot = self.nodes[node].boots;
            self.after(MOVES, Event::Moved { pool, node, boot });
        }
    }

    /// A box has moved its part, unless it could not.
    pub(super) fn moved(&mut self, pool: usize, node: usize) {
        if !self.nodes[node].serves() || !self.nodes[node].stores() {
            // It is taken up when the daemon runs again.
            return;
        }
        let fails = self.random.permille(self.settings.failures);
        let online: Vec<_> =
            self.online(pool).into_iter().filter(|n| self.reach(node, *n)).collect();
        let Some(volume) = &mut self.pools[pool].volume else { return };
        if volume.moving.get(&node) != Some(&Part::Moves) {
            return;
        }
        let (sets, size) = (volume.sets().count(), volume.set_size());
        let at = volume.nodes.iter().position(|n| *n == node).unwrap_or(0);
        let mut left = 0;
        let away = |w: &usize| volume.home.get(*w).is_some_and(|home| *home != w % sets);
        let away: Vec<_> = (0..volume.written).filter(away).collect();
        for write in away {
            // The bricks of a set share its files.
            let from: Vec<_> = volume.holders(write).to_vec();
            let to: Vec<_> = volume.nodes[(write % sets) * size..][..size].to_vec();
            let mine = from.get(write % size) == volume.nodes.get(at);
            if !mine {
                continue;
            }
            let quorum =
                |set: &[usize]| set.iter().filter(|n| online.contains(n)).count() * 2 > set.len();
            let known = from.iter().any(|n| online.contains(n) && !volume.lacks(*n, write));
            if fails || !(quorum(&from) && quorum(&to) && known) {
                left += 1;
                continue;
            }
            volume.home[write] = write % sets;
            for old in from {
                if let Some(lacks) = volume.lacks.get_mut(&old) {
                    lacks.remove(&write);
                }
            }
            for away in to.into_iter().filter(|n| !online.contains(n)) {
                volume.lacks.entry(away).or_default().insert(write);
            }
        }
        let part = if left == 0 { Part::Moved } else { Part::Failed };
        volume.moving.insert(node, part);
        self.say(Some(node), || match part {
            Part::Failed => format!("moves its part of the files, but for {left}"),
            _ => "has moved its part of the files".into(),
        });
        self.touch();
    }

    pub(super) fn note_spread(&mut self, node: usize, sets: u8) -> Effect {
        let pool = self.nodes[node].disk.pool.ok_or("no pool")?;
        let volume = self.pools[pool].volume.as_mut().ok_or("there is no volume")?;
        let astray = volume.astray();
        (volume.spread, volume.noted) = (sets, volume.round);
        if astray > 0 {
            self.breaks(format!("files are called spread, and {astray} are not"));
        }
        Ok(())
    }

    /// How far it is, as the daemon of this node tells: it hears of those that it reaches.
    pub(super) fn observe_rebalance(&self, n: usize, volume: &Bricks) -> Option<Rebalance> {
        if volume.sets().count() <= usize::from(volume.spread.max(1)) {
            return None;
        }
        if volume.round == volume.noted {
            return Some(Rebalance::Never);
        }
        if self.settings.fault == Some(Fault::EveryFileMoved) {
            return Some(Rebalance::Done);
        }
        let told = |b: &usize| self.nodes[*b].stores() && self.reach(n, *b);
        let told: BTreeMap<_, _> = volume.moving.iter().filter(|(b, _)| told(b)).collect();
        if told.values().any(|part| **part == Part::Moves) {
            return Some(Rebalance::Running);
        }
        let whole = volume.nodes.iter().all(|b| told.get(b) == Some(&&Part::Moved));
        Some(if whole { Rebalance::Done } else { Rebalance::Failed("not all of it".into()) })
    }
}
