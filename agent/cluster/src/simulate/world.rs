//! What the world consists of: disks that outlast a power cut, memory that
//! does not, and what the nodes have in common.

use super::{Event, Random, Simulation, alone, pair, rotation, sets, succession};
use crate::{
    ClusterId, Daemon, Identity, Intent, MemberStatus, Membership, NodeId, Planned, Step,
    SwarmRole, Tags, Yielding,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};

pub(super) struct Node {
    pub(super) name: String,
    /// The identity that it will write to its disk.
    pub(super) born: Identity,
    pub(super) boots: u32,
    /// Since when it has a cable, and from when on the switch forwards what
    /// comes by it.
    pub(super) cable_since: Option<u64>,
    pub(super) forwards_from: u64,
    /// By how many seconds its clock is ahead at power-on, and whether a time server
    /// answers it.
    pub(super) battery_s: i64,
    pub(super) by_server: bool,
    pub(super) disk: Disk,
    /// `None` while it has no power.
    pub(super) run: Option<Run>,
}

/// What a power cut leaves.
#[derive(Default)]
pub(super) struct Disk {
    pub(super) identity: bool,
    /// It has no room left for files.
    pub(super) full: bool,
    /// Its brick holds nothing of the volume.
    pub(super) emptied: bool,
    /// Its data partition cannot be mounted, nor repaired.
    pub(super) gone: bool,
    /// It was repaired, which may have cost writes: nobody can tell which.
    pub(super) repaired: bool,
    /// It is noted that it is being given back as an empty one.
    pub(super) renewing: bool,
    /// It is marked as a brick, holds nothing, and no other brick knows what it lacks.
    pub(super) hollow: bool,
    pub(super) membership: Option<Membership>,
    /// CA certificate, own certificate, CA key: of which cluster.
    pub(super) ca: Option<ClusterId>,
    pub(super) certificate: Option<ClusterId>,
    pub(super) ca_key: Option<ClusterId>,
    pub(super) pool: Option<usize>,
    pub(super) raft: Option<usize>,
    /// Nodes that it serves no more.
    pub(super) struck_off: BTreeSet<NodeId>,
    /// A person took it out.
    pub(super) out: bool,
    /// Its ring keys.
    pub(super) keys: rotation::Keys,
    /// The CAs that it trusts.
    pub(super) cas: succession::Authorities,
    /// Its cluster dissolves, and whether that would outlast a power cut.
    pub(super) yields: Option<Yielding>,
    pub(super) noted: bool,
    /// The turn that it gave away.
    pub(super) handed_over: Option<u32>,
    /// What it keeps to go on alone, and what it is left with.
    pub(super) pair: alone::Pair,
    /// Steps begun since the founding or enrolling began.
    pub(super) steps: u32,
}

/// What a power cut takes.
#[derive(Default)]
pub(super) struct Run {
    pub(super) ring: Option<View>,
    pub(super) storage: bool,
    pub(super) engine: bool,
    pub(super) mounted: bool,
    pub(super) starting: BTreeSet<Daemon>,
    pub(super) doing: VecDeque<Planned>,
    pub(super) worked: bool,
    /// Steps that were tried and are still planned: how often, and not again
    /// before when.
    pub(super) tried: Vec<(Step, u32, u64)>,
    pub(super) next_wake: u64,
    /// When its agent first looked: what it sees of the cable counts from then.
    pub(super) looks_since: Option<u64>,
    /// By how many seconds its clock is ahead since it set it.
    pub(super) clock_s: Option<i64>,
    pub(super) ready: bool,
    pub(super) settled: bool,
    /// Its brick runs: for as long as the storage daemon, unless it dies.
    pub(super) brick: bool,
    /// Daemons that run and do not answer, and since when.
    pub(super) hung: BTreeMap<Daemon, u64>,
    /// Bricks that its mount lost while they hung and does not look for any more, and since
    /// when each answers again.
    pub(super) lost_bricks: BTreeMap<usize, Option<u64>>,
    /// Since when the engine has been stuck on its way into the Swarm.
    pub(super) limbo: Option<u64>,
    /// Since when no manager has answered it.
    pub(super) unheard: Option<u64>,
    /// Since when it has claimed what is not so.
    pub(super) lies_since: Option<u64>,
    /// Until when it may hand over before it goes down.
    pub(super) goes_down: Option<u64>,
}

