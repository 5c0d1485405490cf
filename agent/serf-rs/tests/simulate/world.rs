//! A ring on virtual time: nodes, and a network that loses, delays, reorders
//! and doubles what they send.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serf_rs::{Change, Config, Event, Keyring, Node, Output, Status, StreamId, Time};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// No packet may be larger.
const LARGEST_PACKET: usize = 1400;

/// A paused machine keeps so many packets.
const BUFFERED: usize = 256;

/// How the network treats packets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Network {
    /// Of so many packets one is lost, from 0 to 1.
    pub(crate) loss: f64,
    /// Shortest and longest way, in milliseconds.
    pub(crate) delay: (f64, f64),
    /// Of so many packets one comes twice.
    pub(crate) doubled: f64,
}

impl Default for Network {
    fn default() -> Self {
        Self { loss: 0.0, delay: (0.1, 1.0), doubled: 0.0 }
    }
}

/// What a node noticed, and when.
#[derive(Clone, Debug)]
pub(crate) struct Noted {
    pub(crate) at: Time,
    pub(crate) event: Event,
}

pub(crate) struct Machine {
    pub(crate) node: Option<Node>,
    pub(crate) noted: Vec<Noted>,
    pub(crate) answers: Vec<(String, Vec<u8>)>,
    pub(crate) keys_done: Vec<serf_rs::KeyResult>,
    pub(crate) left: bool,
    name: String,
    address: SocketAddr,
    /// How much faster its clock runs than true time.
    rate: f64,
    /// Counts starts: what was meant for an earlier one goes nowhere.
    life: u32,
    paused_until: Option<Time>,
    buffered: Vec<(SocketAddr, Vec<u8>)>,
    wake: Option<Time>,
    streams: BTreeMap<StreamId, Far>,
}

/// The other end of a stream.
#[derive(Clone, Copy, Debug)]
struct Far {
    machine: usize,
    life: u32,
    stream: StreamId,
}

#[derive(Debug)]
enum Happens {
    Packet { to: usize, from: SocketAddr, bytes: Vec<u8> },
    Wake { machine: usize },
    Accept { to: usize, from: usize, life: u32, stream: StreamId, bytes: Vec<u8> },
    Data { to: usize, life: u32, stream: StreamId, bytes: Vec<u8> },
    Closed { to: usize, life: u32, stream: StreamId },
    Resume { machine: usize },
}

/// Nodes, a network, and a clock.
pub(crate) struct World {
    pub(crate) now: Time,
    pub(crate) machines: Vec<Machine>,
    pub(crate) network: Network,
    pub(crate) rng: StdRng,
    pub(crate) violations: Vec<String>,
    pub(crate) packets: u64,
    /// From, to: nothing gets through.
    pub(crate) cut: BTreeSet<(usize, usize)>,
    by_address: BTreeMap<SocketAddr, usize>,
    queue: BinaryHeap<Reverse<(Time, u64)>>,
    happenings: BTreeMap<u64, Happens>,
    count: u64,
    keyring: Option<Keyring>,
}

pub(crate) fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

