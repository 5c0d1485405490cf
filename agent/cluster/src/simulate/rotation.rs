//! The ring's keys in the model: who understands whom, and the story of their
//! replacement. A key is a number; the site's first one is 0.

use super::act::Effect;
use super::gossip::{DETECTION, DISCOVERY};
use super::scenario::DEADLINE;
use super::{Event, Fault, Random, Simulation};
use crate::{KeyPrint, MemberStatus, RingKeys, RotationStage, ToldRotation, rotate};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// What a node's disk holds of them.
#[derive(Default)]
pub(super) struct Keys {
    /// The keyring: what it seals with, and what it reads besides.
    primary: u64,
    also: BTreeSet<u64>,
    /// The site's, and the one that seals the CA's key.
    site: u64,
    seal: u64,
    /// One that was made here.
    next: Option<u64>,
    /// Those that the site had before.
    former: BTreeSet<u64>,
}

impl Keys {
    pub(super) const fn changed(&self) -> bool {
        self.primary != self.site
    }

    pub(super) fn next_key(&self) -> Option<KeyPrint> {
        self.next.map(print)
    }

    /// Whether a key of this node opens the seal of the CA's key.
    pub(super) fn opens_seal(&self) -> bool {
        self.reads(self.seal) || self.site == self.seal
    }

    /// Seals the CA's key anew.
    pub(super) fn seal(&mut self) {
        self.seal = self.primary;
    }

    fn reads(&self, key: u64) -> bool {
        self.primary == key || self.also.contains(&key)
    }
}

/// Keys and CAs are numbers; this is how they are shown.
pub(super) fn print(key: u64) -> KeyPrint {
    KeyPrint(format!("{key:016x}"))
}

pub(super) fn number(key: &KeyPrint) -> Result<u64, &'static str> {
    u64::from_str_radix(&key.0, 16).map_err(|_| "no fingerprint")
}

impl Simulation {
    /// Whether each of two nodes reads what the other says.
    pub(super) fn understand(&self, a: usize, b: usize) -> bool {
        let (a, b) = (&self.nodes[a].disk.keys, &self.nodes[b].disk.keys);
        a.reads(b.primary) && b.reads(a.primary)
    }

    /// Whether another node on the segment tells that this one's key was replaced.
    pub(super) fn is_outdated(&self, n: usize) -> bool {
        let key = self.nodes[n].disk.keys.primary;
        let tells = |o: usize| {
            let had = self.nodes[o].disk.keys.former.contains(&key);
            had && o != n && self.reach(n, o) && self.nodes[o].rings()
        };
        let unsaid = self.settings.fault == Some(Fault::OldSiteGoesUnsaid);
        !unsaid && (0..self.nodes.len()).any(tells)
    }

    /// The keys that a node shows.
    pub(super) fn shown_keys(&self, n: usize) -> RingKeys {
        let keys = &self.nodes[n].disk.keys;
        let besides = std::iter::once(&keys.primary).chain(&keys.also);
        let mut also: BTreeSet<_> =
            besides.filter(|key| **key != keys.site).copied().map(print).collect();
        if self.settings.fault == Some(Fault::EveryBoxHasTheKey) {
            let made = self.rafts.iter().filter_map(|raft| raft.intent.ring.as_ref());
            also.extend(made.map(|ring| ring.key.clone()).filter(|key| *key != print(keys.site)));
        }
        RingKeys { uses: print(keys.site), also }
    }

    /// What managers tell a node that does not read the record itself.
    pub(super) fn told_rotation(&self, n: usize) -> Option<ToldRotation> {
        let raft = self.nodes[n].disk.raft?;
        let leader = self.rafts[raft].leader.filter(|leader| self.reach(n, *leader))?;
        let rotation = self.rafts[raft].intent.ring.clone()?;
        let at = [self.nodes[leader].born.address].into();
        Some(ToldRotation { rotation, at })
    }