/// The ring as one member sees it.
pub(super) struct View {
    pub(super) tags: Tags,
    pub(super) others: BTreeMap<usize, (MemberStatus, Tags)>,
    pub(super) changed_at: u64,
}

/// A trusted storage pool.
#[derive(Default)]
pub(super) struct Pool {
    /// Its members; `false` for one that is half-way in.
    pub(super) members: BTreeMap<usize, bool>,
    pub(super) volume: Option<Bricks>,
    /// There is a person's file in it.
    pub(super) kept: bool,
}

#[derive(Clone, Default)]
pub(super) struct Bricks {
    pub(super) nodes: Vec<usize>,
    /// Which of them is a witness's: it knows what was written and has none of it.
    pub(super) arbiter: Option<usize>,
    pub(super) started: bool,
    /// For how many copies the options were set; 0 for never.
    pub(super) tuned_for: usize,
    /// Whom they let in, by name; `None` is everybody.
    pub(super) admits: Option<BTreeSet<String>>,
    /// How many writes there were.
    pub(super) written: usize,
    /// In which set each of them lies.
    pub(super) home: Vec<usize>,
    /// Over how many sets directories reach: new files go there.
    pub(super) layout: usize,
    /// Over how many sets the volume notes that its files are spread.
    pub(super) spread: u8,
    /// How often they were told to move, and which of these was noted as complete.
    pub(super) round: u32,
    pub(super) noted: u32,
    /// What each box does of the last one.
    pub(super) moving: BTreeMap<usize, sets::Part>,
    /// Which of them each brick lacks.
    pub(super) lacks: BTreeMap<usize, BTreeSet<usize>>,
    /// Directories that two boxes made at once, and the bricks that have each as enough of
    /// them made it.
    pub(super) torn: BTreeMap<String, BTreeSet<usize>>,
    /// Who decides of two, as each box's storage daemon has it on its disk.
    pub(super) terms: BTreeMap<usize, pair::Terms>,
}

impl Bricks {
    /// Whether these bricks together may write in every set.
    pub(super) fn quorum(&self, online: &[usize]) -> bool {
        self.sets().all(|set| self.quorum_of(set, online))
    }

    /// Whether they may in this one: more than half of all, or just half with the
    /// first among them; and of a witness and one copy only while the witness knows of
    /// nothing that the copy lacks.
    pub(super) fn quorum_of(&self, set: &[usize], online: &[usize]) -> bool {
        let here: Vec<_> = set.iter().copied().filter(|n| online.contains(n)).collect();
        let (n, all) = (here.len() * 2, set.len());
        let enough = n > all || (n == all && set.first().is_some_and(|first| here.contains(first)));
        let copies: Vec<_> = self.full(&here).collect();
        let witness = self.arbiter.filter(|arbiter| here.contains(arbiter));
        let told = match (witness, copies.as_slice()) {
            (Some(witness), [copy]) => {
                (0..self.written).all(|w| self.lacks(witness, w) || !self.lacks(*copy, w))
            }
            _ => !copies.is_empty(),
        };
        enough && told
    }

    /// Those of these bricks that hold content.
    pub(super) fn full<'a>(&self, of: &'a [usize]) -> impl Iterator<Item = usize> + use<'a> {
        let arbiter = self.arbiter;
        of.iter().copied().filter(move |n| arbiter != Some(*n))
    }

    /// Writes of a set that none of these bricks has.
    pub(super) fn unknown_to(&self, set: &[usize], online: &[usize]) -> usize {
        let known = |w: &usize| self.full(set).any(|n| online.contains(&n) && !self.lacks(n, *w));
        let here = |w: &usize| self.holders(*w) == set;
        (0..self.written).filter(here).filter(|w| !known(w)).count()
    }
}

