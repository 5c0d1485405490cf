//! Queries: what users ask everybody, and the answers.
//!
//! A query travels as gossip, answers come straight back. Source:
//! hashicorp/serf, `serf/query.go`, `serf/serf.go` (`Query`, `handleQuery`,
//! `handleQueryResponse`).

use super::answers::Received;
use super::clock::Clock;
use super::conflict::CONFLICT;
use super::events::EventError;
use super::keys::{self, Tally};
use super::{Node, Timer, Topic};
use crate::event::{Event, QueryEvent, QueryId};
use crate::output::Output;
use crate::swim::LONGEST_NAME;
use crate::time::Time;
use crate::wire::serf::{
    FLAG_ACK, FLAG_NO_BROADCAST, Filter, Query, QueryResponse, TagFilter, kind,
};
use crate::wire::swim::{NodeAddr, encode};
use bytes::Bytes;
use rand::Rng;
use regex_lite::{Regex, RegexBuilder};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// Queries are remembered for so many ticks of their clock.
const REMEMBERED: u64 = 512;
/// Most queries that are remembered: the oldest give way.
const MOST: usize = 16 * 1024;
/// Most queries that wait for this node's answer: the oldest give way.
const MOST_OPEN: usize = 1024;
/// Most nodes whose answers and confirmations are taken for one query.
const MOST_ANSWERS: usize = 16 * 1024;
/// Most bytes of these answers together: what so many members may say.
const MOST_ANSWERED: usize = MOST_ANSWERS * LARGEST;
/// Most filters of a query.
const MOST_FILTERS: usize = 16;
/// Most memory of a compiled filter. A pattern of twenty bytes can stand for
/// millions of states, each of which is tried for each byte of a tag.
const PATTERN: usize = 64 * 1024;
/// Most bytes of a query, and of an answer, encoded.
pub(super) const LARGEST: usize = 1024;
/// The longest that a query of somebody else is kept open for an answer.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// Queries of this prefix are Serf's own.
pub(super) const INTERNAL: &str = "_serf_";

/// Names a query that this node asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryKey(pub(super) u64);

/// A question to everybody.
#[derive(Clone, Debug, Default)]
pub struct QueryRequest {
    /// Its name.
    pub name: String,
    /// Its payload.
    pub payload: Bytes,
    /// Only these nodes are asked, if any are named.
    pub nodes: Vec<String>,
    /// Only nodes whose tags match these regular expressions are asked.
    pub tags: BTreeMap<String, String>,
    /// Whether nodes confirm that it arrived ([`Output::QueryAck`]).
    pub ack: bool,
    /// Through how many others each answer is sent as well, against loss; nodes
    /// of this crate take 7 at most.
    pub relay_factor: u8,
    /// How long answers are awaited; by default what the ring's size needs.
    pub timeout: Option<Duration>,
}

/// A query that this node asked.
#[derive(Debug)]
pub(super) struct Asked {
    id: u32,
    acks: BTreeSet<String>,
    answers: BTreeSet<String>,
    /// How many bytes these were.
    bytes: usize,
    pub(super) purpose: Purpose,
}

/// Who wants the answers.
#[derive(Debug)]
pub(super) enum Purpose {
    /// The caller.
    User,
    /// The keyring's change.
    Keys(Tally),
    /// The settling of a conflict.
    Conflict,
}

/// The queries that were heard and asked lately.
#[derive(Debug)]
pub(super) struct Queries {
    pub(super) clock: Clock,
    earliest: u64,
    heard: BTreeMap<u64, Vec<u32>>,
    heard_count: usize,
    pub(super) asked: BTreeMap<QueryKey, Asked>,
    pub(super) received: BTreeMap<u64, Received>,
    count: u64,
}

impl Queries {
    pub(super) const fn new(seen: u64) -> Self {
        Self {
            clock: Clock::after(seen),
            earliest: seen.saturating_add(1),
            heard: BTreeMap::new(),
            heard_count: 0,
            asked: BTreeMap::new(),
            received: BTreeMap::new(),
            count: 0,
        }
    }

