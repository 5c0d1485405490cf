//! Nodes on virtual time, and the messages of a neighbour who means harm.

use rand::SeedableRng;
use rand::rngs::StdRng;
use serf_rs::wire::msgpack::Value;
use serf_rs::wire::stream::{self, Frame};
use serf_rs::wire::swim::{self, kind};
use serf_rs::wire::{Envelope, packet, serf};
use serf_rs::{Config, Event, JoinId, Key, Keyring, Node, Output, Status, StreamId, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// The largest packet.
pub(crate) const PACKET: usize = 1400;

pub(crate) fn at(last: u8) -> SocketAddr {
    ([10, 0, 0, last], 7946).into()
}

/// Whoever is at this address means harm.
pub(crate) fn stranger() -> SocketAddr {
    at(66)
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn keyring(byte: u8) -> Keyring {
    Keyring::new(Key::new(&[byte; 32]).unwrap()).unwrap()
}

/// Nodes that hear each other at once, and what they noticed.
pub(crate) struct Ring {
    pub(crate) now: Time,
    pub(crate) nodes: Vec<Heard>,
    /// Nothing gets from the first to the second.
    pub(crate) cut: Vec<(SocketAddr, SocketAddr)>,
    /// Streams to where nothing gets are not refused: they hang.
    pub(crate) cut_hangs: bool,
}

/// A node, and what came out of it.
pub(crate) struct Heard {
    pub(crate) node: Node,
    pub(crate) events: Vec<Event>,
    /// What it sent, whether anybody is there or not.
    pub(crate) packets: Vec<(SocketAddr, Vec<u8>)>,
    pub(crate) refused: usize,
    /// Who answered queries, and how many bytes that were.
    pub(crate) answers: Vec<String>,
    pub(crate) answered: usize,
    /// It was told to give its name to another.
    pub(crate) name_lost: bool,
    /// What came of its joins: how many were reached.
    pub(crate) joined: BTreeMap<JoinId, usize>,
    pub(crate) closed: Vec<StreamId>,
    pub(crate) sent: BTreeMap<StreamId, Vec<u8>>,
    /// The streams that it opened and that nobody has closed, and how many
    /// they were at most.
    open: BTreeSet<StreamId>,
    pub(crate) most_open: usize,
    ends: BTreeMap<StreamId, (usize, StreamId)>,
}

impl Ring {
    /// Nodes of these configurations that have joined the first.
    pub(crate) fn of(configs: Vec<Config>) -> Self {
        let node = |(place, config): (usize, Config)| Heard {
            node: Node::new(Time::START, config, [place as u8 + 1; 32]).unwrap(),
            events: Vec::new(),
            packets: Vec::new(),
            refused: 0,
            answers: Vec::new(),
            answered: 0,
            name_lost: false,
            joined: BTreeMap::new(),
            closed: Vec::new(),
            sent: BTreeMap::new(),
            open: BTreeSet::new(),
            most_open: 0,
            ends: BTreeMap::new(),
        };
        let nodes = configs.into_iter().enumerate().map(node).collect();
        let mut ring = Self { now: Time::START, nodes, cut: Vec::new(), cut_hangs: false };
        let first = ring.nodes[0].node.address();
        for place in 1..ring.nodes.len() {
            ring.nodes[place].node.join(ring.now, &[first], false);
        }
        ring.wait(seconds(5));
        let n = ring.nodes.len();
        assert!(ring.nodes.iter().all(|heard| heard.alive() == n), "they found each other");
        ring
    }

    /// Nodes `a`, `b`, … at [`at`]`(1)`, `(2)`, …
    pub(crate) fn plain(n: u8) -> Self {
        let name = |place: u8| char::from(b'a' + place).to_string();
        Self::of((0..n).map(|place| Config::new(name(place), at(place + 1))).collect())
    }

    pub(crate) fn first(&mut self) -> &mut Heard {
        &mut self.nodes[0]
    }

    /// The first node gets a packet from the stranger.
    pub(crate) fn packet(&mut self, bytes: &[u8]) {
        let now = self.now;
        self.first().node.packet(now, stranger(), bytes);
        self.settle();
    }

    /// The first node gets these messages from the stranger, each by itself.
    pub(crate) fn tell(&mut self, messages: impl IntoIterator<Item = Vec<u8>>) {
        for message in messages {
            self.packet(&message);
        }
    }

    /// The first node gets everything that the stranger writes to a connection.
    pub(crate) fn stream(&mut self, bytes: &[u8]) -> StreamId {
        let now = self.now;
        let stream = self.first().node.stream_accepted(now, stranger()).unwrap();
        for piece in bytes.chunks(16 * 1024) {
            self.first().node.stream_data(now, stream, piece);
        }
        self.settle();
        stream
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            self.settle();
            let next = self.nodes.iter().filter_map(|heard| heard.node.next_timeout()).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            for heard in &mut self.nodes {
                heard.node.handle_timeout(self.now);
            }
        }
        self.now = end;
    }

    /// Drops what came out of every node so far.
    pub(crate) fn forget(&mut self) {
        self.nodes.iter_mut().for_each(Heard::forget);
    }

    fn place_of(&self, address: SocketAddr) -> Option<usize> {
        self.nodes.iter().position(|heard| heard.node.address() == address)
    }

    /// Delivers what nodes send, until they send no more.
    pub(crate) fn settle(&mut self) {
        let next = |ring: &mut Self| {
            let mut nodes = ring.nodes.iter_mut().enumerate();
            nodes.find_map(|(place, heard)| Some((place, heard.node.poll_output()?)))
        };
        while let Some((from, output)) = next(self) {
            self.deliver(from, output);
        }
    }

    fn deliver(&mut self, from: usize, output: Output) {
        let (now, here) = (self.now, self.nodes[from].node.address());
        match output {
            Output::Packet { to, bytes } => {
                assert!(bytes.len() <= PACKET, "a packet of {} bytes to {to}", bytes.len());
                if let Some(place) = self.place_of(to)
                    && !self.cut.contains(&(here, to))
                {
                    self.nodes[place].node.packet(now, here, &bytes);
                }
                self.nodes[from].packets.push((to, bytes));
            }
            Output::StreamOpen { stream, to, bytes } => {
                let opener = &mut self.nodes[from];
                opener.open.insert(stream);
                opener.most_open = opener.most_open.max(opener.open.len());
                let place = self.place_of(to).filter(|_| !self.cut.contains(&(here, to)));
                let far = place.and_then(|place| {
                    Some((place, self.nodes[place].node.stream_accepted(now, here)?))
                });
                let Some((place, far)) = far else {
                    if self.cut_hangs {
                        return;
                    }
                    self.nodes[from].open.remove(&stream);
                    self.nodes[from].node.stream_closed(now, stream, "nobody is there");
                    return;
                };
                self.nodes[from].ends.insert(stream, (place, far));
                self.nodes[place].ends.insert(far, (from, stream));
                self.nodes[place].node.stream_data(now, far, &bytes);
            }
            Output::StreamSend { stream, bytes } => {
                if let Some((place, far)) = self.nodes[from].ends.get(&stream).copied() {
                    self.nodes[place].node.stream_data(now, far, &bytes);
                }
                self.nodes[from].sent.entry(stream).or_default().extend(bytes);
            }
            Output::StreamClose { stream } => {
                self.nodes[from].open.remove(&stream);
                self.nodes[from].closed.push(stream);
            }
            Output::Refused { .. } => self.nodes[from].refused += 1,
            Output::QueryAnswer { from: name, payload, .. } => {
                self.nodes[from].answers.push(name);
                self.nodes[from].answered += payload.len();
            }
            Output::Joined { join, reached, .. } => {
                self.nodes[from].joined.insert(join, reached);
            }
            Output::NameLost { .. } => self.nodes[from].name_lost = true,
            Output::Event(event) => self.nodes[from].events.push(event),
            _ => {}
        }
    }
}

impl Heard {
    pub(crate) fn alive(&self) -> usize {
        self.node.members().filter(|member| member.status == Status::Alive).count()
    }

    pub(crate) fn status(&self, name: &str) -> Option<Status> {
        self.node.member(name).map(|member| member.status)
    }

    /// The names of users' events, in their order.
    pub(crate) fn user_events(&self) -> Vec<&str> {
        let events = self.events.iter().filter_map(|event| match event {
            Event::User(user) => Some(user.name.as_str()),
            _ => None,
        });
        events.collect()
    }

    /// How many queries it was asked.
    pub(crate) fn queries(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, Event::Query(_))).count()
    }

    /// Drops what came out of it so far.
    pub(crate) fn forget(&mut self) {
        self.events = Vec::new();
        self.packets = Vec::new();
        self.answers = Vec::new();
        self.closed = Vec::new();
        self.sent = BTreeMap::new();
    }

    pub(crate) fn stat(&self, name: &str) -> u64 {
        self.node.stats()[name].parse().unwrap()
    }
}

