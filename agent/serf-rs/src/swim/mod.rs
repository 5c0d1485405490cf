//! Membership: who is in the ring, and who of them lives.
//!
//! SWIM with the Lifeguard extensions, as memberlist speaks it. Sources: Das,
//! Gupta, Motivala, *SWIM* (2002); Dadgar, Phillips, Currey, *Lifeguard*
//! (2018); hashicorp/memberlist, `state.go`.
//!
//! [`Swim`] is a state machine: it is told what arrived and what time it is,
//! and says what to send, when to be called again, and what happened.
//!
//! - [`peer`] holds what is known of a member,
//! - [`probe`] finds out whether members live,
//! - [`rumour`] is what members tell each other about members,
//! - [`suspicion`] gives a suspect time to answer,
//! - [`correction`] mends suspicions that are false,
//! - [`queue`] holds the gossip that is still to be told,
//! - [`gossip`] tells it,
//! - [`exchange`] is two members telling each other everything.

mod correction;
mod exchange;
mod gossip;
mod peer;
mod probe;
mod queue;
mod rumour;
mod suspicion;

pub use exchange::{JoinId, StreamId};
pub(crate) use peer::{Peer, State};
pub(crate) use queue::Topic;

use crate::output::{Counters, Output};
use crate::time::{Profile, Time};
use crate::wire::swim::{Dead, NodeAddr, Suspect, Versions, kind};
use crate::wire::{Envelope, packet};
use bytes::Bytes;
use correction::Corrections;
use exchange::Streams;
use probe::{Probe, Relay};
use queue::Queue;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::index;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A member's name.
pub(crate) type Name = Arc<str>;

/// Longest name: it keeps one rumour well within a packet.
pub(crate) const LONGEST_NAME: usize = 256;

/// Whether a node may be called so. Names end up in logs and in lines of the
/// snapshot, where a line break would begin a line that nobody wrote.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len()) && !name.contains(char::is_control)
}

/// Something that the layer above wants to know.
#[derive(Debug)]
pub(crate) enum Happened {
    /// A member is there that was not, or not alive.
    Joined(Name),
    /// A member's metadata changed.
    Updated(Name),
    /// A member died or left.
    Gone(Name),
    /// A node at another address claims a member's name.
    Conflict { name: Name, claimed_by: SocketAddr },
    /// A message for the layer above arrived.
    Message { from: SocketAddr, message: Bytes },
    /// A member answered a direct probe.
    Answered { name: Name, rtt: Duration, payload: Bytes },
    /// It is time to exchange everything with this member.
    ExchangeDue(SocketAddr),
    /// The other side's state for the layer above.
    UserState { from: SocketAddr, state: Bytes, join: bool },
    /// What came of a join of one address.
    Joining { join: JoinId, address: SocketAddr, result: Result<(), String> },
    /// A rumour with this mark was told as often as rumours are.
    Told(u64),
}

/// What time it will be when something is to be done.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Probe,
    ProbeTimeout(u32),
    ProbeEnd(u32),
    Relay(u32),
    Gossip,
    PushPull,
    EarlyPushPull,
    LastWord(Name),
    Suspicion(Name),
    Stream(StreamId),
}

/// The membership layer of one node.
pub(crate) struct Swim {
    pub(crate) name: Name,
    pub(crate) address: SocketAddr,
    pub(crate) profile: Profile,
    pub(crate) envelope: Envelope,
    pub(crate) rng: StdRng,
    /// What answers to pings carry.
    pub(crate) ack_payload: Bytes,
    pub(crate) output: VecDeque<Output>,
    pub(crate) happened: VecDeque<Happened>,
    pub(crate) counters: Counters,
    peers: BTreeMap<Name, Peer>,
    /// The members in the order in which they are probed.
    order: Vec<Name>,
    next_probe: usize,
    incarnation: u32,
    sequence: u32,
    /// How much this node doubts its own health; 0 is well.
    awareness: u32,
    leaving: bool,
    probe: Option<Probe>,
    relays: BTreeMap<u32, Relay>,
    queue: Queue,
    last_gossip: Option<Time>,
    gossip_planned: bool,
    streams: Streams,
    corrections: Corrections,
    timers: BTreeSet<(Time, Timer)>,
}