/// A Swarm.
pub(super) struct Raft {
    pub(super) cluster: Option<ClusterId>,
    pub(super) seats: BTreeMap<usize, SwarmRole>,
    /// Entries of nodes that lost power before they knew that they had joined,
    /// or left without a word, by the Swarm's id: whose, and in which role.
    pub(super) ghosts: BTreeMap<String, (usize, SwarmRole)>,
    /// Nodes that are taken for down by mistake, and since when.
    pub(super) disowned: BTreeMap<usize, u64>,
    pub(super) leader: Option<usize>,
    pub(super) electing: bool,
    /// Stacks, and whether all of each is deployed.
    pub(super) stacks: BTreeMap<String, bool>,
    /// The cluster's record, and how often it was changed.
    pub(super) intent: Intent,
    pub(super) index: u64,
    /// Nodes that are being emptied.
    pub(super) emptied: BTreeSet<usize>,
    /// Nodes that get no tasks and only vote.
    pub(super) voting: BTreeSet<usize>,
    /// It runs a person's service.
    pub(super) kept: bool,
    /// The cluster went on without those who have it.
    pub(super) forsaken: bool,
    /// Who sits on another one's seat, and is known by that one's address.
    pub(super) misplaced: Option<usize>,
}

impl Node {
    pub(super) fn new(n: usize, random: &mut Random) -> Self {
        let id = format!("{:016x}", random.next());
        let name = format!("ashlar-{}", &id[..8]);
        let address = IpAddr::V4(Ipv4Addr::new(10, 83, 0, u8::try_from(n + 1).unwrap_or(u8::MAX)));
        let born = Identity { id: NodeId(id), name: name.clone(), address };
        Self {
            name,
            born,
            boots: 0,
            cable_since: Some(0),
            forwards_from: 0,
            battery_s: 0,
            by_server: false,
            disk: Disk::default(),
            run: None,
        }
    }

    pub(super) fn rings(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.ring.is_some())
    }

    pub(super) fn hangs(&self, daemon: Daemon) -> bool {
        self.run.as_ref().is_some_and(|run| run.hung.contains_key(&daemon))
    }

    pub(super) fn stores(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.storage) && !self.hangs(Daemon::Storage)
    }

    pub(super) fn engine(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.engine) && !self.hangs(Daemon::Engine)
    }

    pub(super) fn serves(&self) -> bool {
        self.has_brick() && !self.hangs(Daemon::Bricks)
    }

    /// Whether its brick runs, hung or not.
    pub(super) fn has_brick(&self) -> bool {
        let data = !self.disk.emptied && !self.disk.gone;
        data && self.run.as_ref().is_some_and(|run| run.brick)
    }
}

impl Simulation {
    /// Whether packets pass between two nodes.
    pub(super) fn reach(&self, a: usize, b: usize) -> bool {
        let on_air = |n: usize| {
            let node = &self.nodes[n];
            node.cable_since.is_some_and(|since| since <= self.now)
                && node.forwards_from <= self.now
        };
        a == b || (self.apart.contains(&a) == self.apart.contains(&b) && on_air(a) && on_air(b))
    }

    /// Plugs the cable of a node in at a time, behind a switch that takes a
    /// while until it forwards.
    pub(super) fn cable_at(&mut self, node: usize, time: u64, forwards_after: u64) {
        self.nodes[node].cable_since = Some(time);
        self.nodes[node].forwards_from = time + forwards_after;
        for other in (0..self.nodes.len()).filter(|n| *n != node) {
            for (to, about) in [(node, other), (other, node)] {
                let heard = time + forwards_after + self.random.between(300, 5_000);
                self.at(heard, Event::Hear { to, about });
            }
        }
    }

    /// Parts these nodes from the others, or mends the ring if there are none.
    pub(super) fn part(&mut self, apart: BTreeSet<usize>) {
        self.say(None, || if apart.is_empty() { "mended" } else { "parted" }.into());
        self.apart = apart;
        self.mended = self.now;
        for a in 0..self.nodes.len() {
            for b in 0..self.nodes.len() {
                if a != b && self.reach(a, b) {
                    self.after((1_000, 5_000), Event::Hear { to: a, about: b });
                } else if a != b {
                    self.after((5_000, 8_000), Event::Miss { by: a, about: b });
                }
            }
        }
        for pool in 0..self.pools.len() {
            self.write(pool);
            for node in 0..self.nodes.len() {
                let boot = self.nodes[node].boots;
                self.after(self.settings.heal, Event::Healed { pool, node, boot });
            }
        }
        self.watch_rafts();
        self.touch();
    }

    /// A daemon runs on and answers nobody any more.
    pub(super) fn hang(&mut self, node: usize, daemon: Daemon) {
        let now = self.now;
        if let Some(run) = &mut self.nodes[node].run {
            run.hung.insert(daemon, now);
        }
        self.say(Some(node), || format!("its {daemon} hangs"));
        self.nodes[node].disk.pool.into_iter().for_each(|pool| self.write(pool));
        self.watch_rafts();
        self.touch();
    }

