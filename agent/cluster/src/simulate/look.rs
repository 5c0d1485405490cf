//! What a node of the model observes, in the words of the real one.

use super::world::Bricks;
use super::{Fault, Simulation};
use crate::{
    Availability, Brick, Daemon, DataPartition, DataStanding, Disk, Look, MemberStatus, Observed,
    Part, Peer, Pki, Place, Record, Repair, Ring, RingMember, Silent, Stack, Storage, Swarm,
    SwarmLocal, SwarmNode, SwarmRole, Tags, Unmounted, Volume,
};
use std::collections::{BTreeMap, BTreeSet};

/// The wall clock when the world begins.
pub(super) const EPOCH: u64 = 1_790_000_000;

/// After how many milliseconds a mount gives up a brick that does not answer.
const GIVEN_UP: u64 = 10_000;

impl Simulation {
    pub(super) fn observe(&self, n: usize) -> Observed {
        let node = &self.nodes[n];
        let disk = &node.disk;
        Observed {
            now_ms: self.now,
            site: true,
            witness: self.settings.witnesses.contains(&n),
            identity: disk.identity.then(|| node.born.clone()),
            membership: disk.membership.clone(),
            ring: self.observe_ring(n),
            pki: Pki {
                ca: disk.ca.is_some(),
                certificate: disk.certificate.is_some() && disk.certificate == disk.ca,
                renewal_due: false,
                ring_key_changed: disk.keys.changed(),
                ring_keys: Some(self.shown_keys(n)),
                next_key: disk.keys.next_key(),
                told_rotation: self.told_rotation(n),
                cas: self.shown_cas(n),
                signs_by: self.signs_by(n),
                told_succession: self.told_succession(n),
                ca_key: disk.ca_key.is_some() && disk.ca_key == disk.ca && disk.keys.opens_seal(),
                struck_off: disk.struck_off.clone(),
            },
            storage: self.observe_storage(n),
            mounted: self.mounted(n),
            swarm: self.observe_swarm(n),
            looks: self.looks(n),
            disks: vec![Disk { name: "data".into(), size: 1 << 40, used_percent: 20 }],
            data: DataPartition {
                unmounted: disk.gone.then(|| Unmounted {
                    standing: DataStanding::Gone,
                    why: "no superblock".into(),
                }),
                repaired: disk.repaired.then_some(Repair { log_dropped: true, torn: 0 }),
            },
            long_logs: false,
            full: disk.full && self.settings.fault != Some(Fault::NobodySaysFull),
            cpu_pressure: 0,
            place: Place { carrier_ms: self.carrier_ms(n), ..Place::default() },
            clock: self.clock(n),
            retired: self.told_that_retired(n),
            removed: self.removed_by_a_person(n),
            out: disk.out,
            files: self.files(n),
            yields: disk.yields.clone(),
            goes_down: node.run.as_ref().is_some_and(|run| run.goes_down.is_some()),
            handed_over: disk.handed_over,
            left_behind: disk.pair.word.as_ref().map(|(left, _)| left.clone()),
            said_since_boot: disk.pair.word.as_ref().is_some_and(|(_, boot)| *boot == node.boots),
            both_seen: self.both_seen(n),
            seat: disk.pair.seat.as_ref().map(super::alone::Seat::at),
        }
    }

    /// For how long the cable has been in, as far as the agent that runs now saw it.
    fn carrier_ms(&self, n: usize) -> Option<u64> {
        let looks_since = self.nodes[n].run.as_ref()?.looks_since.unwrap_or(self.now);
        let since = self.nodes[n].cable_since.filter(|since| *since <= self.now)?;
        if self.settings.fault == Some(Fault::NobodyIsLookedFor)
            && self.nodes[n].disk.pair.stale.is_some()
        {
            return Some(u64::from(u32::MAX));
        }
        Some(self.now - since.max(looks_since))
    }

    /// Daemons that run and do not answer.
    fn looks(&self, n: usize) -> BTreeMap<Part, Look> {
        let hung = self.nodes[n].run.iter().flat_map(|run| &run.hung);
        let look = |(daemon, since_ms): (&Daemon, &u64)| {
            let silent = Silent { since_ms: *since_ms, why: "time is up".into(), runs: true };
            (daemon.part(), Look { at_ms: self.now, silent: Some(silent) })
        };
        hung.map(look).chain(self.look_at_clients(n)).collect()
    }

    fn observe_ring(&self, n: usize) -> Option<Ring> {
        let view = self.nodes[n].run.as_ref()?.ring.as_ref()?;
        let mut members = vec![self.member(n, MemberStatus::Alive, &view.tags)];
        members
            .extend(view.others.iter().map(|(o, (status, tags))| self.member(*o, *status, tags)));
        let quiet_ms = self.now - view.changed_at;
        let hasty = self.settings.fault == Some(Fault::NobodyIsLookedFor)
            && self.nodes[n].disk.pair.stale.is_some();
        let quiet_ms = if hasty { u64::from(u32::MAX) } else { quiet_ms };
        let outdated = self.is_outdated(n);
        Some(Ring { members, quiet_ms, outdated })
    }