impl Swim {
    pub(crate) fn new(
        now: Time,
        name: Name,
        address: SocketAddr,
        meta: Bytes,
        profile: Profile,
        envelope: Envelope,
        rng: StdRng,
    ) -> Self {
        let mut swim = Self {
            name: Arc::clone(&name),
            address,
            profile,
            envelope,
            rng,
            ack_payload: Bytes::new(),
            output: VecDeque::new(),
            happened: VecDeque::new(),
            counters: Counters::default(),
            peers: BTreeMap::new(),
            order: Vec::new(),
            next_probe: 0,
            incarnation: 1,
            sequence: 0,
            awareness: 0,
            leaving: false,
            probe: None,
            relays: BTreeMap::new(),
            queue: Queue::default(),
            last_gossip: None,
            gossip_planned: false,
            streams: Streams::default(),
            corrections: Corrections::default(),
            timers: BTreeSet::new(),
        };
        let own = Peer {
            addr: NodeAddr::new(address.ip()),
            port: address.port(),
            meta,
            versions: Some(Versions::OURS),
            incarnation: 1,
            state: State::Alive,
            changed: now,
            suspicion: None,
        };
        swim.peers.insert(Arc::clone(&name), own);
        swim.order.push(Arc::clone(&name));
        swim.announce(1);
        swim.happened.push_back(Happened::Joined(name));
        // Nodes that start together do not probe together.
        let (probe, exchange) = (profile.probe_interval, profile.push_pull_interval);
        let first_probe = swim.up_to(probe);
        let first_exchange = swim.up_to(exchange);
        swim.set(now + first_probe, Timer::Probe);
        swim.set(now + first_exchange, Timer::PushPull);
        swim
    }

    /// When [`Swim::run`] has something to do.
    pub(crate) fn next_timer(&self) -> Option<Time> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Does everything that is due.
    pub(crate) fn run(&mut self, now: Time) {
        while let Some((at, _)) = self.timers.first() {
            if *at > now {
                break;
            }
            let Some((_, timer)) = self.timers.pop_first() else { break };
            match timer {
                Timer::Probe => self.probe_next(now),
                Timer::ProbeTimeout(seq) => self.probe_indirectly(now, seq),
                Timer::ProbeEnd(seq) => self.probe_ended(now, seq),
                Timer::Relay(seq) => self.relay_ended(seq),
                Timer::Gossip => self.gossip(now),
                Timer::PushPull => {
                    self.exchange_with_someone();
                    self.set(now + self.profile.push_pull(self.peers.len()), Timer::PushPull);
                }
                Timer::EarlyPushPull => self.exchange_with_someone(),
                Timer::LastWord(name) => self.last_word(&name),
                Timer::Suspicion(name) => self.suspicion_ended(now, &name),
                Timer::Stream(stream) => self.stream_timed_out(stream),
            }
        }
        self.plan_gossip(now);
    }

    /// A packet arrived.
    pub(crate) fn packet(&mut self, now: Time, from: SocketAddr, bytes: &[u8]) {
        self.counters.packets_received += 1;
        let mut messages = Vec::new();
        let read = packet::read(bytes, &self.envelope, |kind, body| {
            messages.push((kind, Bytes::copy_from_slice(body)));
        });
        for (kind, body) in messages {
            if let Err(error) = self.message(now, from, kind, &body) {
                self.refused(from, &error);
            }
        }
        if let Err(error) = read {
            self.refused(from, &error);
        }
        self.plan_gossip(now);
    }