    /// A brick's process dies, and its storage daemon goes on.
    pub(super) fn kill_brick(&mut self, node: usize) {
        if let Some(run) = &mut self.nodes[node].run {
            run.brick = false;
        }
        self.say(Some(node), || "its brick dies".into());
        self.nodes[node].disk.pool.into_iter().for_each(|pool| self.write(pool));
        self.touch();
    }

    /// Its data partition runs full, or has room again.
    pub(super) fn fill(&mut self, node: usize, full: bool) {
        self.nodes[node].disk.full = full;
        self.say(Some(node), || if full { "runs full" } else { "has room again" }.into());
        self.nodes[node].disk.pool.into_iter().for_each(|pool| self.write(pool));
        self.touch();
    }

    /// The agent dies and starts anew: its steps are cut where they stand, and
    /// its part in the ring goes with it; its daemons go on.
    pub(super) fn crash(&mut self, node: usize) {
        if let Some(Planned { step, .. }) =
            self.nodes[node].run.as_mut().and_then(|run| run.doing.pop_front())
        {
            // What was under way may have had its effect.
            let _ = self.half(node, &step);
        }
        self.nodes[node].boots += 1;
        if let Some(run) = &mut self.nodes[node].run {
            run.ring = None;
            run.doing.clear();
            run.tried.clear();
            run.starting.clear();
            run.looks_since = None;
            (run.ready, run.settled) = (false, false);
        }
        self.say(Some(node), || "its agent dies".into());
        self.miss(node);
        let boot = self.nodes[node].boots;
        if let Some(pool) = self.nodes[node].disk.pool {
            self.after(self.settings.heal, Event::Healed { pool, node, boot });
            self.goes_on_moving(pool, node);
        }
        self.wake_in(node, (1_000, 3_000));
    }

    pub(super) fn up(&mut self, node: usize, daemon: Daemon) {
        match daemon {
            Daemon::Ring => self.ring_up(node),
            Daemon::Storage => self.storage_up(node),
            Daemon::Bricks => {}
            Daemon::Engine => {
                if let Some(run) = &mut self.nodes[node].run {
                    run.engine = true;
                    run.hung.remove(&daemon);
                }
                self.report_to_the_swarm(node);
            }
        }
        if let Some(run) = &mut self.nodes[node].run {
            run.starting.remove(&daemon);
        }
        self.watch_rafts();
        self.touch();
    }

    /// An engine says that it is there: now and then it is not understood.
    pub(super) fn report_to_the_swarm(&mut self, node: usize) {
        let Some(raft) = self.nodes[node].disk.raft else { return };
        self.rafts[raft].disowned.remove(&node);
        if self.settings.failures > 0 && self.random.permille(self.settings.failures) {
            self.say(Some(node), || "is taken for down by the Swarm".into());
            self.rafts[raft].disowned.insert(node, self.now);
        }
    }

    fn storage_up(&mut self, node: usize) {
        let pools = self.pools.len();
        let pool = *self.nodes[node].disk.pool.get_or_insert(pools);
        if pool == pools {
            self.pools.push(Pool { members: BTreeMap::from([(node, true)]), ..Pool::default() });
        }
        if let Some(run) = &mut self.nodes[node].run {
            run.storage = true;
            run.brick = true;
            run.hung.remove(&Daemon::Storage);
        }
        self.answers_again(node);
        self.write(pool);
        let boot = self.nodes[node].boots;
        self.after(self.settings.heal, Event::Healed { pool, node, boot });
        self.goes_on_moving(pool, node);
    }

    /// Somebody writes a file into every set: bricks that are away miss it.
    pub(super) fn write(&mut self, pool: usize) {
        self.agree_on_terms(pool);
        for side in [true, false] {
            let online = self.online(pool);
            let online: Vec<_> =
                online.into_iter().filter(|n| self.apart.contains(n) == side).collect();
            let clients = self.clients(pool, side);
            let Some(volume) = &mut self.pools[pool].volume else { return };
            let mut unknown = 0;
            for _ in 0..volume.layout.max(1) {
                let write = volume.written;
                let home = write % volume.layout.max(1);
                let set: Vec<_> = volume.sets().nth(home).unwrap_or_default().to_vec();
                let takes = |n: &&usize| online.contains(n) && !self.nodes[**n].disk.full;
                let here: Vec<_> = set.iter().filter(takes).copied().collect();
                if here.is_empty() || !volume.may_write(&clients, &set, &here) {
                    continue;
                }
                unknown += volume.unknown_to(&set, &here);
                for away in set.into_iter().filter(|n| !here.contains(n)) {
                    volume.lacks.entry(away).or_default().insert(write);
                }
                volume.home.push(home);
                volume.written += 1;
            }
            if unknown > 0 {
                self.breaks(format!(
                    "{unknown} writes are unknown to the bricks that go on writing"
                ));
            }
        }
    }

