//! What must hold after every event, and what must never be taken back.

use super::Simulation;
use crate::{ClusterId, Observed, Phase, Plan, Scope, SwarmRole, phases, plan};
use std::collections::{BTreeMap, BTreeSet};

/// How long a survivor may be without its other managers' word while they
/// elect a leader, in milliseconds.
const ELECTION: u64 = 15_000;

/// How long a node may take to notice that something is gone: the ring's
/// detection, and the age of what is known of the storage.
const NOTICED: u64 = 20_000;

/// What was seen once and must stay.
#[derive(Default)]
pub(super) struct Seen {
    memberships: BTreeMap<usize, ClusterId>,
    bricks: BTreeMap<usize, Vec<usize>>,
}

impl Simulation {
    /// Checks everything that holds at all times.
    pub(super) fn check(&mut self) {
        let wrong = self
            .memberships()
            .and_then(|()| self.volumes())
            .and_then(|()| self.swarms())
            .and_then(|()| self.mounts())
            .and_then(|()| self.check_old_copies());
        if let Err(what) = wrong {
            self.breaks(what);
        }
    }

    fn memberships(&mut self) -> Result<(), String> {
        let mut clusters = BTreeSet::new();
        for (n, node) in self.nodes.iter().enumerate() {
            let Some(own) = &node.disk.membership else { continue };
            clusters.insert(&own.cluster);
            let first = self.seen.memberships.entry(n).or_insert_with(|| own.cluster.clone());
            if *first != own.cluster {
                return Err(format!("{} went from {first} to {}", node.name, own.cluster));
            }
        }
        if self.settings.one_cluster && clusters.len() > 1 {
            return Err(format!("one site has {} clusters", clusters.len()));
        }
        Ok(())
    }

    fn volumes(&mut self) -> Result<(), String> {
        let volumes: Vec<_> = self.pools.iter().filter_map(|p| p.volume.as_ref()).collect();
        if self.settings.one_cluster && volumes.len() > 1 {
            return Err(format!("one site has {} volumes", volumes.len()));
        }
        for (at, pool) in self.pools.iter().enumerate() {
            let Some(volume) = &pool.volume else { continue };
            let stays = |b: &usize| volume.nodes.contains(b) || self.given_up.contains(b);
            if !self.seen.bricks.get(&at).into_iter().flatten().all(stays) {
                return Err("a brick was removed".into());
            }
            let boxes: BTreeSet<_> = volume.nodes.iter().collect();
            if boxes.len() < volume.nodes.len() {
                return Err("a box has two bricks".into());
            }
            if volume.full(&volume.nodes[..volume.set_size()]).count()
                > usize::from(self.settings.wanted.replicas)
            {
                return Err("there are more copies than wanted".into());
            }
            if volume.arbiter.is_some() && volume.sets().count() > 1 {
                return Err("a witness is in a volume of several sets".into());
            }
            if volume.full(&volume.nodes).any(|n| self.settings.witnesses.contains(&n)) {
                return Err("a witness carries data".into());
            }
            if volume.sets().any(|set| volume.unknown_to(set, set) > 0) {
                return Err("data is on no brick any more".into());
            }
            if volume.started && volume.tuned_for == 0 {
                return Err("the volume was started without TLS".into());
            }
            self.seen.bricks.insert(at, volume.nodes.clone());
        }
        Ok(())
    }

    fn swarms(&self) -> Result<(), String> {
        let mut clusters = BTreeSet::new();
        for raft in self.rafts.iter().filter(|raft| !raft.forsaken) {
            if !clusters.insert(&raft.cluster) {
                return Err("one cluster has two Swarms".into());
            }
            let managers = raft.seats.values().filter(|r| **r == SwarmRole::Manager).count();
            if managers > usize::from(self.settings.wanted.managers) {
                return Err(format!("the Swarm has {managers} managers"));
            }
            if managers == 0 {
                return Err("the Swarm has no manager".into());
            }
        }
        Ok(())
    }

    fn mounts(&self) -> Result<(), String> {
        for node in &self.nodes {
            let mounted = node.run.as_ref().is_some_and(|run| run.mounted);
            let volume = node.disk.pool.and_then(|p| self.pools[p].volume.as_ref());
            if mounted && !volume.is_some_and(|v| v.started) {
                return Err(format!("{} mounts a volume that is not started", node.name));
            }
        }
        Ok(())
    }

    /// No two nodes of a cluster make cluster-wide changes at once.
    pub(super) fn one_authority(&mut self, node: usize, plan_here: &Plan) {
        if !cluster_wide(plan_here) {
            return;
        }
        let cluster = |n: usize| self.nodes[n].disk.membership.as_ref().map(|m| &m.cluster);
        let rival = (0..self.nodes.len()).find(|other| {
            *other != node
                && self.nodes[*other].run.is_some()
                && !self.parted_for_good(node, *other)
                && cluster(*other) == cluster(node)
                && cluster_wide(&plan(&self.observe(*other), &self.settings.wanted))
        });
        if let Some(rival) = rival {
            let names = (&self.nodes[node].name, &self.nodes[rival].name);
            self.breaks(format!("{} and {} both lead", names.0, names.1));
        }
    }