/// What a node would tell in an exchange: itself, and all it knows.
pub(crate) fn exchange(ring: &mut Ring) -> Vec<swim::NodeState> {
    let ask = Frame::PushPull { join: false, nodes: Vec::new(), user_state: Default::default() };
    let stream = ring.stream(&written(&ask));
    let answer = &ring.first().sent[&stream];
    let frame = stream::Collector::default().feed(answer, &Envelope::default());
    match frame.unwrap().unwrap() {
        Frame::PushPull { nodes, .. } => nodes,
        other => panic!("{other:?}"),
    }
}

/// The last query that the first node told on.
pub(crate) fn asked(ring: &mut Ring) -> serf::Query {
    let mut asked = None;
    for (_, bytes) in &ring.first().packets {
        let each = |kind, body: &[u8]| {
            if kind == kind::USER && body.first() == Some(&serf::kind::QUERY) {
                asked = swim::decode(&body[1..]).ok();
            }
        };
        packet::read(bytes, &Envelope::default(), each).unwrap();
    }
    asked.unwrap()
}

/// The incarnation of the first node.
pub(crate) fn incarnation(ring: &mut Ring) -> u32 {
    let name = ring.first().node.name().to_owned();
    exchange(ring).into_iter().find(|node| node.name == name).unwrap().incarnation
}

