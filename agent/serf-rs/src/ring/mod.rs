//! Serf: names, tags, events and queries on top of membership.
//!
//! Source: hashicorp/serf, `serf/serf.go`, `serf/delegate.go`.
//!
//! - [`config`] says how a node takes part,
//! - [`members`] keeps who is there, leaves, left and failed,
//! - [`clock`] orders what happens,
//! - [`gossip`] reads what others tell,
//! - [`joining`] asks members for all they know,
//! - [`events`] are told to everybody, [`queries`] asked, and
//!   [`answers`] given,
//! - [`coalesce`] tells many events that come together as few,
//! - [`keys`] changes the keyring of the whole ring,
//! - [`conflict`] settles who keeps a name that two claim,
//! - [`leaving`] says goodbye properly.

mod answers;
mod clock;
mod coalesce;
mod config;
mod conflict;
mod events;
mod gossip;
mod joining;
mod keys;
mod leaving;
mod members;
mod queries;

pub use coalesce::Coalescing;
pub use config::{Clocks, Config, ConfigError};
pub use events::EventError;
pub use keys::{KeyOperation, KeyResult, SaveId};
#[cfg(feature = "agent")]
pub(crate) use queries::pattern;
pub use queries::{QueryKey, QueryRequest};

use crate::coordinate::{Coordinate, Vivaldi};
use crate::event::{Event, Member};
use crate::keyring::Keyring;
use crate::output::{Counters, Output};
use crate::swim::{Happened, JoinId, Name, StreamId, Swim, Topic};
use crate::time::Time;
use crate::wire::Envelope;
use crate::wire::swim::kind;
use clock::Clock;
use coalesce::Coalescer;
use config::checked_tags;
use conflict::Conflict;
use events::Events;
use joining::Joining;
use leaving::Leaving;
use members::Entry;
use queries::Queries;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Reap,
    Reconnect,
    Query(QueryKey),
    Received(u64),
    Prune(Name),
    Leave,
}

/// One node of a ring: told what arrives and what time it is, it says what to
/// send ([`Node::poll_output`]) and when to be called again
/// ([`Node::next_timeout`]).
pub struct Node {
    swim: Swim,
    config: Config,
    tags: Arc<BTreeMap<String, String>>,
    members: BTreeMap<Name, Entry>,
    intents: members::Intents,
    clock: Clock,
    events: Events,
    queries: Queries,
    coordinates: Vivaldi,
    joins: BTreeMap<JoinId, Joining>,
    joins_begun: u64,
    saves: keys::Saves,
    leaving: Option<Leaving>,
    conflict: Option<Conflict>,
    /// What happened since the last output was made of it.
    fresh: Vec<Event>,
    held: Coalescer,
    timers: BTreeSet<(Time, Timer)>,
}

impl Node {
    /// A node that is alone, until it joins or is joined.
    ///
    /// Everything random comes from `seed`, keys' nonces included: it has to be
    /// secret and another one for each start.
    pub fn new(now: Time, config: Config, seed: [u8; 32]) -> Result<Self, ConfigError> {
        config.check()?;
        let meta = checked_tags(&config.tags)?;
        let envelope = Envelope { keyring: config.keyring.clone(), label: config.label.clone() };
        let name: Name = config.name.as_str().into();
        let rng = StdRng::from_seed(seed);
        let swim = Swim::new(now, name, config.address, meta, config.profile, envelope, rng);
        let mut node = Self {
            swim,
            tags: Arc::new(config.tags.clone()),
            members: BTreeMap::new(),
            intents: members::Intents::default(),
            clock: Clock::after(config.clocks.members),
            events: Events::new(config.clocks.events),
            queries: Queries::new(config.clocks.queries),
            coordinates: Vivaldi::default(),
            joins: BTreeMap::new(),
            joins_begun: 0,
            saves: keys::Saves::default(),
            leaving: None,
            conflict: None,
            fresh: Vec::new(),
            held: Coalescer::new(config.coalesce_members, config.coalesce_events),
            timers: BTreeSet::new(),
            config,
        };
        node.swim.ack_payload = node.coordinates.payload();
        node.timers.insert((now + members::REAP, Timer::Reap));
        node.timers.insert((now + node.config.reconnect_interval, Timer::Reconnect));
        node.settle(now);
        Ok(node)
    }

    /// When [`Node::handle_timeout`] has something to do.
    pub fn next_timeout(&self) -> Option<Time> {
        let own = self.timers.first().map(|(at, _)| *at);
        [own, self.swim.next_timer(), self.held.next()].into_iter().flatten().min()
    }