    /// The pool with the volume of those who are there.
    fn pool_here(&self) -> Option<usize> {
        let here = (0..self.nodes.len()).filter(|n| !self.gone.contains(n));
        let mut pools = here.filter_map(|n| self.nodes[n].disk.pool);
        pools.find(|pool| self.pools[*pool].volume.is_some())
    }

    /// Their Swarm.
    fn raft_here(&self) -> Option<&super::world::Raft> {
        let mut here = (0..self.nodes.len()).filter(|n| !self.gone.contains(n));
        here.find_map(|n| self.nodes[n].disk.raft).map(|raft| &self.rafts[raft])
    }

    /// A node that must stay ready may miss it only for as long as an election
    /// takes.
    pub(super) fn stays_ready(&mut self, node: usize, ready: bool) {
        let now = self.now;
        let Some(since) = self.unready.get_mut(&node) else { return };
        *since = if ready { u64::MAX } else { now.min(*since) };
        if now.saturating_sub(*since) > ELECTION {
            self.breaks(format!("{} did not stay ready", self.nodes[node].name));
        }
    }

    /// What a node says of itself must be so, but for the time that it takes to
    /// notice that it is not any more.
    pub(super) fn honest(&mut self, node: usize, observed: &Observed) {
        let phases = phases(observed, &self.settings.wanted);
        let says = |phase| phases.iter().any(|p| p.phase == phase && p.holds);
        let lie = if says(Phase::Storage) && !self.writes(node) {
            Some("that it holds storage, and cannot write")
        } else if says(Phase::Ready) && self.is_not_alone(node) {
            Some("that it is ready, and another cluster is in sight")
        } else if says(Phase::Swarm) && !self.schedules(node) {
            Some("that it is in the Swarm, and nothing is scheduled")
        } else {
            None
        };
        let (now, Some(run)) = (self.now, &mut self.nodes[node].run) else { return };
        run.lies_since = lie.map(|_| run.lies_since.unwrap_or(now));
        if let (Some(lie), Some(since)) = (lie, run.lies_since)
            && now - since > NOTICED
        {
            self.breaks(format!("{} says {lie}", self.nodes[node].name));
        }
    }

    /// Whether this node can write to the volume.
    pub(super) fn writes(&self, node: usize) -> bool {
        if self.nodes[node].disk.pair.stale.is_some() {
            return self.mounted(node);
        }
        let Some(pool) = self.nodes[node].disk.pool else { return false };
        let takes = |b: &usize| self.reach(node, *b) && !self.nodes[*b].disk.full;
        let reached: Vec<_> = self.online(pool).into_iter().filter(takes).collect();
        let either = |v: &super::world::Bricks| v.terms(node).either && !reached.is_empty();
        self.pools[pool].volume.as_ref().is_some_and(|v| v.quorum(&reached) || either(v))
    }

    /// Whether a leader that this node reaches could give it tasks.
    fn schedules(&self, node: usize) -> bool {
        let Some(raft) = self.nodes[node].disk.raft else { return false };
        (0..self.nodes.len()).any(|n| self.reach(node, n) && self.quorate(raft, n))
    }

    /// Whether a node must stay ready without another one: of two, the one that
    /// holds the first copy and manages does, and the other one must not.
    pub(super) fn carries_on(&self, node: usize, without: usize) -> bool {
        let pool = self.nodes[node].disk.pool;
        let seen = pool.and_then(|pool| self.seen.bricks.get(&pool)).into_iter().flatten();
        let bricks: Vec<_> = seen.copied().filter(|b| *b != without).collect();
        let writes =
            pool.and_then(|p| self.pools[p].volume.as_ref()).is_none_or(|v| v.quorum(&bricks));
        let seats = self.nodes[node].disk.raft.map(|raft| &self.rafts[raft].seats);
        let schedules = seats.is_none_or(|seats| {
            let manager = |(_, role): &(&usize, &SwarmRole)| **role == SwarmRole::Manager;
            let left = seats.iter().filter(manager).filter(|(n, _)| **n != without).count();
            left * 2 > seats.iter().filter(manager).count()
        });
        writes && schedules
    }

    /// Of two boxes without a witness, the one with the first copy, if it is not the
    /// one that manages: neither could go on without the other.
    fn parted(&self) -> Option<&str> {
        let raft = self.raft_here()?;
        let volume = self.pools[self.pool_here()?].volume.as_ref()?;
        let here = (0..self.nodes.len()).filter(|n| !self.gone.contains(n)).count();
        let first = *volume.nodes.first().filter(|_| here == 2 && volume.nodes.len() == 2)?;
        let manages = raft.seats.get(&first) == Some(&SwarmRole::Manager);
        (!manages).then_some(self.nodes[first].name.as_str())
    }

