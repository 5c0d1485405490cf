//! What others tell, and what is told in an exchange of everything.
//!
//! Source: hashicorp/serf, `serf/delegate.go`.

use super::clock::Clock;
use super::events::Events;
use super::members::Entry;
use super::queries::Queries;
use super::{Node, Topic};
use crate::event::Status;
use crate::swim::Name;
use crate::time::Time;
use crate::wire::msgpack::{Malformed, Value};
use crate::wire::packet;
use crate::wire::serf::{Join, Leave, PushPull, UserEvent, decode_relay, kind};
use crate::wire::swim::{decode, encode};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// The largest datagram: answers to queries may be so large.
const DATAGRAM: usize = 65_507;

/// What this node tells in an exchange.
pub(super) fn local_state(
    members: &BTreeMap<Name, Entry>,
    clock: Clock,
    events: &Events,
    queries: &Queries,
) -> Bytes {
    let left = members.values().filter(|entry| entry.member.status == Status::Left);
    let state = PushPull {
        ltime: clock.time(),
        status_ltimes: members.iter().map(|(n, e)| (n.to_string(), e.status_ltime)).collect(),
        left: left.map(|entry| entry.member.name.to_string()).collect(),
        event_ltime: events.clock.time(),
        events: events.recent(),
        query_ltime: queries.clock.time(),
    };
    encode(kind::PUSH_PULL, &state).into()
}

impl Node {
    /// A message of the Serf layer arrived.
    pub(super) fn message(&mut self, now: Time, from: SocketAddr, message: &Bytes) {
        if let Err(error) = self.read_message(now, message) {
            self.swim.refused(from, &error);
        }
    }

    fn read_message(&mut self, now: Time, message: &Bytes) -> Result<(), Malformed> {
        let (&first, body) = message.split_first().ok_or(Malformed::Short(1))?;
        // Gossip fits a packet of any network, an answer one of UDP's largest.
        let limit = if first <= kind::QUERY { packet::SIZE } else { DATAGRAM };
        if message.len() > limit {
            return Err(Malformed::Range);
        }
        let topic = match first {
            kind::JOIN => self.join_intent(now, &decode(body)?).then_some(Topic::Intent),
            kind::LEAVE => self.leave_intent(now, &decode(body)?).then_some(Topic::Intent),
            kind::USER_EVENT => self.user_event_heard(decode(body)?).then_some(Topic::Event),
            kind::QUERY => self.query_heard(now, decode(body)?).then_some(Topic::Query),
            kind::QUERY_RESPONSE => {
                self.query_answered(now, decode(body)?);
                None
            }
            kind::RELAY => {
                let (to, relayed) = decode_relay(body)?;
                // Only what a query's answer is: this is no open relay.
                if relayed.first() == Some(&kind::QUERY_RESPONSE) {
                    let relayed = relayed.to_vec();
                    self.send(to, &relayed);
                }
                None
            }
            _ => return Err(Malformed::Range),
        };
        if let Some(topic) = topic {
            self.tell(topic, message, None);
        }
        Ok(())
    }

    /// Takes over what another node told in an exchange.
    pub(super) fn merge(&mut self, now: Time, from: SocketAddr, state: &Bytes, join: bool) {
        let theirs = match state.split_first() {
            Some((&kind::PUSH_PULL, body)) => decode::<PushPull>(body),
            _ => Err(Malformed::Range),
        };
        let theirs = match theirs {
            Ok(theirs) => theirs,
            Err(error) => return self.swim.refused(from, &error),
        };
        // Their clocks show the time of what comes next.
        self.clock.witness(theirs.ltime.saturating_sub(1));
        self.events.clock.witness(theirs.event_ltime.saturating_sub(1));
        self.queries.clock.witness(theirs.query_ltime.saturating_sub(1));
        let left: BTreeSet<&str> = theirs.left.iter().map(String::as_str).collect();
        for node in &left {
            // When it left is not told, only that it was after it joined.
            let joined = theirs.status_ltimes.get(*node).copied().unwrap_or_default();
            let leave =
                Leave { ltime: joined.saturating_add(1), node: (*node).to_owned(), prune: false };
            self.leave_intent(now, &leave);
        }
        for (node, ltime) in &theirs.status_ltimes {
            if !left.contains(node.as_str()) {
                self.join_intent(now, &Join { ltime: *ltime, node: node.clone() });
            }
        }
        if join && self.joins.values().any(|joining| joining.asked && !joining.replay) {
            self.events.ignore_before(theirs.event_ltime);
        }
        for past in theirs.events {
            for event in past.events {
                self.user_event_heard(UserEvent {
                    ltime: past.ltime,
                    name: event.name,
                    payload: event.payload,
                    // An exchange does not say.
                    coalesce: false,
                });
            }
        }
    }

    /// Tells everybody that this node is here to stay.
    pub(super) fn announce_join(&mut self, now: Time) {
        let join = Join { ltime: self.clock.time(), node: self.swim.name.to_string() };
        self.join_intent(now, &join);
        self.broadcast(Topic::Intent, kind::JOIN, &join, None);
    }

    /// Gossips a message of ours.
    pub(super) fn broadcast(
        &mut self,
        topic: Topic,
        kind: u8,
        message: &impl Value,
        mark: Option<u64>,
    ) {
        self.tell(topic, &encode(kind, message), mark);
    }
}
