//! Two members telling each other everything, and other streams.
//!
//! Source: hashicorp/memberlist, `state.go` (`pushPullNode`, `mergeState`,
//! `verifyProtocol`), `net.go` (`handleConn`).

use super::{Happened, State, Swim, Timer};
use crate::output::Output;
use crate::time::Time;
use crate::wire::stream::{self, Collector, Frame};
use crate::wire::swim::{Ack, Alive, Dead, NodeState, Ping, Suspect, Versions};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Most streams from others at a time: memberlist's limit of exchanges.
const MOST_STREAMS: usize = 128;

/// When there are that many, the oldest gives way if it took longer than this:
/// an exchange takes milliseconds, and idle connections shall keep nobody out.
const UNDISTURBED: Duration = Duration::from_secs(1);

/// So much of another node's words is worth telling.
const WORDS: usize = 200;

/// Most bytes that all unfinished streams hold together.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// After joining, so many exchanges with random members follow soon. The first
/// one showed a ring as one member saw it while others were joining; waiting
/// for the next regular one leaves stragglers for minutes.
const EARLY: [Duration; 3] =
    [Duration::from_millis(300), Duration::from_millis(900), Duration::from_millis(1800)];

/// Names a stream between the caller and this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub(crate) u64);

/// Names a call of [`crate::Node::join`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JoinId(pub(crate) u64);

#[derive(Debug)]
enum Purpose {
    /// Somebody connected to us.
    Accepted,
    /// We push and pull; for a join of somebody's.
    Exchange(Option<JoinId>),
    /// We ping.
    Ping(u32),
}

#[derive(Debug)]
struct Stream {
    purpose: Purpose,
    with: SocketAddr,
    since: Time,
    ends: Time,
    collected: Collector,
    bytes: usize,
}

#[derive(Debug, Default)]
pub(super) struct Streams {
    open: BTreeMap<StreamId, Stream>,
    opened: u64,
    bytes: usize,
}

impl Streams {
    /// How many exchanges that this node began are under way.
    pub(super) fn exchanges(&self) -> usize {
        let purposes = self.open.values().map(|stream| &stream.purpose);
        purposes.filter(|purpose| matches!(purpose, Purpose::Exchange(_))).count()
    }
}

impl Swim {
    fn add_stream(
        &mut self,
        now: Time,
        with: SocketAddr,
        purpose: Purpose,
        patience: Duration,
    ) -> StreamId {
        self.streams.opened += 1;
        let id = StreamId(self.streams.opened);
        let (ends, collected) = (now + patience, Collector::default());
        let stream = Stream { purpose, with, since: now, ends, collected, bytes: 0 };
        self.streams.open.insert(id, stream);
        self.set(ends, Timer::Stream(id));
        id
    }

    fn remove_stream(&mut self, id: StreamId) -> Option<Stream> {
        let stream = self.streams.open.remove(&id)?;
        self.streams.bytes -= stream.bytes;
        self.timers.remove(&(stream.ends, Timer::Stream(id)));
        Some(stream)
    }

    fn open_stream(
        &mut self,
        now: Time,
        to: SocketAddr,
        purpose: Purpose,
        patience: Duration,
        frame: &Frame,
    ) {
        let stream = self.add_stream(now, to, purpose, patience);
        let bytes = stream::write(frame, &self.envelope, &mut self.rng);
        self.output.push_back(Output::StreamOpen { stream, to, bytes });
    }

    /// Pushes our state to `to` and pulls theirs.
    pub(crate) fn exchange(
        &mut self,
        now: Time,
        to: SocketAddr,
        join: Option<JoinId>,
        user_state: Bytes,
    ) {
        let frame = self.local_state(join.is_some(), user_state);
        let patience = self.profile.stream_timeout;
        self.open_stream(now, to, Purpose::Exchange(join), patience, &frame);
    }

    fn local_state(&self, join: bool, user_state: Bytes) -> Frame {
        let nodes = self.peers.iter().map(|(name, peer)| peer.on_wire(name)).collect();
        Frame::PushPull { join, nodes, user_state }
    }