    /// Notes a query. Whether it is news.
    fn note(&mut self, query: &Query) -> bool {
        if !self.clock.witness(query.ltime) {
            return false;
        }
        let oldest = self.clock.time().saturating_sub(REMEMBERED);
        if query.ltime < self.earliest.max(oldest) {
            return false;
        }
        let same = self.heard.entry(query.ltime).or_default();
        if same.contains(&query.id) {
            return false;
        }
        same.push(query.id);
        self.heard_count += 1;
        // As with events: what is forgotten is no news when it comes again.
        while let Some(first) = self.heard.first_entry() {
            if *first.key() >= oldest && self.heard_count <= MOST {
                break;
            }
            let (ltime, ids) = first.remove_entry();
            self.heard_count -= ids.len();
            self.earliest = self.earliest.max(ltime.saturating_add(1));
        }
        true
    }

    pub(super) fn forget(&mut self, id: u64) {
        self.received.remove(&id);
    }
}

impl Node {
    /// Asks everybody. Answers come as [`Output::QueryAnswer`].
    pub fn query(&mut self, now: Time, request: QueryRequest) -> Result<QueryKey, EventError> {
        let key = self.ask(now, request, Purpose::User)?;
        self.settle(now);
        Ok(key)
    }

    pub(super) fn ask(
        &mut self,
        now: Time,
        request: QueryRequest,
        purpose: Purpose,
    ) -> Result<QueryKey, EventError> {
        let mut filters = Vec::new();
        if !request.nodes.is_empty() {
            filters.push(Filter::Nodes(request.nodes).write());
        }
        for (tag, expression) in request.tags {
            if pattern(&expression).is_none() {
                return Err(EventError::Pattern(expression));
            }
            filters.push(Filter::Tag(TagFilter { tag, expression }).write());
        }
        let usual = self.config.profile.query_timeout(self.size());
        let timeout = request.timeout.filter(|timeout| !timeout.is_zero()).unwrap_or(usual);
        let query = Query {
            ltime: self.queries.clock.time(),
            id: self.swim.rng.random(),
            addr: NodeAddr::new(self.swim.address.ip()).write(),
            port: self.swim.address.port(),
            source_node: self.swim.name.to_string(),
            filters,
            flags: if request.ack { FLAG_ACK } else { 0 },
            relay_factor: request.relay_factor,
            timeout: i64::try_from(timeout.as_nanos()).unwrap_or(i64::MAX),
            name: request.name,
            payload: request.payload,
        };
        let message = encode(kind::QUERY, &query);
        if message.len() > LARGEST {
            return Err(EventError::TooLarge { size: message.len(), limit: LARGEST });
        }
        let key = QueryKey(self.queries.clock.tick());
        let (acks, answers) = (BTreeSet::new(), BTreeSet::new());
        let asked = Asked { id: query.id, acks, answers, bytes: 0, purpose };
        self.queries.asked.insert(key, asked);
        self.timers.insert((now + timeout, Timer::Query(key)));
        self.query_heard(now, query);
        self.tell(Topic::Query, &message, None);
        Ok(key)
    }

