//! The cluster's CA in the model: who takes whose certificates, and the story of its
//! replacement. A CA is a number; the one of the founding is 0.

use super::act::Effect;
use super::rotation::{number, print, while_some_are_away};
use super::scenario::DEADLINE;
use super::{Fault, Random, Simulation};
use crate::{Cas, ClusterId, KeyPrint, RotationStage, Succession, Successor, succeed};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// What a node's disk holds of them.
#[derive(Default)]
pub(super) struct Authorities {
    /// The one that signs.
    signs: u64,
    /// Others whose certificates it takes.
    also: BTreeSet<u64>,
    /// The one that issued its certificate.
    shows: u64,
    /// The one whose key it has and that does not sign yet.
    next: Option<u64>,
}

impl Authorities {
    fn trusts(&self, ca: u64) -> bool {
        self.signs == ca || self.also.contains(&ca)
    }
}

impl Simulation {
    /// Whether each of two nodes takes the other's certificate, if both have one of the
    /// same cluster.
    pub(super) fn verify(&self, a: usize, b: usize) -> bool {
        let (a, b) = (&self.nodes[a].disk, &self.nodes[b].disk);
        let both = a.certificate.is_some() && a.certificate == b.certificate;
        let takes = a.cas.trusts(b.cas.shows) && b.cas.trusts(a.cas.shows);
        !both || takes
    }

    /// What a node shows of them.
    pub(super) fn shown_cas(&self, n: usize) -> Option<Cas> {
        let disk = &self.nodes[n].disk;
        disk.certificate.as_ref()?;
        let cas = &disk.cas;
        let all = std::iter::once(cas.signs).chain(cas.also.iter().copied());
        let mut also: BTreeSet<_> = all.filter(|ca| *ca != cas.shows).map(print).collect();
        let mut next = cas.next.map(print);
        if self.settings.fault == Some(Fault::EveryBoxTrustsTheCa) {
            let made = self.rafts.iter().filter_map(|raft| raft.intent.ca.as_ref());
            for ca in made.map(|ca| &ca.ca).filter(|ca| **ca != print(cas.shows)) {
                also.insert(ca.clone());
                next = Some(ca.clone());
            }
        }
        Some(Cas { shows: print(cas.shows), also, next })
    }

    pub(super) fn signs_by(&self, n: usize) -> Option<KeyPrint> {
        self.nodes[n].disk.certificate.as_ref().map(|_| print(self.nodes[n].disk.cas.signs))
    }

    /// What managers tell a node that does not read the record itself.
    pub(super) fn told_succession(&self, n: usize) -> Option<Succession> {
        let raft = self.nodes[n].disk.raft?;
        let leader = self.rafts[raft].leader.filter(|l| self.reach(n, *l) && self.verify(n, *l))?;
        self.rafts[self.nodes[leader].disk.raft?].intent.ca.clone()
    }

    /// A CA is taken only if one that is trusted vouches for it.
    fn vouched_for(&self, node: usize, ca: u64) -> bool {
        let by = self.cas_made.get(&ca).copied();
        by.is_some_and(|by| self.nodes[node].disk.cas.trusts(by))
    }

    pub(super) fn trust_ca(&mut self, node: usize, ca: &KeyPrint) -> Effect {
        let ca = number(ca)?;
        if !self.nodes[node].disk.cas.trusts(ca) {
            if !self.vouched_for(node, ca) {
                return Err("nobody vouches for it");
            }
            self.nodes[node].disk.cas.also.insert(ca);
        }
        Ok(())
    }

    pub(super) fn fetch_next(&mut self, node: usize, ca: &KeyPrint, via: &[IpAddr]) -> Effect {
        let ca = number(ca)?;
        let has = |n: usize| self.nodes[n].disk.cas.next == Some(ca);
        self.answers(node, via).find(|n| has(*n)).ok_or("nobody gives the key")?;
        self.nodes[node].disk.cas.next = Some(ca);
        Ok(())
    }

    pub(super) fn sign_by(&mut self, node: usize, ca: &KeyPrint) -> Effect {
        let ca = number(ca)?;
        let disk = &mut self.nodes[node].disk;
        if !disk.cas.trusts(ca) {
            return Err("it does not trust it");
        }
        if disk.cas.signs != ca {
            let before = std::mem::replace(&mut disk.cas.signs, ca);
            disk.cas.also.remove(&ca);
            disk.cas.also.insert(before);
            disk.ca_key = disk.ca.clone().filter(|_| disk.cas.next == Some(ca));
            disk.cas.next = None;
        }
        Ok(())
    }

