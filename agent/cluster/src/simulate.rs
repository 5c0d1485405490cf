//! Many nodes on virtual time, from one seed.
//!
//! Every node runs the real planner and the real linter; what they act on is a
//! model: a ring with delay and loss, a storage pool, a Raft, disks that
//! survive a power cut and memory that does not. Steps take time, fail, fail
//! after having worked, and are cut in half. The invariants are checked after
//! every event. The same seed always gives the same run, so a failing seed is
//! a regression test.

mod act;
mod admission;
mod alone;
mod check;
mod clients;
mod clocks;
mod gossip;
mod look;
mod meet;
mod pair;
mod random;
mod removal;
mod revocation;
mod rotation;
mod scenario;
mod sets;
mod storage;
mod succession;
mod swarm;
mod witness;
mod world;

pub use random::Random;
pub use removal::Fault;
pub use scenario::Scenario;

use crate::{Plan, Step, Wanted, lint, phases, plan};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use world::{Node, Pool, Raft, Run};

/// How rough the world is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Number of nodes.
    pub nodes: usize,
    /// The seed that decides everything that is left to chance.
    pub seed: u64,
    /// What the recipe and the site want, alike on every node.
    pub wanted: Wanted,
    /// Of a thousand ring messages, how many are lost and sent again later.
    pub loss: u64,
    /// Of a thousand steps, how many fail, before or after their effect.
    pub failures: u64,
    /// Of a thousand steps, how many are hit by a power cut.
    pub cuts: u64,
    /// How many power cuts there may be in all.
    pub most_cuts: u32,
    /// For how long power is off after a cut, in milliseconds.
    pub off: (u64, u64),
    /// A power cut at one chosen step.
    pub cut_at: Option<CutAt>,
    /// How many times a brick that is given back as an empty one is cut off its power half-way.
    pub renewals_cut: u32,
    /// How long it takes until a brick has what it lacks, in milliseconds.
    pub heal: (u64, u64),
    /// Whether nothing may be left of a box that is gone once all is settled.
    pub clears: bool,
    /// Which of the nodes are witnesses.
    pub witnesses: BTreeSet<usize>,
    /// A fault that is planted.
    pub fault: Option<Fault>,
    /// Whether two clusters would be a fault of the planner: not if the ring
    /// may hide a node from another for longer than the settle time and no
    /// number of nodes is expected.
    pub one_cluster: bool,
}

/// A power cut at one chosen step.
#[derive(Clone, Copy, Debug)]
pub struct CutAt {
    /// Of the founder's steps, or of another node's.
    pub founder: bool,
    /// Of that node, the how manieth step after its founding or enrolling
    /// began, that one included.
    pub step: u32,
}

/// A run that broke an invariant or did not end, with all that it takes to
/// look into it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{why}\n\n{transcript}\nreplay: {replay}")]
pub struct Failure {
    /// The broken invariant, or what did not come about in time.
    pub why: String,
    /// The last events before.
    pub transcript: String,
    /// The command that plays this run again.
    pub replay: String,
}

/// What one run saw.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Virtual time at the end, in milliseconds.
    pub ended_ms: u64,
    /// Virtual time at which all nodes were first ready.
    pub ready_ms: u64,
    /// Steps executed.
    pub steps: u32,
    /// Power cuts that hit a step.
    pub cuts: u32,
    /// Every event in words, if a transcript was asked for.
    pub transcript: Vec<String>,
}

/// The digest of every stack's file in the model.
const CONTENT: &str = "content";

/// Things that happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    On { node: usize },
    Wake { node: usize, boot: u32 },
    Done { node: usize, boot: u32 },
    Up { node: usize, boot: u32, daemon: crate::Daemon },
    Hear { to: usize, about: usize },
    Miss { by: usize, about: usize },
    Elect { raft: usize },
    Healed { pool: usize, node: usize, boot: u32 },
    Moved { pool: usize, node: usize, boot: u32 },
}