    /// A query was heard. Whether to tell it on.
    pub(super) fn query_heard(&mut self, now: Time, query: Query) -> bool {
        if !self.queries.note(&query) {
            return false;
        }
        let tell_on = query.flags & FLAG_NO_BROADCAST == 0;
        let meant = query.filters.len() <= MOST_FILTERS
            && query.filters.iter().all(|filter| self.is_meant(filter));
        if !meant {
            return tell_on;
        }
        let Some(ip) = NodeAddr::read(&query.addr) else { return tell_on };
        let timeout = Duration::from_nanos(u64::try_from(query.timeout).unwrap_or_default());
        let timeout = timeout.min(LONGEST);
        let received = Received {
            ltime: query.ltime,
            id: query.id,
            to: SocketAddr::new(ip.ip(), query.port),
            from: query.source_node.clone(),
            relay_factor: query.relay_factor,
            ends: now + timeout,
        };
        if query.flags & FLAG_ACK != 0 {
            self.answer(now, &received, FLAG_ACK, Bytes::new());
        }
        if let Some(internal) = query.name.strip_prefix(INTERNAL) {
            self.internal_query(now, internal, &query.payload, received);
            return tell_on;
        }
        if self.queries.received.len() >= MOST_OPEN
            && let Some((&oldest, _)) = self.queries.received.first_key_value()
        {
            self.swim.counters.refused += 1;
            self.take_received(oldest);
        }
        self.queries.count += 1;
        let id = self.queries.count;
        self.timers.insert((received.ends, Timer::Received(id)));
        self.queries.received.insert(id, received);
        self.emit(Event::Query(QueryEvent {
            id: QueryId(id),
            ltime: query.ltime,
            name: query.name,
            payload: query.payload,
            from: query.source_node,
            timeout,
        }));
        tell_on
    }

    /// Whether a filter lets this node answer.
    fn is_meant(&self, filter: &[u8]) -> bool {
        match Filter::read(filter) {
            Ok(Some(Filter::Nodes(names))) => names.iter().any(|name| **name == *self.swim.name),
            Ok(Some(Filter::Tag(TagFilter { tag, expression }))) => {
                let value = self.tags.get(&tag).map_or("", String::as_str);
                pattern(&expression).is_some_and(|pattern| pattern.is_match(value))
            }
            Ok(None) | Err(_) => false,
        }
    }

    fn internal_query(&mut self, now: Time, name: &str, payload: &Bytes, from: Received) {
        match name {
            // The acknowledgement is the answer.
            "ping" => {}
            CONFLICT => {
                if let Some(answer) = self.conflict_answer(payload) {
                    self.answer(now, &from, 0, answer);
                }
            }
            _ => self.key_query(now, name, payload, from),
        }
    }

    /// An answer to a query of ours arrived.
    pub(super) fn query_answered(&mut self, now: Time, response: QueryResponse) {
        let key = QueryKey(response.ltime);
        let Some(asked) = self.queries.asked.get_mut(&key).filter(|a| a.id == response.id) else {
            return;
        };
        let QueryResponse { from, payload, flags, .. } = response;
        let many = asked.acks.len().max(asked.answers.len()) >= MOST_ANSWERS;
        let much = asked.bytes + payload.len() > MOST_ANSWERED;
        if many || much || from.len() > LONGEST_NAME {
            self.swim.counters.refused += 1;
            return;
        }
        if flags & FLAG_ACK != 0 {
            if asked.acks.insert(from.clone()) && matches!(asked.purpose, Purpose::User) {
                self.swim.output.push_back(Output::QueryAck { query: key, from });
            }
            return;
        }
        // Relays bring the same answer again.
        if !asked.answers.insert(from.clone()) {
            return;
        }
        asked.bytes += payload.len();
        match &mut asked.purpose {
            Purpose::User => {
                self.swim.output.push_back(Output::QueryAnswer { query: key, from, payload });
            }
            Purpose::Keys(tally) => {
                if tally.count(from, &payload) {
                    self.query_ended(now, key);
                }
            }
            Purpose::Conflict => self.conflict_answered(&from, &payload),
        }
    }

    /// The time of a query of ours is over.
    pub(super) fn query_ended(&mut self, now: Time, query: QueryKey) {
        let Some(asked) = self.queries.asked.remove(&query) else { return };
        match asked.purpose {
            Purpose::User => self.swim.output.push_back(Output::QueryDone { query }),
            Purpose::Keys(tally) => {
                let result = keys::result(tally);
                self.swim.output.push_back(Output::KeysDone { query, result });
            }
            Purpose::Conflict => self.conflict_settled(now),
        }
    }
}

/// A pattern that can be matched quickly; none if it is no such pattern.
pub(crate) fn pattern(expression: &str) -> Option<Regex> {
    RegexBuilder::new(expression).size_limit(PATTERN).build().ok()
}