    pub(super) fn trust_only(&mut self, node: usize, ca: &KeyPrint) -> Effect {
        let ca = number(ca)?;
        let cas = &mut self.nodes[node].disk.cas;
        if cas.signs != ca {
            return Err("another one signs");
        }
        cas.also.clear();
        cas.next = None;
        Ok(())
    }

    pub(super) fn renew(&mut self, node: usize, via: &[IpAddr]) -> Effect {
        let own = self.nodes[node].disk.cas.signs;
        let ca = self.nodes[node].disk.ca.clone();
        let signs = |n: usize| {
            let disk = &self.nodes[n].disk;
            ca.is_some() && disk.ca_key == ca && disk.cas.signs == own
        };
        let signed = if via.is_empty() { signs(node) } else { self.answers(node, via).any(signs) };
        if !signed {
            return Err("nobody signs");
        }
        self.nodes[node].disk.cas.shows = own;
        Ok(())
    }

    /// What an enrolment brings: the CAs of the member, unless this node belongs to the
    /// same cluster already and its own CA does not vouch for them.
    pub(super) fn enrolled(&mut self, node: usize, by: usize, cluster: &ClusterId) -> Effect {
        let (signs, also) = {
            let cas = &self.nodes[by].disk.cas;
            (cas.signs, cas.also.clone())
        };
        let disk = &self.nodes[node].disk;
        let belongs = disk.ca.as_ref() == Some(cluster);
        if belongs && !disk.cas.trusts(signs) && !self.vouched_for(node, signs) {
            return Err("nobody vouches for its CA");
        }
        let disk = &mut self.nodes[node].disk;
        if !belongs || disk.cas.signs != signs {
            disk.ca_key = None;
        }
        disk.cas = Authorities { signs, also, shows: signs, next: None };
        // It knows what that one knows.
        if self.left_behind.contains(&by) {
            self.left_behind.insert(node);
        }
        Ok(())
    }

    /// The record must not go on before those have followed that the leader sees.
    pub(super) fn cas_may_go_on(&mut self, leader: usize) {
        let Some(raft) = self.nodes[leader].disk.raft else { return };
        let Some(succession) = self.rafts[raft].intent.ca.clone() else { return };
        let Ok(ca) = number(&succession.ca) else { return };
        let seen: BTreeSet<_> = self.seen_alive(leader).chain([leader]).collect();
        let follows = |n: usize| {
            let cas = &self.nodes[n].disk.cas;
            match succession.stage {
                RotationStage::Spread => true,
                RotationStage::Use => cas.trusts(ca),
                RotationStage::Only => cas.shows == ca,
            }
        };
        let cluster = self.nodes[leader].disk.ca.clone();
        let of_it = |n: &usize| cluster.is_some() && self.nodes[*n].disk.ca == cluster;
        let behind: Vec<_> = (0..self.nodes.len()).filter(of_it).filter(|n| !follows(*n)).collect();
        for n in behind {
            // One that is half in is no member yet.
            if seen.contains(&n) && self.nodes[n].disk.membership.is_some() {
                let name = self.nodes[n].name.clone();
                self.breaks(format!("the CA goes on while {name} does not follow"));
            }
            self.left_behind.insert(n);
        }
    }

    /// No two members that were not away refuse each other.
    pub(super) fn members_verify(&mut self) {
        let raft = self.rafts.iter().find(|raft| raft.intent.ca.is_some());
        let Some(succession) = raft.and_then(|raft| raft.intent.ca.clone()) else { return };
        let Ok(ca) = number(&succession.ca) else { return };
        let caught_up = |n: &usize| {
            let cas = &self.nodes[*n].disk.cas;
            cas.trusts(ca) && (succession.stage == RotationStage::Spread || cas.shows == ca)
        };
        let behind: BTreeSet<_> =
            self.left_behind.iter().copied().filter(|n| !caught_up(n)).collect();
        let belongs = |n: &usize| self.nodes[*n].disk.membership.is_some() && !behind.contains(n);
        let all: Vec<_> = (0..self.nodes.len()).filter(|n| !self.gone.contains(n)).collect();
        let all: Vec<_> = all.into_iter().filter(belongs).collect();
        let refused = all.iter().flat_map(|a| all.iter().map(move |b| (*a, *b)));
        let refused = refused.filter(|(a, b)| a < b).find(|(a, b)| !self.verify(*a, *b));
        self.left_behind = behind;
        if let Some((a, b)) = refused {
            let (a, b) = (self.nodes[a].name.clone(), self.nodes[b].name.clone());
            self.breaks(format!("{a} and {b} refuse each other's certificates"));
        }
    }