/// One run.
pub(crate) struct Simulation {
    settings: Settings,
    random: Random,
    now: u64,
    queue: BinaryHeap<Reverse<(u64, u64, Event)>>,
    events: u64,
    nodes: Vec<Node>,
    pools: Vec<Pool>,
    rafts: Vec<Raft>,
    /// The nodes on one side of a partition; empty while there is none.
    apart: BTreeSet<usize>,
    /// Nodes that will never come back.
    gone: BTreeSet<usize>,
    /// As which node a box goes on that begins anew.
    reborn: BTreeMap<usize, usize>,
    /// Boxes of thieves: nobody can tell them anything.
    deaf: BTreeSet<usize>,
    /// Nodes whose brick was given up by a step.
    given_up: BTreeSet<usize>,
    /// Nodes that left a cluster which dissolved.
    dissolved: BTreeSet<usize>,
    clusters_made: u64,
    /// Ring keys that were made.
    keys_made: u64,
    /// CAs that were minted after the first, each with the one that vouches for it.
    cas_made: BTreeMap<u64, u64>,
    /// Nodes that were away when the CA was replaced, and did not follow yet.
    left_behind: BTreeSet<usize>,
    /// What must never be taken back, as first seen.
    seen: check::Seen,
    /// Since when a node that must stay ready is not.
    unready: BTreeMap<usize, u64>,
    /// Since when nobody is parted from the others.
    mended: u64,
    report: Report,
    transcript: bool,
    broken: Option<String>,
}

impl Simulation {
    pub(crate) fn new(settings: Settings, transcript: bool) -> Self {
        let mut random = Random::new(settings.seed);
        let nodes = (0..settings.nodes).map(|n| Node::new(n, &mut random)).collect();
        Self {
            settings,
            random,
            now: 0,
            queue: BinaryHeap::new(),
            events: 0,
            nodes,
            pools: Vec::new(),
            rafts: Vec::new(),
            apart: BTreeSet::new(),
            gone: BTreeSet::new(),
            reborn: BTreeMap::new(),
            deaf: BTreeSet::new(),
            given_up: BTreeSet::new(),
            dissolved: BTreeSet::new(),
            clusters_made: 0,
            keys_made: 0,
            cas_made: BTreeMap::new(),
            left_behind: BTreeSet::new(),
            seen: check::Seen::default(),
            unready: BTreeMap::new(),
            mended: 0,
            report: Report::default(),
            transcript,
            broken: None,
        }
    }

    fn at(&mut self, time: u64, event: Event) {
        self.events += 1;
        self.queue.push(Reverse((time, self.events, event)));
    }

    fn after(&mut self, range: (u64, u64), event: Event) {
        let time = self.now + self.random.between(range.0, range.1);
        self.at(time, event);
    }

    fn say(&mut self, node: Option<usize>, words: impl FnOnce() -> String) {
        if self.transcript {
            let who = node.map_or("the world", |n| self.nodes[n].name.as_str());
            let (s, ms) = (self.now / 1000, self.now % 1000);
            self.report.transcript.push(format!("{s:>4}.{ms:03} {who:<15} {}", words()));
        }
    }

    fn breaks(&mut self, what: String) {
        if self.broken.is_none() {
            self.say(None, || format!("BROKEN: {what}"));
            self.broken = Some(what);
        }
    }

    pub(crate) fn power_on_at(&mut self, node: usize, time: u64) {
        self.at(time, Event::On { node });
    }

    pub(crate) fn power_off(&mut self, node: usize) {
        if self.nodes[node].run.take().is_none() {
            return;
        }
        self.say(Some(node), || "loses power".into());
        self.nodes[node].disk.forget_what_is_not_noted();
        self.unready.remove(&node);
        self.miss(node);
        if let Some(pool) = self.nodes[node].disk.pool {
            self.write(pool);
        }
        self.watch_rafts();
        self.touch();
    }