/// The bytes of a frame in the clear.
pub(crate) fn written(frame: &Frame) -> Vec<u8> {
    stream::write(frame, &Envelope::default(), &mut StdRng::seed_from_u64(1))
}

/// Messages in one packet, as a member of a ring with these keys sends them.
pub(crate) fn sealed(messages: &[Vec<u8>], envelope: &Envelope) -> Vec<u8> {
    packet::write(messages, false, envelope, &mut StdRng::seed_from_u64(1))
}

/// A member lives, at an address that is nobody's.
pub(crate) fn alive(node: impl Into<String>, incarnation: u32) -> swim::Alive {
    swim::Alive {
        incarnation,
        node: node.into(),
        addr: vec![10, 9, 9, 9].into(),
        port: 7946,
        meta: serf::encode_tags(&BTreeMap::from([("role".into(), "ghost".into())])),
        versions: swim::Versions::OURS.write(),
    }
}

/// The same member, as an exchange tells of it.
pub(crate) fn state(name: impl Into<String>, state: u8) -> swim::NodeState {
    let swim::Alive { incarnation, node, addr, port, meta, versions } = alive(name, 1);
    swim::NodeState { name: node, addr, port, meta, incarnation, state, versions }
}

pub(crate) fn alive_message(node: impl Into<String>, incarnation: u32) -> Vec<u8> {
    swim::encode(kind::ALIVE, &alive(node, incarnation))
}

pub(crate) fn suspect(node: &str, from: &str, incarnation: u32) -> Vec<u8> {
    let message = swim::Suspect { incarnation, node: node.into(), from: from.into() };
    swim::encode(kind::SUSPECT, &message)
}

pub(crate) fn dead(node: &str, from: &str, incarnation: u32) -> Vec<u8> {
    let message = swim::Dead { incarnation, node: node.into(), from: from.into() };
    swim::encode(kind::DEAD, &message)
}

/// A message of the Serf layer.
pub(crate) fn user(kind: u8, message: &impl Value) -> Vec<u8> {
    [&[swim::kind::USER][..], &swim::encode(kind, message)].concat()
}

pub(crate) fn event(ltime: u64, name: impl Into<String>, payload: Vec<u8>) -> Vec<u8> {
    let message =
        serf::UserEvent { ltime, name: name.into(), payload: payload.into(), coalesce: false };
    user(serf::kind::USER_EVENT, &message)
}

pub(crate) fn query(ltime: u64, id: u32, name: &str) -> serf::Query {
    serf::Query {
        ltime,
        id,
        addr: vec![10, 0, 0, 66].into(),
        port: 7946,
        source_node: "ghost".into(),
        timeout: i64::MAX,
        name: name.into(),
        ..serf::Query::default()
    }
}

pub(crate) fn query_message(ltime: u64, id: u32, name: &str) -> Vec<u8> {
    user(serf::kind::QUERY, &query(ltime, id, name))
}

pub(crate) fn join(node: &str, ltime: u64) -> Vec<u8> {
    user(serf::kind::JOIN, &serf::Join { ltime, node: node.into() })
}

pub(crate) fn leave(node: &str, ltime: u64, prune: bool) -> Vec<u8> {
    user(serf::kind::LEAVE, &serf::Leave { ltime, node: node.into(), prune })
}

/// `plain`, compressed, as one message.
pub(crate) fn compressed(plain: &[u8]) -> Vec<u8> {
    let buffer = serf_rs::wire::lzw::compress(plain).unwrap().into();
    swim::encode(kind::COMPRESS, &swim::Compressed { algorithm: 0, buffer })
}

/// Messages in one, even if it is only one.
pub(crate) fn compound(parts: &[Vec<u8>]) -> Vec<u8> {
    let lengths = parts.iter().flat_map(|part| (part.len() as u16).to_be_bytes());
    let head = [kind::COMPOUND, parts.len() as u8].into_iter().chain(lengths);
    head.chain(parts.iter().flatten().copied()).collect()
}