    fn member(&self, n: usize, status: MemberStatus, tags: &Tags) -> RingMember {
        RingMember {
            id: Some(tags.id.clone()),
            name: self.nodes[n].name.clone(),
            address: self.nodes[n].born.address,
            status,
            cluster: tags.cluster.clone(),
            storage_open: tags.storage_open,
            ca_key: tags.ca_key,
            swarm: tags.swarm,
            witness: tags.witness,
            full: tags.full,
            keys: tags.keys.clone(),
            cas: tags.cas.clone(),
            keeps: tags.keeps,
            yields: tags.yields.clone(),
            hand: tags.hand,
            left: tags.left.clone(),
        }
    }

    fn observe_storage(&self, n: usize) -> Option<Storage> {
        let node = &self.nodes[n];
        let pool_id = node.disk.pool.filter(|_| node.stores())?;
        let pool = &self.pools[pool_id];
        let peer = |(m, in_cluster): (&usize, &bool)| Peer {
            address: self.nodes[*m].born.address,
            connected: self.nodes[*m].stores() && self.reach(n, *m),
            in_cluster: *in_cluster,
        };
        if let Some(stale) = node.disk.pair.stale.as_deref() {
            let others = stale.nodes.iter().filter(|m| **m != n);
            let peer = |m: &usize| Peer {
                address: self.nodes[*m].born.address,
                connected: false,
                in_cluster: true,
            };
            return Some(Storage {
                peers: others.map(peer).collect(),
                volume: Some(self.alone_in_it(n, self.observe_volume(n, stale))),
            });
        }
        Some(Storage {
            peers: pool.members.iter().filter(|(m, _)| **m != n).map(peer).collect(),
            volume: pool.volume.as_ref().map(|v| self.observe_volume(n, v)),
        })
    }

    fn observe_volume(&self, n: usize, volume: &Bricks) -> Volume {
        // A brick is known by its node's storage daemon, which takes one that hangs for one
        // that serves; a mount gives it up after a while.
        let runs = |b: usize| {
            let node = &self.nodes[b];
            volume.started && node.stores() && node.has_brick() && self.reach(n, b)
        };
        let mounts = self.nodes[n].run.as_ref().is_some_and(|run| run.mounted);
        let silent = |b: usize| {
            let since = self.nodes[b].run.as_ref().and_then(|run| run.hung.get(&Daemon::Bricks));
            let given_up = since.is_some_and(|since| self.now - since >= GIVEN_UP);
            mounts && runs(b) && (given_up || self.has_lost(n, b))
        };
        let online = |b: usize| runs(b) && !silent(b);
        let copies = volume.nodes.len();
        let terms = volume.terms(n);
        let brick = |b: &usize| Brick {
            address: self.nodes[*b].born.address,
            online: online(*b),
            arbiter: volume.arbiter == Some(*b),
        };
        // What a repair cost, no other brick knows of; nor what one lacks that was begun anew
        // and cut.
        let known = |b: &usize| !(self.nodes[*b].disk.repaired || self.nodes[*b].disk.hollow);
        let told = volume.lacks.iter().filter(|(b, _)| known(b));
        let heals: u64 = told.map(|(_, lacks)| lacks.len() as u64).sum();
        let heals = heals + volume.torn.len() as u64;
        let heals = if self.settings.fault == Some(Fault::HealIsOver) { 0 } else { heals };
        let lacks = |b: &usize| {
            let some = volume.lacks.get(b).is_some_and(|lacks| !lacks.is_empty());
            self.nodes[*b].disk.repaired || (known(b) && some)
        };
        let honest = self.settings.fault != Some(Fault::EveryCopyIsWhole);
        let behind = volume.nodes.iter().filter(|b| honest && online(**b) && lacks(b));
        let behind = behind.map(|b| self.nodes[*b].born.address);
        Volume {
            started: volume.started,
            replicas: u8::try_from(volume.set_size()).unwrap_or(u8::MAX),
            tls: volume.tuned_for > 0,
            tuned: volume.tuned_for == volume.set_size() && terms.either == (terms.turn % 2 == 1),
            bricks: volume.nodes.iter().map(brick).collect(),
            silent: volume
                .nodes
                .iter()
                .filter(|b| silent(**b))
                .map(|b| self.nodes[*b].born.address)
                .collect(),
            emptied: self.nodes[n].disk.emptied && !self.nodes[n].disk.gone,
            torn: self.torn_at(n),
            // A brick that is away cannot say.
            pending_heals: (copies > 1
                && volume.started
                && volume.nodes.iter().all(|b| online(*b)))
            .then_some(heals),
            healers_down: Vec::new(),
            behind: (self.settings.fault != Some(Fault::WitnessIsNotAsked))
                .then(|| behind.collect()),
            spread: volume.spread,
            rebalance: self.observe_rebalance(n, volume),
            admits: volume.admits.clone(),
            turn: terms.turn,
        }
    }

