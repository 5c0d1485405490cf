//! The task that owns the node.

use super::commands::{Command, JoinOutcome};
use super::files::{self, SnapshotFile};
use super::handle::{Agent, QueryReply};
use super::journal::{Journal, Level};
use super::streams::{self, Arrived, Outgoing};
use super::{AgentConfig, AgentError, discover, rejoin, rpc};
use crate::event::{Change, Event};
use crate::keyring::Keyring;
use crate::output::Output;
use crate::ring::{Clocks, EventError, KeyResult, Node, QueryKey};
use crate::snapshot::SnapshotLine;
use crate::swim::{JoinId, StreamId};
use crate::time::Time;
use rand::TryRngCore;
use rand::rngs::OsRng;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{broadcast, mpsc, oneshot};

/// The kernel keeps so many bytes of packets that were not read yet, if it
/// may: a large ring's join is a flood.
const RECEIVE_BUFFER: usize = 2 * 1024 * 1024;

/// So many packets are read in one go before anything else gets its turn.
const PACKETS_AT_ONCE: usize = 64;

pub(super) struct Driver {
    pub(super) node: Node,
    started: Instant,
    udp: UdpSocket,
    streams: BTreeMap<StreamId, Outgoing>,
    arrived: mpsc::Sender<Arrived>,
    /// How long the other end of a connection may take to read.
    patience: Duration,
    events: broadcast::Sender<Event>,
    pub(super) journal: Journal,
    keyring_file: Option<PathBuf>,
    pub(super) snapshot: Option<SnapshotFile>,
    pub(super) rejoin_after_leave: bool,
    written: Clocks,
    pub(super) joins: BTreeMap<JoinId, oneshot::Sender<JoinOutcome>>,
    pub(super) queries: BTreeMap<QueryKey, mpsc::UnboundedSender<QueryReply>>,
    pub(super) keys: BTreeMap<QueryKey, oneshot::Sender<Result<KeyResult, EventError>>>,
    pub(super) leaving: Vec<oneshot::Sender<()>>,
    pub(super) left: bool,
    pub(super) ended: bool,
}

/// Starts an agent.
pub(super) async fn start(mut config: AgentConfig) -> Result<Agent, AgentError> {
    let address = config.node.address;
    let bind = config.bind.unwrap_or(address);
    let (snapshot, remembered) = match &config.snapshot {
        Some(path) => {
            let (file, state) = SnapshotFile::open(path)?;
            config.node.clocks = state.clocks;
            (Some(file), state)
        }
        None => (None, crate::snapshot::Snapshot::default()),
    };
    if let (Some(path), Some(keyring)) = (&config.keyring_file, &config.node.keyring)
        && !path.exists()
    {
        let wrap = |source| AgentError::File { path: path.clone(), source };
        files::write_keyring(path, keyring).map_err(wrap)?;
    }
    let listen = |what| move |source| AgentError::Listen { address: bind, what, source };
    let udp = open_udp(bind).map_err(listen("UDP"))?;
    let tcp = TcpListener::bind(bind).await.map_err(listen("TCP"))?;
    let journal = Journal::new();
    let (commands, to_do) = mpsc::channel(64);
    let (arrived, arriving) = mpsc::channel(64);
    let mut seed = [0; 32];
    OsRng.try_fill_bytes(&mut seed).map_err(|error| AgentError::Random(error.to_string()))?;
    let name = config.node.name.clone();
    let patience = config.node.profile.stream_timeout;
    let node = Node::new(Time::START, config.node, seed)?;
    let agent = Agent::new(commands, journal.clone(), address);
    let rpc = match &config.rpc {
        Some((at, key)) => Some(rpc::listen(*at, key.clone()).await?),
        None => None,
    };
    let discovery = match &config.discover {
        Some(discovery) => Some(discover::start(discovery, &name, address)?),
        None => None,
    };
    let driver = Driver {
        node,
        started: Instant::now(),
        udp,
        streams: BTreeMap::new(),
        arrived,
        patience,
        events: agent.events.clone(),
        journal,
        keyring_file: config.keyring_file,
        snapshot,
        rejoin_after_leave: config.rejoin_after_leave,
        written: remembered.clocks,
        joins: BTreeMap::new(),
        queries: BTreeMap::new(),
        keys: BTreeMap::new(),
        leaving: Vec::new(),
        left: false,
        ended: false,
    };
    tokio::spawn(driver.run(tcp, to_do, arriving));
    let known = if remembered.left && !config.rejoin_after_leave {
        Vec::new()
    } else {
        remembered.alive.into_iter().filter(|(known, _)| *known != name).map(|(_, at)| at).collect()
    };
    rejoin::start(&agent, known, config.retry_join, config.replay);
    if let Some(discovery) = discovery {
        discovery.run(&agent, config.replay);
    }
    if let Some(rpc) = rpc {
        rpc.run(&agent);
    }
    Ok(agent)
}