    /// Does everything that is due.
    pub fn handle_timeout(&mut self, now: Time) {
        self.swim.run(now);
        while self.timers.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, timer)) = self.timers.pop_first() else { break };
            match timer {
                Timer::Reap => self.reap(now),
                Timer::Reconnect => self.reconnect(now),
                Timer::Query(key) => self.query_ended(now, key),
                Timer::Received(id) => self.queries.forget(id),
                Timer::Prune(name) => self.prune(now, &name),
                Timer::Leave => self.leave_on(now, None),
            }
        }
        self.settle(now);
    }

    /// What to do next, if anything.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.swim.output.pop_front()
    }

    /// A datagram arrived.
    pub fn packet(&mut self, now: Time, from: SocketAddr, bytes: &[u8]) {
        self.swim.packet(now, from, bytes);
        self.settle(now);
    }

    /// Somebody connected. None: close the connection.
    pub fn stream_accepted(&mut self, now: Time, from: SocketAddr) -> Option<StreamId> {
        self.swim.stream_accepted(now, from)
    }

    /// Bytes arrived on a stream.
    pub fn stream_data(&mut self, now: Time, stream: StreamId, bytes: &[u8]) {
        let Self { swim, members, clock, events, queries, .. } = self;
        let state = |_join| gossip::local_state(members, *clock, events, queries);
        swim.stream_data(now, stream, bytes, state);
        self.settle(now);
    }

    /// A stream ended, or could not be opened.
    pub fn stream_closed(&mut self, now: Time, stream: StreamId, why: &str) {
        self.swim.stream_closed(stream, why);
        self.settle(now);
    }

    /// Changes this node's tags and tells everybody.
    pub fn set_tags(
        &mut self,
        now: Time,
        tags: BTreeMap<String, String>,
    ) -> Result<(), ConfigError> {
        let meta = checked_tags(&tags)?;
        if *self.tags != tags {
            self.tags = Arc::new(tags);
            self.swim.set_meta(meta);
            self.settle(now);
        }
        Ok(())
    }

    /// This node's tags.
    pub fn tags(&self) -> &BTreeMap<String, String> {
        &self.tags
    }

    /// This node's name.
    pub fn name(&self) -> &str {
        &self.swim.name
    }

    /// Where others reach this node.
    pub const fn address(&self) -> SocketAddr {
        self.swim.address
    }

    /// Every member known, this node included, by name.
    pub fn members(&self) -> impl ExactSizeIterator<Item = &Member> {
        self.members.values().map(|entry| &entry.member)
    }

    /// One member.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members.get(name).map(|entry| &entry.member)
    }

    /// The ring's keys.
    pub const fn keyring(&self) -> Option<&Keyring> {
        self.swim.envelope.keyring.as_ref()
    }

    /// The last times seen: what a snapshot keeps.
    pub const fn clocks(&self) -> Clocks {
        Clocks {
            members: self.clock.time() - 1,
            events: self.events.clock.time() - 1,
            queries: self.queries.clock.time() - 1,
        }
    }

    /// Where a member is by round trip times, if it answered a probe yet.
    pub fn coordinate(&self, name: &str) -> Option<&Coordinate> {
        if *name == *self.swim.name {
            return Some(self.coordinates.own());
        }
        self.coordinates.of(name)
    }

    /// What was counted since the start.
    pub const fn counters(&self) -> Counters {
        self.swim.counters
    }

    /// How much this node doubts its own health: 0 is well, 7 the worst.
    pub const fn health_score(&self) -> u32 {
        self.swim.awareness()
    }

    /// Numbers for an operator, by the names that `serf info` prints.
    pub fn stats(&self) -> BTreeMap<String, String> {
        let status = |wanted| self.members().filter(|m| m.status == wanted).count().to_string();
        [
            ("members", self.members.len().to_string()),
            ("failed", status(crate::event::Status::Failed)),
            ("left", status(crate::event::Status::Left)),
            ("health_score", self.health_score().to_string()),
            ("member_time", self.clock.time().to_string()),
            ("event_time", self.events.clock.time().to_string()),
            ("query_time", self.queries.clock.time().to_string()),
            ("intent_queue", self.swim.waiting(Topic::Intent).to_string()),
            ("event_queue", self.swim.waiting(Topic::Event).to_string()),
            ("query_queue", self.swim.waiting(Topic::Query).to_string()),
            ("encrypted", self.keyring().is_some().to_string()),
            ("refused", self.counters().refused.to_string()),
            ("coordinate_resets", self.coordinates.resets().to_string()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }

    /// Takes in what membership reports, until it reports no more.
    fn settle(&mut self, now: Time) {
        while let Some(happened) = self.swim.happened.pop_front() {
            match happened {
                Happened::Joined(name) => self.joined(&name),
                Happened::Updated(name) => self.updated(&name),
                Happened::Gone(name) => self.gone(now, &name),
                Happened::Conflict { name, claimed_by } => {
                    self.name_claimed(now, &name, claimed_by)
                }
                Happened::Message { from, message } => self.message(now, from, &message),
                Happened::Answered { name, rtt, payload } => {
                    self.coordinates.observe(&name, rtt, &payload, &mut self.swim.rng);
                    self.swim.ack_payload = self.coordinates.payload();
                }
                Happened::ExchangeDue(with) => {
                    let state =
                        gossip::local_state(&self.members, self.clock, &self.events, &self.queries);
                    self.swim.exchange(now, with, None, state);
                }
                Happened::UserState { from, state, join } => self.merge(now, from, &state, join),
                Happened::Joining { join, address, result } => {
                    self.joining(now, join, address, result)
                }
                Happened::Told(mark) => self.leave_on(now, Some(mark)),
            }
        }
        self.swim.plan_gossip(now);
        for event in std::mem::take(&mut self.fresh) {
            let event = self.held.take(now, event);
            self.swim.output.extend(event.map(Output::Event));
        }
        self.swim.output.extend(self.held.release(now).into_iter().map(Output::Event));
    }

    fn emit(&mut self, event: Event) {
        self.fresh.push(event);
    }

    /// Gossips a message of ours or of others.
    fn tell(&mut self, topic: Topic, message: &[u8], mark: Option<u64>) {
        self.swim.tell(topic, None, wrap(message), mark);
    }

    /// Sends a message to one node.
    fn send(&mut self, to: SocketAddr, message: &[u8]) {
        self.swim.send(to, wrap(message));
    }

    /// How many members there are, dead ones included.
    fn size(&self) -> usize {
        self.swim.peers().len()
    }
}

/// A Serf message as membership carries it.
fn wrap(message: &[u8]) -> Vec<u8> {
    [&[kind::USER], message].concat()
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("name", &self.swim.name)
            .field("address", &self.swim.address)
            .field("members", &self.members.len())
            .finish_non_exhaustive()
    }
}