    /// Runs until all nodes are on, ready and idle, and the cluster is as a
    /// settled one should be; fails at the deadline.
    pub(crate) fn settle(&mut self, within_ms: u64) -> Result<(), String> {
        let deadline = self.now + within_ms;
        loop {
            let right = self.settled().then(|| self.check_settled());
            if right == Some(Ok(())) {
                break;
            }
            if self.now >= deadline {
                let what = right.and_then(Result::err).unwrap_or_else(|| "not all ready".into());
                let (after, stand) = (within_ms / 1000, self.stand());
                return Err(format!("{what} after {after} s\n{stand}"));
            }
            self.next(deadline)?;
        }
        self.say(None, || "all ready".into());
        if self.report.ready_ms == 0 {
            self.report.ready_ms = self.now;
        }
        Ok(())
    }

    /// The first nodes are switched on at about the same time, and become a cluster.
    pub(crate) fn form(&mut self, nodes: usize, dice: &mut Random) -> Result<(), String> {
        for node in 0..nodes {
            self.power_on_at(node, dice.between(0, 2_000));
        }
        self.settle(scenario::DEADLINE)
    }

    /// Runs until something is so; fails at the deadline.
    pub(crate) fn until(
        &mut self,
        within_ms: u64,
        so: impl Fn(&Self) -> bool,
    ) -> Result<(), String> {
        let deadline = self.now + within_ms;
        while !so(self) {
            if self.now >= deadline {
                return Err(format!("nothing came of it after {within_ms} ms\n{}", self.stand()));
            }
            self.next(deadline)?;
        }
        Ok(())
    }

    /// Whether a node is on and ready.
    pub(crate) fn is_ready(&self, node: usize) -> bool {
        self.nodes[node].run.as_ref().is_some_and(|run| run.ready && run.settled)
    }

    /// Whether a node has power.
    pub(crate) fn is_on(&self, node: usize) -> bool {
        self.nodes[node].run.is_some()
    }

    /// Whether a node is the founder.
    pub(crate) fn founded(&self, node: usize) -> bool {
        self.nodes[node].disk.membership.as_ref().is_some_and(|m| m.founder)
    }

    /// The cluster that a node belongs to.
    pub(crate) fn cluster_of(&self, node: usize) -> Option<crate::ClusterId> {
        self.nodes[node].disk.membership.as_ref().map(|m| m.cluster.clone())
    }

    /// Runs for a time in which these nodes must stay ready, a change of
    /// leader aside.
    pub(crate) fn hold(&mut self, for_ms: u64, ready: &[usize]) -> Result<(), String> {
        let until = self.now + for_ms;
        self.unready = ready.iter().map(|n| (*n, u64::MAX)).collect();
        while self.now < until {
            self.next(until)?;
        }
        self.unready.clear();
        Ok(())
    }