    /// A person asks the leader, if there is one, for another CA. Whoever holds the key
    /// mints it.
    fn ask_for_a_ca(&mut self) -> Result<(), String> {
        let leader = self.leader().ok_or("nobody leads")?;
        let observed = self.observe(leader);
        let fresh = u64::try_from(self.cas_made.len()).unwrap_or(0) + 1;
        let minted = Successor { ca: print(fresh).0, ..Successor::default() };
        let (target, next) = succeed(&observed, &self.settings.wanted, &minted);
        if let Some(why) = target.refused {
            return Err(why);
        }
        let signs = |n: &usize| {
            let disk = &self.nodes[*n].disk;
            disk.ca.is_some() && disk.ca_key == disk.ca && self.nodes[*n].run.is_some()
        };
        let near = |n: &usize| self.reach(leader, *n) && self.verify(leader, *n);
        let own = std::iter::once(leader).chain(0..self.nodes.len());
        let minter = own.filter(|n| near(n)).find(signs).ok_or("nobody signs")?;
        self.say(None, || "a person asks for another CA".into());
        self.cas_made.insert(fresh, self.nodes[minter].disk.cas.signs);
        self.nodes[minter].disk.cas.next = Some(fresh);
        let index = observed.swarm.and_then(|swarm| swarm.index);
        self.write_record(leader, &next.ok_or("nothing came of it")?, index)?;
        self.touch();
        Ok(())
    }

    /// Everybody has a certificate of the newest CA, and trusts no other.
    pub(super) fn check_cas(&self) -> Result<(), String> {
        let made = self.rafts.iter().find_map(|raft| raft.intent.ca.as_ref());
        let Some(succession) = made else { return Ok(()) };
        if succession.stage != RotationStage::Only {
            return Err(format!("the CA is still in stage {:?}", succession.stage));
        }
        for (_, node) in self.nodes.iter().enumerate().filter(|(n, _)| !self.gone.contains(n)) {
            let cas = &node.disk.cas;
            if [cas.signs, cas.shows].iter().any(|ca| print(*ca) != succession.ca) {
                return Err(format!("{} has a certificate of another CA", node.name));
            }
            if !cas.also.is_empty() || cas.next.is_some() {
                return Err(format!("{} has not forgotten the CA before", node.name));
            }
        }
        Ok(())
    }
}

/// The CA is replaced while some are away.
pub(super) fn replaced(
    sim: &mut Simulation,
    nodes: usize,
    dice: &mut Random,
) -> Result<(), String> {
    let (cuts, fresh) = (sim.settings.cuts, nodes);
    sim.settings.cuts = 0;
    sim.gone = [fresh].into();
    sim.form(nodes, dice)?;
    sim.settings.cuts = cuts;
    let comes = dice.permille(500);
    for round in 0..=usize::from(dice.permille(300)) {
        // A fresh box comes in the middle of it. (One that is switched on while all others
        // are off founds a cluster.)
        let fresh_one = |sim: &mut Simulation| {
            if comes && round == 0 && (0..nodes).any(|n| sim.is_on(n)) {
                sim.settings.cuts = 0;
                sim.gone.clear();
                sim.power_on_at(fresh, sim.now);
                sim.until(DEADLINE, |sim| sim.cluster_of(fresh).is_some())?;
                sim.settings.cuts = cuts;
            }
            Ok(())
        };
        while_some_are_away(sim, nodes, dice, Simulation::ask_for_a_ca, fresh_one)?;
        // A box that missed two of them is let in by nobody.
        sim.settle(DEADLINE)?;
    }
    sim.settings.cuts = 0;
    if sim.gone.remove(&fresh) {
        sim.power_on_at(fresh, sim.now);
    }
    sim.settle(DEADLINE)
}
