//! Mounts that do not hear a brick again: GlusterFS's client over TLS may give up for ever
//! on one that hung and was started anew.

use super::Simulation;
use super::removal::Fault;
use crate::{Look, Part, Silent};

/// Of a thousand mounts, so many do not look for a brick again that hung and was killed: as
/// of those of GlusterFS 11.1.
const GIVE_UP: u64 = 650;

impl Simulation {
    /// The brick of a node, which hung, is killed.
    pub(super) fn lose_brick(&mut self, brick: usize) {
        for n in 0..self.nodes.len() {
            let mounts = self.nodes[n].run.as_ref().is_some_and(|run| run.mounted);
            if mounts && self.reach(n, brick) && self.random.permille(GIVE_UP) {
                self.say(Some(n), || format!("loses the brick of {brick} for ever"));
                if let Some(run) = &mut self.nodes[n].run {
                    run.lost_bricks.insert(brick, None);
                }
            }
        }
    }

    /// The brick of a node runs again.
    pub(super) fn answers_again(&mut self, brick: usize) {
        let now = self.now;
        for run in self.nodes.iter_mut().filter_map(|node| node.run.as_mut()) {
            run.lost_bricks.entry(brick).and_modify(|since| *since = Some(now));
        }
    }

    /// The mount of a node connects to all bricks anew.
    pub(super) fn connect_anew(&mut self, node: usize) {
        if self.settings.fault == Some(Fault::NeverConnectsAnew) {
            return;
        }
        if let Some(run) = &mut self.nodes[node].run {
            run.lost_bricks.clear();
        }
        if let Some(pool) = self.nodes[node].disk.pool {
            self.write(pool);
        }
    }

    /// Whether the mount of node `n` does not hear a brick, whatever that does.
    pub(super) fn has_lost(&self, n: usize, brick: usize) -> bool {
        self.nodes[n].run.as_ref().is_some_and(|run| run.lost_bricks.contains_key(&brick))
    }

    /// What a look at its connections shows of a node.
    pub(super) fn look_at_clients(&self, n: usize) -> Option<(Part, Look)> {
        let run = self.nodes[n].run.as_ref().filter(|run| run.mounted)?;
        let answers = |b: &usize| self.nodes[*b].serves() && self.reach(n, *b);
        let unheard = run.lost_bricks.iter().filter(|(brick, _)| answers(brick));
        let since = unheard.filter_map(|(_, since)| *since).min()?;
        let since_ms = since.max(run.looks_since.unwrap_or(self.now));
        let silent = Silent { since_ms, why: "a copy is not heard".into(), runs: true };
        Some((Part::Clients, Look { at_ms: self.now, silent: Some(silent) }))
    }
}