    /// The cluster whose members all nodes are, if it is one.
    pub(super) fn cluster(&self) -> Option<ClusterId> {
        let here = (0..self.nodes.len()).filter(|n| !self.gone.contains(n));
        let mut clusters = here.map(|n| self.nodes[n].disk.membership.as_ref().map(|m| &m.cluster));
        let first = clusters.next()??;
        clusters.all(|c| c == Some(first)).then(|| first.clone())
    }

    /// What a settled cluster of this many nodes looks like.
    pub(super) fn check_settled(&self) -> Result<(), String> {
        let nodes = self.nodes.len() - self.gone.len();
        let wanted = &self.settings.wanted;
        self.cluster().ok_or("the nodes are not of one cluster")?;
        self.check_seats()?;
        self.check_keys()?;
        self.check_cas()?;
        if self.settings.clears {
            self.check_cleared()?;
        }
        let holds = |n: &super::world::Node| n.disk.ca_key.is_some() && n.disk.ca_key == n.disk.ca;
        let here = self.nodes.iter().enumerate().filter(|(n, _)| !self.gone.contains(n));
        let keys = here.filter(|(_, node)| holds(node)).count();
        if keys != nodes.min(crate::KEY_COPIES) {
            return Err(format!("{keys} nodes hold the CA key"));
        }
        if wanted.storage {
            let here = (0..self.nodes.len()).filter(|n| !self.gone.contains(n));
            let (witnesses, data): (Vec<_>, Vec<_>) =
                here.partition(|n| self.settings.witnesses.contains(n));
            let at = self.pool_here();
            let volume = at.and_then(|at| self.pools[at].volume.as_ref());
            let bricks = at.and_then(|at| self.seen.bricks.get(&at)).map_or(0, Vec::len);
            let arbiters = usize::from(volume.is_some_and(|v| v.arbiter.is_some()));
            let copies = bricks.saturating_sub(arbiters);
            let right = if data.len() < 3 { data.len() } else { data.len() - data.len() % 3 };
            let voice = usize::from(right == 2 && !witnesses.is_empty());
            // Sets that were there stay, though boxes are gone.
            let stays = copies > right && copies > 3 && copies.is_multiple_of(3);
            if (copies != right && !stays) || arbiters != voice {
                return Err(format!(
                    "{copies} bricks with data and {arbiters} of witnesses instead of {right} \
                     and {voice}"
                ));
            }
            if let Some(volume) = volume.filter(|v| v.sets().count() > 1) {
                let (sets, astray) = (volume.sets().count(), volume.astray());
                if usize::from(volume.spread) != sets || astray > 0 {
                    return Err(format!("{astray} writes are not where they belong"));
                }
            }
            let idle = self.raft_here().map(|raft| &raft.voting).filter(|_| wanted.swarm);
            if idle.is_some_and(|idle| witnesses.iter().any(|n| !idle.contains(n))) {
                return Err("a witness gets tasks".into());
            }
            if idle.is_some_and(|idle| data.iter().any(|n| idle.contains(n))) {
                return Err("a box with data gets no tasks".into());
            }
        }
        if wanted.swarm {
            let raft = self.raft_here().ok_or("there is no Swarm")?;
            let managers = raft.seats.values().filter(|r| **r == SwarmRole::Manager).count();
            let most = nodes.min(usize::from(wanted.managers));
            let right = if most % 2 == 0 { most - 1 } else { most };
            if self.gone.is_empty() && (raft.seats.len() != nodes || managers != right) {
                return Err(format!("{managers} managers of {} Swarm nodes", raft.seats.len()));
            }
            // Who is gone for good has been replaced as far as there are boxes.
            let live = |role: &(&usize, &SwarmRole)| !self.gone.contains(role.0);
            let left = raft.seats.iter().filter(live).filter(|(_, r)| **r == SwarmRole::Manager);
            if !self.gone.is_empty() && left.count() != right {
                return Err("a manager that died for good was not replaced".into());
            }
            if self.pools.iter().filter_map(|p| p.volume.as_ref()).any(|v| v.is_handed_over()) {
                return Err("the first of two copies does not have its turn".into());
            }
            if let Some(name) = self.parted() {
                return Err(format!("{name} has the first of two copies, and another manages"));
            }
            if raft.disowned.keys().any(|n| !self.gone.contains(n)) {
                return Err("the Swarm takes a node for down that is up".into());
            }
            let whole = |w: &crate::StackFile| raft.stacks.get(&w.name) == Some(&true);
            if !wanted.stacks.iter().all(whole) || raft.stacks.len() != wanted.stacks.len() {
                return Err(format!("stacks {:?} run", raft.stacks));
            }
            if raft.misplaced.is_some() {
                return Err("Raft knows a manager by another one's address".into());
            }
            if !raft.ghosts.is_empty() {
                return Err("the Swarm lists entries of nobody".into());
            }
        }
        Ok(())
    }
}

fn cluster_wide(plan: &Plan) -> bool {
    plan.steps.iter().any(|p| p.step.scope() == Scope::Cluster)
}
