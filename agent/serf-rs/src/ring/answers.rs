//! Answering what others asked.
//!
//! Source: hashicorp/serf, `serf/event.go` (`Query.Respond`), `serf/query.go`
//! (`relayResponse`).

use super::events::EventError;
use super::queries::LARGEST;
use super::{Node, Timer};
use crate::event::{QueryId, Status};
use crate::time::Time;
use crate::wire::serf::{QueryResponse, encode_relay, kind};
use crate::wire::swim::encode;
use bytes::Bytes;
use rand::seq::IteratorRandom;
use std::net::SocketAddr;

/// Most others through whom an answer is sent as well. A packet can hold 255
/// queries, and each would be worth as many packets again.
const MOST_RELAYS: usize = 7;

/// A query that waits for this node's answer.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub(super) ltime: u64,
    pub(super) id: u32,
    pub(super) to: SocketAddr,
    pub(super) from: String,
    pub(super) relay_factor: u8,
    /// When nobody waits for the answer any more.
    pub(super) ends: Time,
}

impl Node {
    /// Answers a query that this node was asked, once.
    pub fn respond(
        &mut self,
        now: Time,
        query: QueryId,
        payload: impl Into<Bytes>,
    ) -> Result<(), EventError> {
        let payload = payload.into();
        let received = self.queries.received.get(&query.0).ok_or(EventError::NoQuery)?;
        let size =
            encode(kind::QUERY_RESPONSE, &response(received, &self.swim.name, 0, &payload)).len();
        if size > LARGEST {
            return Err(EventError::TooLarge { size, limit: LARGEST });
        }
        let Some(received) = self.take_received(query.0) else { return Ok(()) };
        self.answer(now, &received, 0, payload);
        self.settle(now);
        Ok(())
    }

    /// A query that waits for our answer no longer, nor does its timer.
    pub(super) fn take_received(&mut self, id: u64) -> Option<Received> {
        let received = self.queries.received.remove(&id)?;
        self.timers.remove(&(received.ends, Timer::Received(id)));
        Some(received)
    }

    /// Sends an answer straight back, and through others if that is wished.
    pub(super) fn answer(&mut self, now: Time, query: &Received, flags: u32, payload: Bytes) {
        let response = response(query, &self.swim.name, flags, &payload);
        if query.to == self.swim.address {
            self.query_answered(now, response);
            return;
        }
        let message = encode(kind::QUERY_RESPONSE, &response);
        self.send(query.to, &message);
        let factor = usize::from(query.relay_factor);
        if factor == 0 || self.members.len() < factor + 1 {
            return;
        }
        let relayed = encode_relay(query.to, &query.from, &message);
        let own = &self.swim.name;
        let others = self.members.values().map(|entry| &entry.member).filter(|member| {
            member.status == Status::Alive && member.name != *own && member.address != query.to
        });
        let others: Vec<SocketAddr> = others.map(|member| member.address).collect();
        let factor = factor.min(MOST_RELAYS);
        for to in others.into_iter().choose_multiple(&mut self.swim.rng, factor) {
            self.send(to, &relayed);
        }
    }
}

fn response(query: &Received, from: &str, flags: u32, payload: &Bytes) -> QueryResponse {
    QueryResponse {
        ltime: query.ltime,
        id: query.id,
        from: from.to_owned(),
        flags,
        payload: payload.clone(),
    }
}