impl World {
    pub(crate) fn new(seed: u64, n: usize, keyring: Option<Keyring>) -> Self {
        let mut world = Self {
            now: Time::START,
            machines: Vec::new(),
            network: Network::default(),
            rng: StdRng::seed_from_u64(seed),
            violations: Vec::new(),
            packets: 0,
            cut: BTreeSet::new(),
            by_address: BTreeMap::new(),
            queue: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            count: 0,
            keyring,
        };
        for place in 0..n {
            let ip = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 1)) + place as u32);
            let address = SocketAddr::new(ip.into(), 7946);
            world.by_address.insert(address, place);
            world.machines.push(Machine {
                node: None,
                noted: Vec::new(),
                answers: Vec::new(),
                keys_done: Vec::new(),
                left: false,
                name: format!("node-{place:04}"),
                address,
                rate: 1.0,
                life: 0,
                paused_until: None,
                buffered: Vec::new(),
                wake: None,
                streams: BTreeMap::new(),
            });
        }
        world
    }

    pub(crate) fn name(&self, machine: usize) -> &str {
        &self.machines[machine].name
    }

    /// Lets a machine's clock run wrong by up to `most`.
    pub(crate) fn skew(&mut self, machine: usize, most: f64) {
        self.machines[machine].rate = 1.0 + self.rng.random_range(-most..most);
    }

    fn local(&self, machine: usize) -> Time {
        Time::at(self.now.since_start().mul_f64(self.machines[machine].rate))
    }

    /// Switches a machine on; `tags` change with each start.
    pub(crate) fn start(&mut self, machine: usize) {
        let now = self.local(machine);
        let seed = std::array::from_fn(|_| self.rng.random());
        let state = &mut self.machines[machine];
        let mut config = Config::new(state.name.clone(), state.address);
        config.tags.insert("role".into(), "stone".into());
        config.keyring.clone_from(&self.keyring);
        state.node = Some(Node::new(now, config, seed).expect("a good configuration"));
        state.life += 1;
        state.left = false;
        state.wake = None;
        state.paused_until = None;
        state.streams.clear();
        self.settle(machine);
    }

    /// Cuts a machine's power.
    pub(crate) fn kill(&mut self, machine: usize) {
        let state = &mut self.machines[machine];
        state.node = None;
        state.life += 1;
        state.buffered.clear();
        state.noted.clear();
        state.wake = None;
    }

    /// Stops a machine, as SIGSTOP does, and lets it go on later.
    pub(crate) fn pause(&mut self, machine: usize, duration: Duration) {
        let until = self.now + duration;
        self.machines[machine].paused_until = Some(until);
        self.at(until, Happens::Resume { machine });
    }

    /// Joins `machine` to `to`.
    pub(crate) fn join(&mut self, machine: usize, to: usize) {
        let address = self.machines[to].address;
        self.with(machine, |node, now| {
            node.join(now, &[address], true);
        });
    }

    /// Does something with a node that runs.
    pub(crate) fn with<T>(
        &mut self,
        machine: usize,
        act: impl FnOnce(&mut Node, Time) -> T,
    ) -> Option<T> {
        let now = self.local(machine);
        let result = self.machines[machine].node.as_mut().map(|node| act(node, now));
        self.settle(machine);
        result
    }

    fn at(&mut self, at: Time, happens: Happens) {
        self.count += 1;
        self.queue.push(Reverse((at, self.count)));
        self.happenings.insert(self.count, happens);
    }

    fn delay(&mut self) -> Duration {
        let (least, most) = self.network.delay;
        seconds(self.rng.random_range(least..=most) / 1000.0)
    }

    fn is_paused(&self, machine: usize) -> bool {
        self.machines[machine].paused_until.is_some_and(|until| until > self.now)
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(Reverse((at, _))) = self.queue.peek() {
            if *at > end {
                break;
            }
            self.step();
        }
        self.now = end;
    }

    /// Lets time pass until something is so, or too much has passed. Whether it is so.
    pub(crate) fn run_until(&mut self, most: Duration, is_so: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + most;
        let pause = seconds(0.02);
        while self.now < end {
            if is_so(self) {
                return true;
            }
            self.run(pause);
        }
        is_so(self)
    }

    fn step(&mut self) {
        let Some(Reverse((at, key))) = self.queue.pop() else { return };
        let Some(happens) = self.happenings.remove(&key) else { return };
        self.now = self.now.max(at);
        match happens {
            Happens::Packet { to, from, bytes } => {
                if self.is_paused(to) {
                    let buffered = &mut self.machines[to].buffered;
                    if buffered.len() < BUFFERED {
                        buffered.push((from, bytes));
                    }
                } else {
                    self.with(to, |node, now| node.packet(now, from, &bytes));
                }
            }
            Happens::Wake { machine } => {
                if self.machines[machine].wake.is_none_or(|wake| wake > self.now) {
                    return;
                }
                self.machines[machine].wake = None;
                if !self.is_paused(machine) {
                    self.with(machine, Node::handle_timeout);
                }
            }
            Happens::Resume { machine } => {
                self.machines[machine].paused_until = None;
                for (from, bytes) in std::mem::take(&mut self.machines[machine].buffered) {
                    self.with(machine, |node, now| node.packet(now, from, &bytes));
                }
                self.with(machine, Node::handle_timeout);
            }
            Happens::Accept { to, from, life, stream, bytes } => {
                self.accept(to, from, life, stream, &bytes)
            }
            Happens::Data { to, life, stream, bytes } => {
                if self.machines[to].life == life {
                    self.with(to, |node, now| node.stream_data(now, stream, &bytes));
                }
            }
            Happens::Closed { to, life, stream } => {
                if self.machines[to].life == life {
                    self.machines[to].streams.remove(&stream);
                    self.with(to, |node, now| node.stream_closed(now, stream, "closed"));
                }
            }
        }
    }

    fn accept(&mut self, to: usize, from: usize, life: u32, stream: StreamId, bytes: &[u8]) {
        let address = self.machines[from].address;
        if self.is_paused(to) {
            // The kernel accepts; nobody reads until it goes on.
            let until = self.machines[to].paused_until.unwrap_or(self.now);
            self.at(
                until + seconds(0.001),
                Happens::Accept { to, from, life, stream, bytes: bytes.to_vec() },
            );
            return;
        }
        let theirs = self.with(to, |node, now| node.stream_accepted(now, address)).flatten();
        let Some(theirs) = theirs else {
            self.at(self.now, Happens::Closed { to: from, life, stream });
            return;
        };
        let far_life = self.machines[to].life;
        self.machines[to].streams.insert(theirs, Far { machine: from, life, stream });
        if self.machines[from].life == life {
            self.machines[from]
                .streams
                .insert(stream, Far { machine: to, life: far_life, stream: theirs });
        }
        self.with(to, |node, now| node.stream_data(now, theirs, bytes));
    }

    /// Carries out what a node wants.
    fn settle(&mut self, machine: usize) {
        loop {
            let state = &mut self.machines[machine];
            let Some(output) = state.node.as_mut().and_then(Node::poll_output) else { break };
            self.output(machine, output);
        }
        let state = &self.machines[machine];
        let Some(next) = state.node.as_ref().and_then(Node::next_timeout) else { return };
        let at = Time::at(next.since_start().div_f64(state.rate)).max(self.now)
            + Duration::from_nanos(1000);
        if state.wake.is_none_or(|wake| at < wake) {
            self.machines[machine].wake = Some(at);
            self.at(at, Happens::Wake { machine });
        }
    }

    fn output(&mut self, machine: usize, output: Output) {
        let from = self.machines[machine].address;
        match output {
            Output::Packet { to, bytes } => {
                self.packets += 1;
                if bytes.len() > LARGEST_PACKET {
                    self.violations.push(format!("a packet of {} bytes", bytes.len()));
                }
                let Some(&to) = self.by_address.get(&to) else { return };
                let times = 1 + usize::from(self.rng.random_bool(self.network.doubled));
                for _ in 0..times {
                    let lost = self.cut.contains(&(machine, to))
                        || self.rng.random_bool(self.network.loss);
                    let delay = self.delay();
                    if !lost {
                        self.at(
                            self.now + delay,
                            Happens::Packet { to, from, bytes: bytes.clone() },
                        );
                    }
                }
            }
            Output::StreamOpen { stream, to, bytes } => self.open(machine, stream, to, bytes),
            Output::StreamSend { stream, bytes } => {
                let Some(far) = self.machines[machine].streams.get(&stream).copied() else {
                    return;
                };
                if !self.is_cut(machine, far.machine) {
                    let at = self.now + self.stream_delay();
                    self.at(
                        at,
                        Happens::Data {
                            to: far.machine,
                            life: far.life,
                            stream: far.stream,
                            bytes,
                        },
                    );
                }
            }
            Output::StreamClose { stream } => {
                let Some(far) = self.machines[machine].streams.remove(&stream) else { return };
                if !self.is_cut(machine, far.machine) {
                    let at = self.now + self.stream_delay() + seconds(0.25);
                    self.at(
                        at,
                        Happens::Closed { to: far.machine, life: far.life, stream: far.stream },
                    );
                }
            }
            Output::Event(event) => {
                let noted = Noted { at: self.now, event };
                self.machines[machine].noted.push(noted);
            }
            Output::QueryAnswer { from, payload, .. } => {
                self.machines[machine].answers.push((from, payload.to_vec()));
            }
            Output::KeysDone { result, .. } => self.machines[machine].keys_done.push(result),
            Output::SaveKeyring { save, .. } => {
                let now = self.local(machine);
                if let Some(node) = &mut self.machines[machine].node {
                    node.keyring_saved(now, save, Ok(()));
                }
            }
            Output::Left => self.machines[machine].left = true,
            _ => {}
        }
    }

    /// A stream needs both directions.
    fn is_cut(&self, a: usize, b: usize) -> bool {
        self.cut.contains(&(a, b)) || self.cut.contains(&(b, a))
    }

    /// Lost segments are sent again: streams are slower instead.
    fn stream_delay(&mut self) -> Duration {
        self.arrives(0.2)
    }

    /// How long a segment is on its way that is sent again after so many
    /// seconds, and then after twice as many each time (RFC 6298).
    fn arrives(&mut self, mut again: f64) -> Duration {
        let mut delay = self.delay();
        while self.rng.random_bool(self.network.loss.min(0.9)) {
            delay += seconds(again);
            again *= 2.0;
        }
        delay
    }

    fn open(&mut self, machine: usize, stream: StreamId, to: SocketAddr, bytes: Vec<u8>) {
        let life = self.machines[machine].life;
        let Some(&to) = self.by_address.get(&to) else { return };
        if self.is_cut(machine, to) {
            return; // Its own patience ends it.
        }
        // The greeting of both sides waits a second for an answer.
        let at = self.now + self.arrives(1.0) + self.arrives(1.0) + self.arrives(0.2);
        if self.machines[to].node.is_none() {
            self.at(at, Happens::Closed { to: machine, life, stream });
        } else {
            self.at(at, Happens::Accept { to, from: machine, life, stream, bytes });
        }
    }

    /// The machines that run.
    pub(crate) fn running(&self) -> Vec<usize> {
        (0..self.machines.len()).filter(|machine| self.machines[*machine].node.is_some()).collect()
    }

    /// What `machine` believes of `other`.
    pub(crate) fn belief(&self, machine: usize, other: usize) -> Option<Status> {
        let node = self.machines[machine].node.as_ref()?;
        node.member(self.name(other)).map(|member| member.status)
    }

    /// Whether everyone who runs knows everyone who runs, and no one else, as alive.
    pub(crate) fn all_see_all(&self) -> bool {
        let running = self.running();
        let alive = |machine: &usize| {
            let node = self.machines[*machine].node.as_ref();
            node.map_or(0, |node| node.members().filter(|m| m.status == Status::Alive).count())
        };
        running.iter().all(|machine| alive(machine) == running.len())
            && running
                .iter()
                .all(|a| running.iter().all(|b| self.belief(*a, *b) == Some(Status::Alive)))
    }

    /// How often someone who runs was taken for failed since `since`.
    pub(crate) fn false_failures(&self, since: Time) -> usize {
        let running: BTreeSet<&str> =
            self.running().into_iter().map(|machine| self.name(machine)).collect();
        let noted = self.machines.iter().flat_map(|machine| &machine.noted);
        noted
            .filter(|noted| noted.at > since)
            .filter(|noted| match &noted.event {
                Event::Members { change: Change::Failed, members } => {
                    members.iter().any(|member| running.contains(&*member.name))
                }
                _ => false,
            })
            .count()
    }
}