    /// The next event, but none after `until`.
    fn next(&mut self, until: u64) -> Result<(), String> {
        match self.queue.peek() {
            Some(Reverse((time, _, _))) if *time <= until => {}
            _ => {
                self.now = until;
                return Ok(());
            }
        }
        if let Some(Reverse((time, _, event))) = self.queue.pop() {
            self.now = time;
            self.happens(event);
            self.check();
            self.members_verify();
        }
        match self.broken.take() {
            Some(what) => Err(what),
            None => Ok(()),
        }
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::On { node } => self.boot(node),
            Event::Wake { node, boot } if self.runs(node, boot) => self.wake(node),
            Event::Done { node, boot } if self.runs(node, boot) => self.done(node),
            Event::Up { node, boot, daemon } if self.runs(node, boot) => self.up(node, daemon),
            Event::Hear { to, about } => self.hear(to, about),
            Event::Miss { by, about } => self.missed(by, about),
            Event::Elect { raft } => self.elect(raft),
            Event::Healed { pool, node, boot } if self.runs(node, boot) => self.healed(pool, node),
            Event::Moved { pool, node, boot } if self.runs(node, boot) => self.moved(pool, node),
            Event::Wake { .. }
            | Event::Done { .. }
            | Event::Up { .. }
            | Event::Healed { .. }
            | Event::Moved { .. } => {}
        }
    }

    fn runs(&self, node: usize, boot: u32) -> bool {
        self.nodes[node].run.is_some() && self.nodes[node].boots == boot
    }

    fn boot(&mut self, node: usize) {
        if self.nodes[node].run.is_some() {
            return;
        }
        self.nodes[node].boots += 1;
        self.nodes[node].run = Some(Run::default());
        self.say(Some(node), || "powers on".into());
        self.wake_in(node, (1_000, 3_000));
    }

    /// Something changed that nodes may see: they look again soon.
    fn touch(&mut self) {
        for node in 0..self.nodes.len() {
            if let Some(run) = &mut self.nodes[node].run {
                run.settled = false;
                if run.next_wake > self.now + 1_000 {
                    self.wake_in(node, (200, 1_000));
                }
            }
        }
    }

    fn wake_in(&mut self, node: usize, range: (u64, u64)) {
        let time = self.now + self.random.between(range.0, range.1);
        let boot = self.nodes[node].boots;
        if let Some(run) = &mut self.nodes[node].run {
            run.next_wake = time;
            self.at(time, Event::Wake { node, boot });
        }
    }

    /// Observe, plan, lint, and begin to act.
    fn wake(&mut self, node: usize) {
        let idle = |run: &Run| run.next_wake == self.now && run.doing.is_empty();
        if !self.nodes[node].run.as_ref().is_some_and(idle) {
            return;
        }
        let now = self.now;
        if let Some(run) = &mut self.nodes[node].run {
            run.looks_since.get_or_insert(now);
        }
        self.ask_managers(node);
        let observed = self.observe(node);
        let plan = plan(&observed, &self.settings.wanted);
        for violation in lint(&plan, &observed, &self.settings.wanted) {
            self.breaks(format!("{}: {violation}", self.nodes[node].name));
        }
        let phases = phases(&observed, &self.settings.wanted);
        let ready = phases.last().is_some_and(|p| p.holds);
        self.keep_for_alone(node, &observed);
        self.stays_ready(node, ready);
        self.honest(node, &observed);
        self.one_authority(node, &plan);
        let changed = self.nodes[node].run.as_ref().is_some_and(|run| run.ready != ready);
        if changed {
            self.say(Some(node), || if ready { "is ready" } else { "is not ready" }.into());
        }
        if let Some(run) = &mut self.nodes[node].run {
            run.ready = ready;
            run.settled = ready && plan.steps.is_empty();
        }
        if self.goes_down_now(node, &observed) {
            return self.power_off(node);
        }
        self.begin(node, plan);
    }

    fn begin(&mut self, node: usize, plan: Plan) {
        let now = self.now;
        let Some(run) = &mut self.nodes[node].run else { return };
        // As the daemon does: a step that is still planned after it was tried
        // waits for a backoff of its own.
        run.tried.retain(|(step, _, _)| plan.steps.iter().any(|p| p.step == *step));
        let due = |step: &Step| !run.tried.iter().any(|(s, _, from)| s == step && *from > now);
        run.doing = plan.steps.into_iter().filter(|p| due(&p.step)).collect();
        let next = run.tried.iter().map(|(_, _, from)| *from).filter(|from| *from > now).min();
        if !run.doing.is_empty() {
            self.begin_step(node);
        } else if let Some(next) = next {
            self.wake_in(node, (next - now, next - now));
        } else {
            self.wake_in(node, (4_000, 5_000));
        }
    }

    fn settled(&self) -> bool {
        let settled = |n: usize| self.nodes[n].run.as_ref().is_some_and(|run| run.settled);
        (0..self.nodes.len()).filter(|n| !self.gone.contains(n)).all(settled)
    }

    /// Where every node stands, for a person.
    fn stand(&self) -> String {
        let mut lines = Vec::new();
        for (n, node) in self.nodes.iter().enumerate() {
            let stand = match &node.run {
                None => "off".into(),
                Some(_) => {
                    let observed = self.observe(n);
                    let phases = phases(&observed, &self.settings.wanted);
                    let open = phases.iter().filter(|p| !p.holds);
                    let open: Vec<_> = open.map(|p| format!("{}: {}", p.phase, p.detail)).collect();
                    format!("{}; {}", open.join("; "), plan(&observed, &self.settings.wanted))
                }
            };
            lines.push(format!("  {}: {stand}", node.name));
        }
        lines.join("\n")
    }
}