    /// Mounted, and enough bricks run for it to answer.
    pub(super) fn mounted(&self, n: usize) -> bool {
        let volume = self.volume_at(n);
        let stale = self.nodes[n].disk.pair.stale.is_some();
        let serves = |b: &usize| {
            let heard = self.nodes[*b].serves() && self.reach(n, *b) && !self.has_lost(n, *b);
            heard && (!stale || *b == n)
        };
        let started = volume.into_iter().filter(|v| v.started);
        let online: Vec<_> = started.flat_map(|v| &v.nodes).copied().filter(serves).collect();
        let answers = |set: &[usize]| {
            let online = set.iter().filter(|b| online.contains(b)).count();
            online >= if set.len() > 2 { 2 } else { 1 }
        };
        let name = &self.nodes[n].name;
        let let_in = |v: &Bricks| v.admits.as_ref().is_none_or(|names| names.contains(name));
        volume.is_some_and(|v| let_in(v) && !v.nodes.is_empty() && v.sets().all(answers))
            && self.nodes[n].run.as_ref().is_some_and(|run| run.mounted)
    }

    /// A worker asks the managers how it stands.
    pub(super) fn ask_managers(&mut self, n: usize) {
        let raft = self.nodes[n].disk.raft;
        let heard = raft.is_none_or(|raft| self.told(raft, n));
        let now = self.now;
        if let Some(run) = &mut self.nodes[n].run {
            run.unheard = (!heard).then(|| run.unheard.unwrap_or(now));
        }
    }

    /// Whether this node can know what the managers hold of it: any manager
    /// with a leader can tell.
    pub(super) fn told(&self, raft: usize, n: usize) -> bool {
        self.rafts[raft].leader.is_some_and(|leader| self.reach(n, leader))
    }

    fn observe_swarm(&self, n: usize) -> Option<Swarm> {
        if !self.nodes[n].engine() {
            return None;
        }
        let limbo = self.nodes[n].run.as_ref().and_then(|run| run.limbo);
        if let Some(since) = limbo {
            let local = SwarmLocal::Pending;
            return Some(Swarm { local, limbo_ms: self.now - since, ..Swarm::default() });
        }
        let Some(raft_id) = self.nodes[n].disk.raft else { return Some(Swarm::default()) };
        let raft = &self.rafts[raft_id];
        let manager = raft.seats.get(&n) == Some(&SwarmRole::Manager);
        let told = manager && self.told(raft_id, n);
        let node = |m: usize, role: SwarmRole, ghost: Option<&String>| SwarmNode {
            id: ghost.cloned().unwrap_or_else(|| format!("seat-{m}")),
            name: self.nodes[m].name.clone(),
            address: Some(self.nodes[m].born.address),
            up: ghost.is_none()
                && self.nodes[m].engine()
                && self.reach(n, m)
                && !raft.disowned.contains_key(&m),
            manager: role == SwarmRole::Manager,
            reachable: ghost.is_none()
                && role == SwarmRole::Manager
                && self.nodes[m].engine()
                && self.reach(n, m),
            leader: ghost.is_none() && raft.leader == Some(m),
            availability: if ghost.is_none() && raft.emptied.contains(&m) {
                Availability::Leaving
            } else if ghost.is_none() && raft.voting.contains(&m) {
                Availability::Voting
            } else {
                Availability::Active
            },
            tasks: 0,
        };
        let seats = raft.seats.iter().map(|(m, role)| node(*m, *role, None));
        let ghosts = raft.ghosts.iter().map(|(id, (m, role))| node(*m, *role, Some(id)));
        let stack = |(name, whole): (&String, &bool)| Stack {
            name: name.clone(),
            digest: whole.then(|| super::CONTENT.to_owned()),
            services: 1 + u32::from(*whole),
            of: 2,
            running: 0,
            desired: 0,
        };
        Some(Swarm {
            local: SwarmLocal::Active,
            manager,
            leader: raft.leader == Some(n),
            nodes: if told { seats.chain(ghosts).collect() } else { Vec::new() },
            stacks: if told { raft.stacks.iter().map(stack).collect() } else { Vec::new() },
            disowned_ms: match raft.disowned.get(&n) {
                Some(since) if self.told(raft_id, n) => self.now - since,
                _ => 0,
            },
            unheard_ms: self.nodes[n]
                .run
                .as_ref()
                .and_then(|run| run.unheard)
                .map_or(0, |since| (self.now - since).max(1)),
            limbo_ms: 0,
            index: told.then_some(raft.index),
            record: if told { Record::Known(raft.intent.clone()) } else { Record::Unknown },
            told_leaving: false,
            manager_less_ms: None,
            of_people: self.of_people(n),
            misplaced: raft.misplaced == Some(n),
            told_retired: if self.told(raft_id, n) && !manager {
                self.retired_by(raft_id)
            } else {
                BTreeSet::new()
            },
        })
    }
}