    /// Asks the layer above for an exchange with a random member.
    pub(super) fn exchange_with_someone(&mut self) {
        let someone = self.some_peers(1, |peer| peer.state == State::Alive);
        let address = someone.first().and_then(|name| self.peer(name)).map(super::Peer::address);
        self.happened.extend(address.map(Happened::ExchangeDue));
    }

    pub(super) fn ping_on_stream(&mut self, now: Time, to: SocketAddr, ping: Ping) {
        let seq = ping.seq;
        let patience = self.profile.probe_interval * (self.awareness + 1);
        let patience = patience.saturating_sub(self.profile.probe_timeout);
        self.open_stream(now, to, Purpose::Ping(seq), patience, &Frame::Ping(ping));
    }

    /// Somebody connected. None if there are too many streams already.
    pub(crate) fn stream_accepted(&mut self, now: Time, from: SocketAddr) -> Option<StreamId> {
        let open = self.streams.open.iter();
        let mut accepted = open.filter(|(_, stream)| matches!(stream.purpose, Purpose::Accepted));
        // Names of streams grow: the first is the oldest.
        let oldest = accepted.next().map(|(id, stream)| (*id, stream.since));
        if let Some((oldest, since)) = oldest
            && accepted.count() + 1 >= MOST_STREAMS
        {
            if now - since < UNDISTURBED {
                self.refused(from, &"too many connections at a time");
                return None;
            }
            self.give_up(oldest, "it took too long while others wait");
        }
        Some(self.add_stream(now, from, Purpose::Accepted, self.profile.stream_timeout))
    }

    /// Bytes arrived on a stream. `user_state` is what the layer above would
    /// tell the other side.
    pub(crate) fn stream_data(
        &mut self,
        now: Time,
        id: StreamId,
        bytes: &[u8],
        user_state: impl FnOnce(bool) -> Bytes,
    ) {
        if self.streams.bytes + bytes.len() > MOST_BYTES
            && let Some((&largest, _)) = self.streams.open.iter().max_by_key(|(_, s)| s.bytes)
        {
            self.give_up(largest, "it holds the most of what all connections may hold");
        }
        let Some(stream) = self.streams.open.get_mut(&id) else { return };
        stream.bytes += bytes.len();
        self.streams.bytes += bytes.len();
        let from = stream.with;
        match stream.collected.feed(bytes, &self.envelope) {
            Ok(None) => {}
            Ok(Some(frame)) => self.frame(now, id, frame, user_state),
            Err(error) => {
                self.refused(from, &error);
                let Some(stream) = self.remove_stream(id) else { return };
                match stream.purpose {
                    // Why, sealed if the ring is: only members can read it.
                    Purpose::Accepted => {
                        self.answer(id, &Frame::Refusal(error.to_string()));
                    }
                    purpose => self.stream_failed(&purpose, from, &error.to_string()),
                }
                self.output.push_back(Output::StreamClose { stream: id });
            }
        }
        self.plan_gossip(now);
    }

    /// Closes a stream for the sake of others.
    fn give_up(&mut self, id: StreamId, why: &str) {
        if let Some(stream) = self.remove_stream(id) {
            self.refused(stream.with, &why);
            self.stream_failed(&stream.purpose, stream.with, why);
            self.output.push_back(Output::StreamClose { stream: id });
        }
    }

    fn answer(&mut self, stream: StreamId, frame: &Frame) {
        let bytes = stream::write(frame, &self.envelope, &mut self.rng);
        self.output.push_back(Output::StreamSend { stream, bytes });
    }