    pub(super) fn take_key(&mut self, node: usize, key: &KeyPrint, via: &[IpAddr]) -> Effect {
        let key = number(key)?;
        let has = |n: usize| {
            let keys = &self.nodes[n].disk.keys;
            keys.reads(key) || keys.next == Some(key)
        };
        let fault = self.settings.fault == Some(Fault::NoKeyForWhoWasAway);
        let gives = |n: usize| has(n) && (!fault || self.understand(n, node));
        let had = if via.is_empty() { has(node) } else { self.answers(node, via).any(gives) };
        if !had {
            return Err("nobody gives the key");
        }
        self.nodes[node].disk.keys.also.insert(key);
        self.rekeyed(node);
        Ok(())
    }

    pub(super) fn use_key(&mut self, node: usize, key: &KeyPrint) -> Effect {
        let key = number(key)?;
        let keys = &mut self.nodes[node].disk.keys;
        if !keys.also.remove(&key) {
            return Err("it does not have the key");
        }
        keys.also.insert(std::mem::replace(&mut keys.primary, key));
        self.rekeyed(node);
        Ok(())
    }

    pub(super) fn adopt_key(&mut self, node: usize, half: bool) -> Effect {
        let keys = &mut self.nodes[node].disk.keys;
        if !keys.opens_seal() {
            return Err("the seal of the CA's key does not open");
        }
        keys.seal();
        if !half {
            keys.former.insert(std::mem::replace(&mut keys.site, keys.primary));
        }
        Ok(())
    }

    pub(super) fn drop_keys(&mut self, node: usize) -> Effect {
        let keys = &mut self.nodes[node].disk.keys;
        keys.also.clear();
        keys.next = None;
        self.rekeyed(node);
        Ok(())
    }

    /// Others find this node, or lose it.
    fn rekeyed(&mut self, node: usize) {
        for other in (0..self.nodes.len()).filter(|n| *n != node) {
            for (one, two) in [(node, other), (other, node)] {
                if self.understand(one, two) {
                    self.after(DISCOVERY, Event::Hear { to: one, about: two });
                } else {
                    self.after(DETECTION, Event::Miss { by: one, about: two });
                }
            }
        }
    }

    /// The others that a node sees alive, and has for a moment: whom it saw only while it
    /// wrote, it could not wait for.
    pub(super) fn seen_alive(&self, node: usize) -> impl Iterator<Item = usize> {
        let view = self.nodes[node].run.as_ref().and_then(|run| run.ring.as_ref());
        let before = self.now.saturating_sub(2_000);
        let seen = view.filter(|view| view.changed_at < before);
        let seen = seen.into_iter().flat_map(|view| &view.others);
        seen.filter(|(_, (status, _))| *status == MemberStatus::Alive).map(|(n, _)| *n)
    }

    /// The record must not go on before those have followed that the leader sees.
    pub(super) fn keys_may_go_on(&mut self, leader: usize) {
        let Some(raft) = self.nodes[leader].disk.raft.map(|raft| &self.rafts[raft]) else { return };
        let Some((ring, key)) =
            raft.intent.ring.as_ref().and_then(|r| Some((r, number(&r.key).ok()?)))
        else {
            return;
        };
        let stage = ring.stage;
        let behind = self.seen_alive(leader).find(|n| {
            let keys = &self.nodes[*n].disk.keys;
            match stage {
                RotationStage::Spread => false,
                RotationStage::Use => !keys.reads(key),
                RotationStage::Only => keys.primary != key,
            }
        });
        let Some(behind) = behind else { return };
        let name = self.nodes[behind].name.clone();
        self.breaks(match stage {
            RotationStage::Only => format!("the old key is forgotten while {name} uses it"),
            _ => format!("the new key is used while {name} does not have it"),
        });
    }

    /// A person asks the leader, if there is one, for another key.
    fn ask_for_a_key(&mut self) -> Result<(), String> {
        let leader = self.leader().ok_or("nobody leads")?;
        self.keys_made += 1;
        let fresh = self.keys_made;
        let observed = self.observe(leader);
        let (target, next) = rotate(&observed, &self.settings.wanted, &print(fresh));
        if let Some(why) = target.refused {
            return Err(why);
        }
        self.say(None, || "a person asks for another ring key".into());
        self.nodes[leader].disk.keys.next = Some(fresh);
        let index = observed.swarm.and_then(|swarm| swarm.index);
        self.write_record(leader, &next.ok_or("nothing came of it")?, index)?;
        self.touch();
        Ok(())
    }

