//! Boxes that lose their place, in the model: what the steps do, what a box that
//! comes back is told, and what must be true of it all.

use super::act::Effect;
use super::world::Disk;
use super::{Event, Simulation};
use crate::{Decision, Intent, NodeId, decide};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Puts a node on a list, or takes it off.
fn list(of: &mut BTreeSet<usize>, node: usize, on: bool) {
    if on {
        of.insert(node)
    } else {
        of.remove(&node)
    };
}

/// A fault that is planted, so that a test can show that it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Every copy is said to be whole, whatever it lacks.
    EveryCopyIsWhole,
    /// A mount that lost a brick looks for it no more, whatever is done.
    NeverConnectsAnew,
    /// That a brick is being given back as an empty one is written down nowhere.
    NobodyNotesTheRenewal,
    /// Nobody tells a box that comes back that it lost its place.
    NobodyIsTold,
    /// It is said that nothing is to heal, whatever is.
    HealIsOver,
    /// It is said that every box has moved its part of the files, whatever is.
    EveryFileMoved,
    /// A box without room for files does not say so.
    NobodySaysFull,
    /// Nobody asks a witness what the copy beside it missed.
    WitnessIsNotAsked,
    /// Every box is said to have the ring's new key, whatever it has.
    EveryBoxHasTheKey,
    /// Nobody gives the ring's new key to a box that was away.
    NoKeyForWhoWasAway,
    /// Every box is said to trust the cluster's new CA, whatever it trusts.
    EveryBoxTrustsTheCa,
    /// Nobody tells a box with the old site that the ring's key was replaced.
    OldSiteGoesUnsaid,
    /// The volume is said to be empty, whatever is in it.
    NobodyLooks,
    /// That a cluster dissolves is forgotten at a power cut.
    NobodyWritesDown,
    /// A node asks nobody what time it is.
    BelievesItsClock,
    /// The other one of two is let go on before it is on disk that it was.
    NotedLast,
    /// The second of two loses its right only after the first has it again.
    TakenLast,
    /// Whoever goes on alone serves everybody who has a certificate.
    EverybodyIsLetIn,
    /// A copy that is known to be behind goes on alone.
    BehindGoesOn,
    /// What the Swarm knows stays where it is not needed any more.
    SeatStays,
    /// The first of two looks for nobody before it goes on.
    NobodyIsLookedFor,
}