    fn frame(
        &mut self,
        now: Time,
        id: StreamId,
        frame: Frame,
        user_state: impl FnOnce(bool) -> Bytes,
    ) {
        let Some(stream) = self.remove_stream(id) else { return };
        match (stream.purpose, frame) {
            (Purpose::Accepted, Frame::PushPull { join, nodes, user_state: theirs }) => {
                let ours = self.local_state(join, user_state(join));
                self.answer(id, &ours);
                if let Err(why) = self.merge(now, stream.with, &nodes, theirs, join) {
                    self.refused(stream.with, &why);
                }
            }
            (Purpose::Accepted, Frame::Ping(ping))
                if *ping.node == *self.name || ping.node.is_empty() =>
            {
                self.answer(id, &Frame::Ack(Ack { seq: ping.seq, payload: Bytes::new() }));
            }
            (Purpose::Accepted, Frame::User(message)) => {
                self.happened.push_back(Happened::Message { from: stream.with, message });
            }
            (Purpose::Exchange(join), Frame::PushPull { nodes, user_state: theirs, .. }) => {
                let result = self.merge(now, stream.with, &nodes, theirs, join.is_some());
                if let Some(join) = join {
                    if result.is_ok() {
                        self.plan_early_exchanges(now);
                    }
                    let address = stream.with;
                    self.happened.push_back(Happened::Joining { join, address, result });
                }
            }
            (Purpose::Ping(seq), Frame::Ack(ack)) if ack.seq == seq => self.stream_ack(seq),
            (purpose, Frame::Refusal(why)) => {
                // It goes into logs: no line breaks, and no novels.
                let why: String = why.chars().take(WORDS).flat_map(char::escape_debug).collect();
                self.stream_failed(&purpose, stream.with, &format!("refused: {why}"))
            }
            (purpose, _) => {
                self.stream_failed(&purpose, stream.with, "an answer that does not fit")
            }
        }
        self.output.push_back(Output::StreamClose { stream: id });
    }

    fn stream_failed(&mut self, purpose: &Purpose, address: SocketAddr, why: &str) {
        if let Purpose::Exchange(Some(join)) = *purpose {
            let result = Err(why.to_owned());
            self.happened.push_back(Happened::Joining { join, address, result });
        }
    }

    /// The connection ended, or never came about.
    pub(crate) fn stream_closed(&mut self, id: StreamId, why: &str) {
        if let Some(stream) = self.remove_stream(id) {
            self.stream_failed(&stream.purpose, stream.with, why);
        }
    }

    pub(super) fn stream_timed_out(&mut self, id: StreamId) {
        if let Some(stream) = self.remove_stream(id) {
            self.stream_failed(&stream.purpose, stream.with, "no answer in time");
            self.output.push_back(Output::StreamClose { stream: id });
        }
    }

    fn plan_early_exchanges(&mut self, now: Time) {
        for after in EARLY {
            let jitter = self.up_to(after / 2);
            self.set(now + after + jitter, Timer::EarlyPushPull);
        }
    }

    /// Takes over what another member knows.
    fn merge(
        &mut self,
        now: Time,
        from: SocketAddr,
        nodes: &[NodeState],
        user_state: Bytes,
        join: bool,
    ) -> Result<(), String> {
        check_versions(nodes)?;
        for node in nodes {
            let Some(state) = State::from_number(node.state) else { continue };
            match state {
                State::Alive => self.alive(
                    now,
                    Alive {
                        incarnation: node.incarnation,
                        node: node.name.clone(),
                        addr: node.addr.clone(),
                        port: node.port,
                        meta: node.meta.clone(),
                        versions: node.versions.clone(),
                    },
                ),
                State::Left => self.dead(
                    now,
                    Dead {
                        incarnation: node.incarnation,
                        node: node.name.clone(),
                        from: node.name.clone(),
                    },
                ),
                // Who is told to be dead gets the chance to refute.
                State::Dead | State::Suspect => self.suspect(
                    now,
                    Suspect {
                        incarnation: node.incarnation,
                        node: node.name.clone(),
                        from: self.name.to_string(),
                    },
                ),
            }
        }
        if !user_state.is_empty() {
            self.happened.push_back(Happened::UserState { from, state: user_state, join });
        }
        Ok(())
    }
}

/// Whether anybody there understands us, and we him. A few who do not are left
/// out one by one: somebody may have invented them.
fn check_versions(nodes: &[NodeState]) -> Result<(), String> {
    let alive = |node: &&NodeState| State::from_number(node.state) == Some(State::Alive);
    let versions: Vec<Versions> =
        nodes.iter().filter(alive).filter_map(|node| Versions::read(&node.versions)).collect();
    match versions.first() {
        Some(Versions([least, most, now, above_least, above_most, above]))
            if !versions.iter().any(|versions| versions.are_ours()) =>
        {
            Err(format!(
                "a member speaks protocol {now} and {above}, and understands {least} to {most} and {above_least} to {above_most}"
            ))
        }
        _ => Ok(()),
    }
}
