//! Clocks that are wrong, and what comes of it.

use super::act::Effect;
use super::look::EPOCH;
use super::{Fault, Random, Simulation};
use crate::{Clock, MemberStatus, OtherClock};

/// How long it takes until answers are there, in milliseconds.
const ANSWERS: u64 = 3_000;

/// How wrong a clock may be and do no harm, in seconds.
const HARMLESS: u64 = 600;

/// The clocks of fewer than half, or of any number of those whom no time server answers,
/// are years off at every power-on.
pub(super) fn stray(sim: &mut Simulation, nodes: usize, dice: &mut Random) {
    const YEAR: u64 = 31_536_000;
    let served = match dice.between(0, 2) {
        0 => 0,
        1 => 1,
        _ => nodes.div_ceil(2),
    };
    let most = if served == 0 { (nodes - 1) / 2 } else { nodes - served };
    for node in nodes - most..nodes {
        let by = i64::try_from(dice.between(YEAR / 12, 9 * YEAR)).unwrap_or(0);
        sim.nodes[node].battery_s = if dice.permille(500) { by } else { -by };
    }
    for node in 0..served {
        sim.nodes[node].by_server = true;
    }
}

impl Simulation {
    /// By how many seconds a node's clock is ahead of the world's.
    pub(super) fn ahead_s(&self, n: usize) -> i64 {
        let node = &self.nodes[n];
        let set = node.run.as_ref().and_then(|run| run.clock_s);
        if node.by_server { 0 } else { set.unwrap_or(node.battery_s) }
    }

    /// What a node knows of its clock: what those show that it takes for alive and that
    /// answer.
    pub(super) fn clock(&self, n: usize) -> Clock {
        let own = self.ahead_s(n);
        let view = self.nodes[n].run.as_ref().and_then(|run| run.ring.as_ref());
        // They are asked when somebody comes, and answer a moment later.
        let asks = self.settings.fault != Some(Fault::BelievesItsClock);
        let view = view.filter(|view| asks && self.now >= view.changed_at + ANSWERS);
        let others = view.into_iter().flat_map(|view| &view.others);
        let answer = |(o, (status, _)): (&usize, &(MemberStatus, _))| {
            let answers = self.nodes[*o].rings() && self.reach(n, *o);
            (*status == MemberStatus::Alive && answers).then(|| OtherClock {
                name: self.nodes[*o].name.clone(),
                ahead_s: self.ahead_s(*o) - own,
                synchronised: self.nodes[*o].by_server,
            })
        };
        let unix = (EPOCH + self.now / 1000).saturating_add_signed(own);
        let others = others.filter_map(answer).collect();
        Clock::among(Some(unix), false, self.nodes[n].by_server, others)
    }

    pub(super) fn set_clock(&mut self, n: usize, ahead_s: i64) -> Effect {
        let now = self.ahead_s(n);
        if (now + ahead_s).unsigned_abs() > HARMLESS {
            self.breaks(format!("{} set its clock wrong", self.nodes[n].name));
        }
        if let Some(run) = &mut self.nodes[n].run {
            run.clock_s = Some(now + ahead_s);
        }
        Ok(())
    }

    /// A node signs something.
    pub(super) fn signed_by(&mut self, n: usize) {
        if self.ahead_s(n).unsigned_abs() > HARMLESS {
            self.breaks(format!("{} signed by a clock that is wrong", self.nodes[n].name));
        }
    }
}