impl Simulation {
    fn at_address(&self, address: IpAddr) -> Result<usize, &'static str> {
        let at = self.nodes.iter().position(|n| n.born.address == address);
        at.ok_or("nobody has this address")
    }

    /// The record is swapped only if it is the one that the change was made from.
    pub(super) fn write_record(
        &mut self,
        node: usize,
        intent: &Intent,
        index: Option<u64>,
    ) -> Effect {
        let raft = self.leads(node)?;
        let raft = &mut self.rafts[raft];
        if index.is_some_and(|index| index != raft.index) {
            return Err("the record is another one by now");
        }
        let moves = raft.intent.ring != intent.ring;
        let succeeds = raft.intent.ca != intent.ca;
        raft.intent = intent.clone();
        raft.index += 1;
        if moves {
            self.keys_may_go_on(node);
        }
        if succeeds {
            self.cas_may_go_on(node);
        }
        Ok(())
    }

    pub(super) fn replace_brick(&mut self, node: usize, from: IpAddr, to: IpAddr) -> Effect {
        let pool = self.nodes[node].disk.pool.ok_or("no pool")?;
        let new = *self.givers(node, pool, &[to])?.first().ok_or("nobody takes it")?;
        let old = self.at_address(from)?;
        self.give_up(node, pool, old, Some(new))?;
        let boot = self.nodes[new].boots;
        self.after(self.settings.heal, Event::Healed { pool, node: new, boot });
        Ok(())
    }

    pub(super) fn drop_brick(&mut self, node: usize, brick: IpAddr) -> Effect {
        let pool = self.nodes[node].disk.pool.ok_or("no pool")?;
        let old = self.at_address(brick)?;
        self.give_up(node, pool, old, None)
    }

    fn give_up(&mut self, node: usize, pool: usize, old: usize, new: Option<usize>) -> Effect {
        // What runs is what this node's daemon hears of.
        let online: Vec<_> =
            self.online(pool).into_iter().filter(|b| self.reach(node, *b)).collect();
        let volume = self.pools[pool].volume.as_mut().ok_or("there is no volume")?;
        let at = volume.nodes.iter().position(|n| *n == old).ok_or("it has no brick")?;
        if new.is_some_and(|new| volume.nodes.contains(&new)) {
            return Err("it gives a brick already");
        }
        if volume.moves() {
            return Err("files move");
        }
        let set = volume.set_of(old);
        let others: Vec<_> = set.iter().copied().filter(|n| *n != old).collect();
        // As the effect does: it looks again just before.
        if others.iter().any(|n| !online.contains(n)) {
            return Err("another brick is down");
        }
        let heals = volume.lacks.values().any(|lacks| !lacks.is_empty());
        if online.contains(&old) && heals && self.settings.fault != Some(Fault::HealIsOver) {
            return Err("there is something to heal");
        }
        let whole = |n: &usize| volume.lacks.get(n).is_none_or(BTreeSet::is_empty);
        let whole = others.iter().filter(|n| whole(n)).count();
        if new.is_none() && volume.nodes.len() > volume.set_size() {
            return Err("every set would lose a copy");
        }
        volume.lacks.remove(&old);
        volume.moving.remove(&old);
        match new {
            Some(new) => {
                volume.nodes[at] = new;
                let all = volume.of_its_set(new).collect();
                volume.lacks.insert(new, all);
                if volume.arbiter == Some(old) {
                    volume.arbiter = Some(new);
                }
            }
            None => drop(volume.nodes.remove(at)),
        }
        self.given_up.insert(old);
        // Beside one copy a witness has nothing to tell.
        if let Some(arbiter) = volume.arbiter.filter(|a| *a == old || volume.nodes.len() < 3) {
            volume.arbiter = None;
            volume.nodes.retain(|n| *n != arbiter);
            volume.lacks.remove(&arbiter);
            self.given_up.insert(arbiter);
        }
        if whole < others.len() {
            let name = self.nodes[old].name.clone();
            self.breaks(format!(
                "the copy of {name} was given up while {whole} of {} others were whole",
                others.len()
            ));
        }
        self.write(pool);
        Ok(())
    }

    pub(super) fn detach(&mut self, node: usize, address: IpAddr) -> Effect {
        let pool = self.nodes[node].disk.pool.ok_or("no pool")?;
        let gone = self.at_address(address)?;
        if self.pools[pool].volume.as_ref().is_some_and(|v| v.nodes.contains(&gone)) {
            return Err("it gives a brick");
        }
        self.pools[pool].members.remove(&gone);
        Ok(())
    }

    /// Every member that can be reached forgets who is not alive.
    pub(super) fn forget(&mut self, node: usize, name: &str) -> Effect {
        let gone = self.nodes.iter().position(|n| n.name == name).ok_or("no such member")?;
        for other in 0..self.nodes.len() {
            if !self.reach(node, other) {
                continue;
            }
            let lives = self.nodes[gone].rings();
            if let Some(view) = self.nodes[other].run.as_mut().and_then(|run| run.ring.as_mut())
                && !lives
            {
                view.others.remove(&gone);
            }
        }
        Ok(())
    }

    /// Says as which node a box goes on when it begins anew. What it is stays.
    pub(super) fn is_reborn_as(&mut self, node: usize, second_life: usize) {
        self.reborn.insert(node, second_life);
        if self.settings.witnesses.contains(&node) {
            self.settings.witnesses.insert(second_life);
        }
    }

    /// The box goes on as another one.
    pub(super) fn start_anew(&mut self, node: usize) -> Effect {
        let as_another = self.reborn.remove(&node).ok_or("it has no other life")?;
        self.gone.insert(node);
        self.power_off(node);
        self.gone.remove(&as_another);
        let soon = self.now + self.random.between(1_000, 3_000);
        self.power_on_at(as_another, soon);
        Ok(())
    }

    /// The box forgets its cluster, and waits for a person.
    pub(super) fn stay_out(&mut self, node: usize) -> Effect {
        self.power_off(node);
        self.nodes[node].disk = Disk { out: true, ..Disk::default() };
        self.gone.insert(node);
        self.power_on_at(node, self.now + 1_000);
        Ok(())
    }

    pub(super) fn set_leaving(&mut self, node: usize, name: &str, leaving: bool) -> Effect {
        let raft = self.leads(node)?;
        let named = self.called(name)?;
        list(&mut self.rafts[raft].emptied, named, leaving);
        Ok(())
    }

    pub(super) fn set_voting(&mut self, node: usize, name: &str, voting: bool) -> Effect {
        let raft = self.leads(node)?;
        let named = self.called(name)?;
        list(&mut self.rafts[raft].voting, named, voting);
        Ok(())
    }

    fn called(&self, name: &str) -> Result<usize, &'static str> {
        self.nodes.iter().position(|n| n.name == name).ok_or("no such node")
    }

    /// A person asks the leader, if there is one. `Err` is why it is refused.
    pub(crate) fn ask(&mut self, of: usize, decision: Decision) -> Result<(), String> {
        let leader = self.leader().ok_or("nobody leads")?;
        let name = self.nodes[of].name.clone();
        let observed = self.observe(leader);
        let (target, next) = decide(&observed, &self.settings.wanted, &name, decision);
        if let Some(why) = target.refused {
            return Err(why);
        }
        self.say(None, || format!("a person asks: {decision:?} {name}"));
        if let Some(next) = next {
            let index = observed.swarm.and_then(|swarm| swarm.index);
            self.write_record(leader, &next, index)?;
            self.touch();
        }
        Ok(())
    }

    /// Who leads the Swarm.
    pub(crate) fn leader(&self) -> Option<usize> {
        let at = self.rafts.iter().position(|raft| !raft.forsaken)?;
        self.rafts[at].leader.filter(|n| self.quorate(at, *n))
    }

    /// Whether the record says that it lost its place.
    pub(crate) fn lost_its_place(&self, node: usize) -> bool {
        let id = &self.nodes[node].born.id;
        self.rafts.iter().any(|raft| raft.intent.retired.contains_key(id))
    }

    /// Whether a box that was taken out is out.
    pub(crate) fn is_out(&self, node: usize) -> bool {
        let disk = &self.nodes[node].disk;
        disk.out && disk.membership.is_none()
    }

    /// Whether those who tell a box of its end say that a person wanted it.
    pub(super) fn removed_by_a_person(&self, n: usize) -> bool {
        let retired = |raft: &super::world::Raft| {
            raft.intent.retired.get(&self.nodes[n].born.id).is_some_and(|gone| gone.removed)
        };
        self.told_that_retired(n) && self.rafts.iter().any(retired)
    }

    /// Whether a member that this node reaches says that it lost its place.
    pub(super) fn told_that_retired(&self, n: usize) -> bool {
        let node = &self.nodes[n];
        let deaf = self.deaf.contains(&n) || self.settings.fault == Some(Fault::NobodyIsTold);
        if deaf || !node.rings() {
            return false;
        }
        let cluster = node.disk.membership.as_ref().map(|m| &m.cluster);
        cluster.is_some()
            && (0..self.nodes.len()).any(|m| {
                let other = &self.nodes[m];
                let same = other.disk.membership.as_ref().map(|m| &m.cluster) == cluster;
                let strikes = other.disk.struck_off.contains(&node.born.id);
                m != n && same && strikes && other.rings() && self.reach(n, m)
            })
    }

    /// What the leader's record tells a worker.
    pub(super) fn retired_by(&self, raft: usize) -> BTreeSet<NodeId> {
        self.rafts[raft].intent.retired.keys().cloned().collect()
    }

    /// Nothing is left of who is gone, and whoever is there has a place.
    pub(super) fn check_cleared(&self) -> Result<(), String> {
        let here: BTreeSet<_> = (0..self.nodes.len()).filter(|n| !self.gone.contains(n)).collect();
        let name = |n: &usize| &self.nodes[*n].name;
        for raft in self.rafts.iter().filter(|raft| !raft.forsaken) {
            let seats: BTreeSet<_> = raft.seats.keys().copied().collect();
            if seats != here {
                return Err(format!(
                    "the Swarm lists {:?}",
                    seats.iter().map(name).collect::<Vec<_>>()
                ));
            }
            if raft.emptied.iter().any(|n| here.contains(n)) {
                return Err("a box that stays gets no tasks".into());
            }
            let known: BTreeSet<_> = raft.intent.boxes.values().map(|b| &b.name).collect();
            if known != here.iter().map(name).collect() {
                return Err(format!("the record knows {known:?}"));
            }
        }
        for n in &here {
            let pool = self.nodes[*n].disk.pool.map(|pool| &self.pools[pool]);
            if pool.is_some_and(|p| p.members.keys().any(|m| !here.contains(m))) {
                return Err("the pool has a member that is gone".into());
            }
            let volume = pool.and_then(|pool| pool.volume.as_ref());
            if volume.is_some_and(|v| v.nodes.iter().any(|b| !here.contains(b))) {
                return Err("the volume has a brick of a box that is gone".into());
            }
            // What one knows, gossip tells all of in the end; the model does not.
            let leads = self.rafts.iter().any(|raft| raft.leader == Some(*n));
            let view = self.nodes[*n].run.as_ref().and_then(|run| run.ring.as_ref());
            if leads && view.is_some_and(|v| v.others.keys().any(|o| !here.contains(o))) {
                return Err(format!("{} remembers who is gone", name(n)));
            }
        }
        Ok(())
    }
}