    fn message(
        &mut self,
        now: Time,
        from: SocketAddr,
        kind: u8,
        body: &Bytes,
    ) -> Result<(), crate::wire::WireError> {
        use crate::wire::swim::decode;
        match kind {
            kind::PING => self.ping(from, &decode(body)?),
            kind::INDIRECT_PING => self.indirect_ping(now, from, decode(body)?),
            kind::ACK => self.ack(now, &decode(body)?),
            kind::NACK => self.nack(&decode(body)?),
            kind::SUSPECT => {
                let suspect: Suspect = decode(body)?;
                self.correct(now, from, &suspect.node, suspect.incarnation);
                self.suspect(now, suspect);
            }
            kind::ALIVE => self.alive(now, decode(body)?),
            kind::DEAD => {
                let dead: Dead = decode(body)?;
                self.correct(now, from, &dead.node, dead.incarnation);
                self.dead(now, dead);
            }
            kind::USER => {
                self.happened.push_back(Happened::Message { from, message: body.clone() });
            }
            other => return Err(crate::wire::WireError::Kind(other)),
        }
        Ok(())
    }

    /// Counts something that is not used, and says so for the log.
    pub(crate) fn refused(&mut self, from: SocketAddr, why: &impl ToString) {
        self.counters.refused += 1;
        self.output.push_back(Output::Refused { from, why: why.to_string() });
    }

    /// Sends one message, and as much gossip as fits with it. What fits no
    /// packet was made so by somebody else, and goes nowhere.
    pub(crate) fn send(&mut self, to: SocketAddr, message: Vec<u8>) {
        if message.len() + self.envelope.overhead() > packet::SIZE {
            self.counters.refused += 1;
            return;
        }
        let used = packet::COMPOUND_OVERHEAD + packet::EACH_OVERHEAD + message.len();
        let mut messages = vec![Bytes::from(message)];
        messages.append(&mut self.gossip_for(used));
        self.send_packet(to, &messages, false);
    }

    fn send_packet(&mut self, to: SocketAddr, messages: &[Bytes], checksum: bool) {
        let bytes = packet::write(messages, checksum, &self.envelope, &mut self.rng);
        self.counters.packets_sent += 1;
        self.output.push_back(Output::Packet { to, bytes });
    }

    /// Up to `count` other members that `wanted` likes, at random.
    fn some_peers(&mut self, count: usize, wanted: impl Fn(&Peer) -> bool) -> Vec<Name> {
        let mut chosen: Vec<Name> = Vec::with_capacity(count);
        let n = self.order.len();
        let tries = if n < count * 8 { n } else { count * 8 };
        for place in index::sample(&mut self.rng, n, tries.min(n)) {
            if chosen.len() == count {
                break;
            }
            let Some(name) = self.order.get(place) else { continue };
            if *name != self.name && self.peers.get(name).is_some_and(&wanted) {
                chosen.push(Arc::clone(name));
            }
        }
        chosen
    }

    /// Every member, this node included.
    pub(crate) fn peers(&self) -> impl ExactSizeIterator<Item = (&Name, &Peer)> {
        self.peers.iter()
    }

    pub(crate) fn peer(&self, name: &str) -> Option<&Peer> {
        self.peers.get(name)
    }

    /// How much this node doubts its own health.
    pub(crate) const fn awareness(&self) -> u32 {
        self.awareness
    }

    fn note_health(&mut self, delta: i64) {
        let worst = i64::from(self.profile.awareness_max) - 1;
        let score = (i64::from(self.awareness) + delta).clamp(0, worst);
        self.awareness = u32::try_from(score).unwrap_or_default();
    }

    fn set(&mut self, at: Time, timer: Timer) {
        self.timers.insert((at, timer));
    }

    /// A random duration below `most`.
    pub(crate) fn up_to(&mut self, most: Duration) -> Duration {
        most.mul_f64(self.rng.random::<f64>())
    }
}