    /// A brick learns what the others that it reaches know.
    pub(super) fn healed(&mut self, pool: usize, node: usize) {
        if self.nodes[node].disk.hollow {
            return;
        }
        let sources: Vec<_> =
            self.online(pool).into_iter().filter(|n| *n == node || self.reach(*n, node)).collect();
        let repaired = self.nodes[node].disk.repaired;
        let Some(volume) = self.pools[pool].volume.as_mut().filter(|_| !repaired) else { return };
        let Some(before) = volume.lacks.get(&node).map(BTreeSet::len).filter(|n| *n > 0) else {
            return;
        };
        let set = volume.set_of(node);
        let sources: Vec<_> = sources.into_iter().filter(|n| set.contains(n)).collect();
        // Names come from any brick, content from those that have some.
        let told_by: Vec<_> = match volume.arbiter {
            Some(arbiter) if arbiter == node => sources,
            _ => volume.full(&sources).collect(),
        };
        let lost: BTreeSet<_> = volume
            .of_its_set(node)
            .filter(|w| told_by.iter().all(|n| volume.lacks(*n, *w)))
            .filter(|w| volume.lacks(node, *w))
            .collect();
        let left = lost.len();
        volume.lacks.insert(node, lost);
        if left < before {
            self.say(Some(node), || format!("its brick heals, {left} entries are left"));
            self.touch();
        }
        if left > 0 {
            let boot = self.nodes[node].boots;
            self.after((3_000, 10_000), Event::Healed { pool, node, boot });
        }
    }

    /// Nodes whose bricks run.
    pub(super) fn online(&self, pool: usize) -> Vec<usize> {
        let volume = self.pools[pool].volume.iter().filter(|v| v.started);
        volume.flat_map(|v| &v.nodes).copied().filter(|n| self.nodes[*n].serves()).collect()
    }

    /// Managers that run and that `node` reaches.
    fn voters(&self, raft: usize, node: usize) -> usize {
        let managers = self.rafts[raft].seats.iter().filter(|(_, r)| **r == SwarmRole::Manager);
        managers.filter(|(n, _)| self.nodes[**n].engine() && self.reach(node, **n)).count()
    }

    /// Whether `node` is a manager that has quorum with those it reaches.
    pub(super) fn quorate(&self, raft: usize, node: usize) -> bool {
        let manager = |r: &&SwarmRole| **r == SwarmRole::Manager;
        let seats = &self.rafts[raft].seats;
        seats.get(&node).filter(manager).is_some()
            && self.nodes[node].engine()
            && self.voters(raft, node) * 2 > seats.values().filter(manager).count()
    }

    /// Unseats leaders without quorum and calls elections.
    pub(super) fn watch_rafts(&mut self) {
        for raft in 0..self.rafts.len() {
            if self.rafts[raft].leader.is_some_and(|n| !self.quorate(raft, n)) {
                self.rafts[raft].leader = None;
            }
            let wanting = self.rafts[raft].leader.is_none() && !self.rafts[raft].electing;
            if wanting && (0..self.nodes.len()).any(|n| self.quorate(raft, n)) {
                self.rafts[raft].electing = true;
                self.after((1_000, 4_000), Event::Elect { raft });
            }
        }
    }

    pub(super) fn elect(&mut self, raft: usize) {
        self.rafts[raft].electing = false;
        if self.rafts[raft].leader.is_some() {
            return;
        }
        let able: Vec<_> = (0..self.nodes.len()).filter(|n| self.quorate(raft, *n)).collect();
        if able.is_empty() {
            return;
        }
        let chosen = able[(self.random.next() % able.len() as u64) as usize];
        self.rafts[raft].leader = Some(chosen);
        self.say(Some(chosen), || "leads the Swarm".into());
        self.touch();
    }
}