fn open_udp(bind: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(bind),
        socket2::Type::DGRAM,
        Some(socket2::Protocol::UDP),
    )?;
    // The kernel gives what it may; less costs packets in a flood, no more.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    socket.set_nonblocking(true)?;
    socket.bind(&bind.into())?;
    UdpSocket::from_std(socket.into())
}

impl Driver {
    /// Writes the keyring's file, if there is to be one.
    pub(super) fn save_keyring(&self, keyring: &Keyring) -> Result<(), String> {
        let Some(path) = &self.keyring_file else { return Ok(()) };
        files::write_keyring(path, keyring)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))
            .inspect_err(|why| self.journal.note(Level::Error, format_args!("{why}")))
    }

    pub(super) fn now(&self) -> Time {
        Time::at(self.started.elapsed())
    }

    async fn run(
        mut self,
        tcp: TcpListener,
        mut to_do: mpsc::Receiver<Command>,
        mut arriving: mpsc::Receiver<Arrived>,
    ) {
        let mut packet = vec![0; 65536];
        self.act().await;
        while !self.ended {
            let wake =
                self.node.next_timeout().map_or(Duration::from_secs(3600), Time::since_start);
            let wake = tokio::time::Instant::from_std(self.started + wake);
            // Without an order: a flood of packets must not keep the others out.
            tokio::select! {
                readable = self.udp.readable() => if readable.is_ok() {
                    self.receive(&mut packet);
                },
                arrived = arriving.recv() => match arrived {
                    Some(Arrived::Data(id, bytes)) => self.node.stream_data(self.now(), id, &bytes),
                    Some(Arrived::Closed(id, why)) => {
                        self.streams.remove(&id);
                        self.node.stream_closed(self.now(), id, &why);
                    }
                    None => {}
                },
                accepted = tcp.accept() => match accepted {
                    Ok((stream, from)) => {
                        if let Some(id) = self.node.stream_accepted(self.now(), from) {
                            let outgoing = streams::serve(id, stream, self.patience, self.arrived.clone());
                            self.streams.insert(id, outgoing);
                        }
                    }
                    Err(error) => {
                        self.journal.note(Level::Error, format_args!("cannot accept connections: {error}"));
                        // Mostly too many open files: they close by themselves.
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
                command = to_do.recv() => match command {
                    Some(command) => self.obey(command),
                    None => self.ended = true,
                },
                () = tokio::time::sleep_until(wake) => {}
            }
            self.node.handle_timeout(self.now());
            self.act().await;
        }
    }

    fn receive(&mut self, buffer: &mut [u8]) {
        for _ in 0..PACKETS_AT_ONCE {
            match self.udp.try_recv_from(buffer) {
                Ok((length, from)) => {
                    let now = self.now();
                    self.node.packet(now, from, buffer.get(..length).unwrap_or_default());
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                // Somebody whom we sent to is not there: the probes will tell.
                Err(_) => {}
            }
        }
    }

    /// Does what the node wants done.
    async fn act(&mut self) {
        let mut lines = Vec::new();
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Packet { to, bytes } => {
                    // Lost packets are part of the protocol.
                    let _ = self.udp.send_to(&bytes, to).await;
                }
                Output::StreamOpen { stream, to, bytes } => {
                    let outgoing =
                        streams::open(stream, to, bytes, self.patience, self.arrived.clone());
                    self.streams.insert(stream, outgoing);
                }
                Output::StreamSend { stream, bytes } => {
                    if let Some(outgoing) = self.streams.get(&stream) {
                        // A connection that has ended reports that itself.
                        let _ = outgoing.send(bytes);
                    }
                }
                Output::StreamClose { stream } => {
                    self.streams.remove(&stream);
                }
                Output::Refused { from, why } => self.journal.refused(from, &why),
                Output::Event(event) => self.happened(event, &mut lines),
                Output::Joined { join, reached, errors } => {
                    if let Some(answer) = self.joins.remove(&join) {
                        let _ = answer.send((reached, errors));
                    }
                }
                Output::QueryAck { query, from } => self.reply(query, QueryReply::Ack(from)),
                Output::QueryAnswer { query, from, payload } => {
                    self.reply(query, QueryReply::Answer { from, payload });
                }
                Output::QueryDone { query } => {
                    self.queries.remove(&query);
                }
                Output::KeysDone { query, result } => {
                    if let Some(answer) = self.keys.remove(&query) {
                        let _ = answer.send(Ok(result));
                    }
                }
                Output::SaveKeyring { save, keyring } => {
                    let saved = self.save_keyring(&keyring);
                    let now = self.now();
                    self.node.keyring_saved(now, save, saved);
                }
                Output::Left => {
                    self.left = true;
                    for answer in self.leaving.drain(..) {
                        let _ = answer.send(());
                    }
                }
                Output::NameLost { matching, answered } => {
                    self.journal.note(Level::Error, format_args!(
                        "another node has the name `{}`, and {matching} of {answered} members side with this one: ending",
                        self.node.name()
                    ));
                    self.ended = true;
                }
            }
        }
        self.remember(lines);
    }

    fn reply(&mut self, query: QueryKey, reply: QueryReply) {
        if let Some(replies) = self.queries.get(&query) {
            // Who asked may have lost interest.
            let _ = replies.send(reply);
        }
    }

    fn happened(&mut self, event: Event, lines: &mut Vec<SnapshotLine>) {
        match &event {
            Event::Members { change, members } => {
                for member in members {
                    self.journal.note(
                        Level::Info,
                        format_args!("{}: {} {}", change.as_str(), member.name, member.address),
                    );
                    let name = member.name.to_string();
                    match change {
                        Change::Join => lines.push(SnapshotLine::Alive(name, member.address)),
                        Change::Leave | Change::Failed => lines.push(SnapshotLine::NotAlive(name)),
                        Change::Update | Change::Reap => {}
                    }
                }
            }
            Event::User(user) => {
                self.journal
                    .note(Level::Debug, format_args!("user event: {}", user.name.escape_debug()));
            }
            Event::Query(query) => {
                self.journal
                    .note(Level::Debug, format_args!("query: {}", query.name.escape_debug()));
            }
        }
        // Without subscribers nobody listens.
        let _ = self.events.send(event);
    }

    /// Writes down who lives and what time it is in the ring.
    fn remember(&mut self, mut lines: Vec<SnapshotLine>) {
        let Some(snapshot) = self.snapshot.as_mut().filter(|_| !self.node.is_leaving()) else {
            return;
        };
        let clocks = self.node.clocks();
        if clocks.members > self.written.members {
            lines.push(SnapshotLine::Clock(clocks.members));
        }
        if clocks.events > self.written.events {
            lines.push(SnapshotLine::EventClock(clocks.events));
        }
        if clocks.queries > self.written.queries {
            lines.push(SnapshotLine::QueryClock(clocks.queries));
        }
        if lines.is_empty() {
            return;
        }
        self.written = clocks;
        if let Err(error) = snapshot.add(lines) {
            self.journal.note(Level::Error, format_args!("cannot write the snapshot: {error}"));
        }
    }
}
