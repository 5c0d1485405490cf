//! What a node of the model observes, in the words of the real one.

use super::Simulation;
use super::world::Bricks;
use crate::{
    Brick, Clock, MemberStatus, Observed, Peer, Pki, Place, Ring, RingMember, Storage, Swarm,
    SwarmLocal, SwarmNode, SwarmRole, Tags, Volume,
};

impl Simulation {
    pub(super) fn observe(&self, n: usize) -> Observed {
        let node = &self.nodes[n];
        let disk = &node.disk;
        Observed {
            now_ms: self.now,
            site: true,
            identity: disk.identity.then(|| node.born.clone()),
            membership: disk.membership.clone(),
            ring: self.observe_ring(n),
            pki: Pki {
                ca: disk.ca.is_some(),
                certificate: disk.certificate.is_some() && disk.certificate == disk.ca,
                renewal_due: false,
                ring_key_changed: false,
                ca_key: disk.ca_key.is_some() && disk.ca_key == disk.ca,
            },
            storage: self.observe_storage(n),
            mounted: self.mounted(n),
            swarm: self.observe_swarm(n),
            place: Place { carrier_ms: self.carrier_ms(n), ..Place::default() },
            clock: Clock::default(),
        }
    }

    /// For how long the cable has been in.
    fn carrier_ms(&self, n: usize) -> Option<u64> {
        self.nodes[n].cable_since.filter(|since| *since <= self.now).map(|since| self.now - since)
    }

    fn observe_ring(&self, n: usize) -> Option<Ring> {
        let view = self.nodes[n].run.as_ref()?.ring.as_ref()?;
        let mut members = vec![self.member(n, MemberStatus::Alive, &view.tags)];
        members
            .extend(view.others.iter().map(|(o, (status, tags))| self.member(*o, *status, tags)));
        Some(Ring { members, quiet_ms: self.now - view.changed_at })
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
        }
    }

    fn observe_storage(&self, n: usize) -> Option<Storage> {
        let pool_id = self.nodes[n].disk.pool.filter(|_| self.nodes[n].stores())?;
        let pool = &self.pools[pool_id];
        let peer = |(m, in_cluster): (&usize, &bool)| Peer {
            address: self.nodes[*m].born.address,
            connected: self.nodes[*m].stores() && self.reach(n, *m),
            in_cluster: *in_cluster,
        };
        Some(Storage {
            peers: pool.members.iter().filter(|(m, _)| **m != n).map(peer).collect(),
            volume: pool.volume.as_ref().map(|v| self.observe_volume(n, v)),
        })
    }

    fn observe_volume(&self, n: usize, volume: &Bricks) -> Volume {
        let online = |b: usize| volume.started && self.nodes[b].stores() && self.reach(n, b);
        let copies = volume.nodes.len();
        let heals = volume.lacks.values().map(|l| l.len() as u64).sum();
        Volume {
            started: volume.started,
            replicas: u8::try_from(copies).unwrap_or(u8::MAX),
            tls: volume.tuned_for > 0,
            tuned: volume.tuned_for == copies,
            bricks: volume
                .nodes
                .iter()
                .map(|b| Brick { address: self.nodes[*b].born.address, online: online(*b) })
                .collect(),
            pending_heals: (copies > 1 && volume.started).then_some(heals),
        }
    }

    /// Mounted, and enough bricks run for it to answer.
    pub(super) fn mounted(&self, n: usize) -> bool {
        let Some(pool) = self.nodes[n].disk.pool else { return false };
        let bricks = self.pools[pool].volume.as_ref().map_or(0, |v| v.nodes.len());
        let online = self.online(pool).iter().filter(|b| self.reach(n, **b)).count();
        let answers = online >= if bricks > 2 { 2 } else { 1 };
        answers && self.nodes[n].run.as_ref().is_some_and(|run| run.mounted)
    }

    /// Whether this node can know what the managers hold of it: any manager
    /// with a leader can tell.
    fn told(&self, raft: usize, n: usize) -> bool {
        self.rafts[raft].leader.is_some_and(|leader| self.reach(n, leader))
    }

    fn observe_swarm(&self, n: usize) -> Option<Swarm> {
        if !self.nodes[n].engine() {
            return None;
        }
        let Some(raft_id) = self.nodes[n].disk.raft else { return Some(Swarm::default()) };
        let raft = &self.rafts[raft_id];
        let manager = raft.seats.get(&n) == Some(&SwarmRole::Manager);
        let told = manager && self.told(raft_id, n);
        let node = |m: usize, role: SwarmRole, ghost: bool| SwarmNode {
            name: self.nodes[m].name.clone(),
            address: Some(self.nodes[m].born.address),
            up: !ghost
                && self.nodes[m].engine()
                && self.reach(n, m)
                && !raft.disowned.contains_key(&m),
            manager: role == SwarmRole::Manager,
            reachable: role == SwarmRole::Manager && self.nodes[m].engine() && self.reach(n, m),
            leader: !ghost && raft.leader == Some(m),
        };
        let seats = raft.seats.iter().map(|(m, role)| node(*m, *role, false));
        let ghosts = raft.ghosts.iter().map(|m| node(*m, SwarmRole::Worker, true));
        Some(Swarm {
            local: SwarmLocal::Active,
            manager,
            leader: raft.leader == Some(n),
            nodes: if told { seats.chain(ghosts).collect() } else { Vec::new() },
            stacks: if told { raft.stacks.clone() } else { Vec::new() },
            disowned_ms: match raft.disowned.get(&n) {
                Some(since) if self.told(raft_id, n) => self.now - since,
                _ => 0,
            },
        })
    }
}