    /// Everybody has the newest key and no other.
    pub(super) fn check_keys(&self) -> Result<(), String> {
        let made = self.rafts.iter().find_map(|raft| raft.intent.ring.as_ref());
        let Some(ring) = made else { return Ok(()) };
        if ring.stage != RotationStage::Only {
            return Err(format!("the ring's key is still in stage {:?}", ring.stage));
        }
        let here = self.nodes.iter().enumerate().filter(|(n, _)| !self.gone.contains(n));
        for (_, node) in here {
            let keys = &node.disk.keys;
            let all = [keys.primary, keys.site, keys.seal];
            let seal = node.disk.ca_key.is_some();
            if all.iter().take(2 + usize::from(seal)).any(|key| print(*key) != ring.key) {
                return Err(format!("{} has another ring key", node.name));
            }
            if !keys.also.is_empty() {
                return Err(format!("{} has not forgotten the old ring key", node.name));
            }
        }
        Ok(())
    }
}

/// A person asks for something that every box has to follow, and some are away; what else
/// comes in the midst of it is `meanwhile`.
pub(super) fn while_some_are_away(
    sim: &mut Simulation,
    nodes: usize,
    dice: &mut Random,
    ask: impl FnOnce(&mut Simulation) -> Result<(), String>,
    meanwhile: impl FnOnce(&mut Simulation) -> Result<(), String>,
) -> Result<(), String> {
    // Away from before it begins until after it is over, or for a moment of it.
    let away: BTreeSet<_> = (0..dice.between(0, 2)).map(|_| dice.one_of(nodes)).collect();
    let early = dice.permille(600);
    if early {
        away.iter().for_each(|node| sim.power_off(*node));
        sim.hold(dice.between(20_000, 60_000), &[])?;
        if sim.leader().is_none() {
            // Those who are left have no quorum.
            away.iter().for_each(|node| sim.power_on_at(*node, sim.now));
        }
    }
    sim.until(DEADLINE, |sim| sim.leader().is_some_and(|n| sim.nodes[n].rings()))?;
    if let Err(why) = ask(sim) {
        sim.say(None, || format!("refused: {why}"));
    }
    sim.hold(dice.between(0, 20_000), &[])?;
    meanwhile(sim)?;
    if !early {
        away.iter().for_each(|node| sim.power_off(*node));
    }
    if dice.permille(300)
        && let Some(leader) = sim.leader()
    {
        sim.power_off(leader);
        sim.power_on_at(leader, sim.now + dice.between(5_000, 90_000));
    }
    if dice.permille(200) {
        sim.crash(dice.one_of(nodes));
    }
    sim.hold(dice.between(0, 180_000), &[])?;
    away.iter().for_each(|node| sim.power_on_at(*node, sim.now));
    Ok(())
}

/// The ring's key is replaced while some are away.
pub(super) fn replaced(
    sim: &mut Simulation,
    nodes: usize,
    dice: &mut Random,
) -> Result<(), String> {
    let (cuts, fresh, stale) = (sim.settings.cuts, nodes, nodes + 1);
    sim.settings.cuts = 0;
    sim.gone = [fresh, stale].into();
    sim.form(nodes, dice)?;
    sim.settings.cuts = cuts;
    for _ in 0..=usize::from(dice.permille(400)) {
        while_some_are_away(sim, nodes, dice, Simulation::ask_for_a_key, |_| Ok(()))?;
        if dice.permille(500) {
            sim.settle(DEADLINE)?;
        }
    }
    sim.settle(DEADLINE)?;
    // A fresh box, from a stick that was made after all this.
    let key = sim.nodes[0].disk.keys.primary;
    let keys = Keys { primary: key, site: key, seal: key, ..Keys::default() };
    sim.settings.cuts = 0;
    sim.nodes[fresh].disk.keys = keys;
    sim.gone = [stale].into();
    sim.power_on_at(fresh, sim.now);
    sim.settle(DEADLINE)?;
    // And one from an old stick, unless no key came of it all.
    if key == 0 {
        return Ok(());
    }
    sim.power_on_at(stale, sim.now);
    sim.hold(2 * sim.settings.wanted.alone_ms, &[])?;
    match &sim.nodes[stale].disk.membership {
        Some(_) => Err("a box with the old site founded a cluster apart".into()),
        None => Ok(()),
    }
}
