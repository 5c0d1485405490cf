//! What a program holds of its agent.

use super::commands::Command;
use super::driver;
use super::journal::Journal;
use super::{AgentConfig, AgentError};
use crate::coordinate::Coordinate;
use crate::event::{Event, Member, QueryId};
use crate::keyring::Keyring;
use crate::ring::{EventError, KeyOperation, KeyResult, QueryRequest};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot};

/// A handle to a running node. The node ends, without leaving, when the last
/// handle is dropped: others will see it fail.
#[derive(Clone, Debug)]
pub struct Agent {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) events: broadcast::Sender<Event>,
    pub(super) journal: Journal,
    address: SocketAddr,
}

/// Something from [`Events`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Occurred {
    /// This happened.
    Event(Event),
    /// So many events came faster than they were read, and are lost. The
    /// members are still known: see [`Agent::members`].
    Missed(u64),
}

/// What happens in the ring, from the moment on that it was asked for.
#[derive(Debug)]
pub struct Events(broadcast::Receiver<Event>);

impl Events {
    /// The next one; none when the agent has ended.
    pub async fn next(&mut self) -> Option<Occurred> {
        match self.0.recv().await {
            Ok(event) => Some(Occurred::Event(event)),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Occurred::Missed(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// What comes back from a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryReply {
    /// This node confirms that the query arrived.
    Ack(String),
    /// This node answers.
    Answer {
        /// Which node.
        from: String,
        /// What it answers.
        payload: Bytes,
    },
}

/// An open query.
#[derive(Debug)]
pub struct Asking(mpsc::UnboundedReceiver<QueryReply>);

impl Asking {
    /// The next reply; none when the query's time is over.
    pub async fn next(&mut self) -> Option<QueryReply> {
        self.0.recv().await
    }
}

impl Agent {
    /// Opens the sockets, reads the files, and takes part in the ring.
    pub async fn start(config: AgentConfig) -> Result<Self, AgentError> {
        driver::start(config).await
    }

    pub(super) fn new(
        commands: mpsc::Sender<Command>,
        journal: Journal,
        address: SocketAddr,
    ) -> Self {
        // Slow readers are told what they missed; see `Occurred::Missed`.
        Self { commands, events: broadcast::channel(256).0, journal, address }
    }

    /// A handle to an agent that has ended: whatever it is asked, it says so.
    #[cfg(any(test, fuzzing))]
    pub(super) fn ended_already() -> Self {
        Self::new(mpsc::channel(1).0, Journal::new(), ([127, 0, 0, 1], 7946).into())
    }

    /// A handle made of the parts that a background task keeps.
    pub(super) const fn revive(
        commands: mpsc::Sender<Command>,
        events: broadcast::Sender<Event>,
        journal: Journal,
        address: SocketAddr,
    ) -> Self {
        Self { commands, events, journal, address }
    }

    /// Where others reach this node.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What happens from now on.
    pub fn events(&self) -> Events {
        Events(self.events.subscribe())
    }

    async fn call<T>(
        &self,
        make: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, AgentError> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(make(answer)).await.map_err(|_| AgentError::Ended)?;
        answered.await.map_err(|_| AgentError::Ended)
    }

    /// Every member known, by name.
    pub async fn members(&self) -> Result<Vec<Member>, AgentError> {
        self.call(Command::Members).await
    }

    /// Joins the rings of these nodes. Returns how many were reached.
    pub async fn join(
        &self,
        addresses: Vec<SocketAddr>,
        replay: bool,
    ) -> Result<usize, AgentError> {
        let (reached, errors) =
            self.call(|answer| Command::Join { addresses, replay, answer }).await?;
        if reached > 0 || errors.is_empty() {
            return Ok(reached);
        }
        let why: Vec<String> = errors.iter().map(|(to, why)| format!("{to}: {why}")).collect();
        Err(AgentError::Join(why.join("; ")))
    }

    /// Leaves the ring properly; returns when others know. The agent goes on
    /// to answer, alone.
    pub async fn leave(&self) -> Result<(), AgentError> {
        self.call(Command::Leave).await
    }

    /// Takes a failed member for left. Whether there is such a member.
    pub async fn force_leave(&self, name: String, prune: bool) -> Result<bool, AgentError> {
        self.call(|answer| Command::ForceLeave { name, prune, answer }).await
    }

    /// Tells everybody.
    pub async fn user_event(
        &self,
        name: String,
        payload: impl Into<Bytes>,
        coalesce: bool,
    ) -> Result<(), AgentError> {
        let payload = payload.into();
        Ok(self.call(|answer| Command::UserEvent { name, payload, coalesce, answer }).await??)
    }

    /// Asks everybody.
    pub async fn query(&self, request: QueryRequest) -> Result<Asking, AgentError> {
        let (replies, asking) = mpsc::unbounded_channel();
        self.call(|answer| Command::Query { request, replies, answer }).await??;
        Ok(Asking(asking))
    }

    /// Answers a query that came as an event.
    pub async fn respond(
        &self,
        query: QueryId,
        payload: impl Into<Bytes>,
    ) -> Result<(), AgentError> {
        let payload = payload.into();
        Ok(self.call(|answer| Command::Respond { query, payload, answer }).await??)
    }

    /// Changes or lists the keys of the whole ring.
    pub async fn keys(&self, operation: KeyOperation) -> Result<KeyResult, AgentError> {
        let result: Result<KeyResult, EventError> =
            self.call(|answer| Command::Keys { operation, answer }).await?;
        Ok(result?)
    }

    /// Gives this node alone these keys, once they are safe. Unlike [`Agent::keys`]
    /// nothing of them goes through the ring, where whoever has the old key reads the
    /// new one.
    pub async fn set_keyring(&self, keyring: Keyring) -> Result<(), AgentError> {
        self.call(|answer| Command::SetKeyring { keyring, answer }).await?.map_err(AgentError::Save)
    }

    /// This node's tags.
    pub async fn tags(&self) -> Result<BTreeMap<String, String>, AgentError> {
        self.call(Command::Tags).await
    }

    /// Changes this node's tags.
    pub async fn set_tags(&self, tags: BTreeMap<String, String>) -> Result<(), AgentError> {
        Ok(self.call(|answer| Command::SetTags { tags, answer }).await??)
    }

    /// Where a member is by round trip times, if it answered a probe yet.
    pub async fn coordinate(&self, name: String) -> Result<Option<Coordinate>, AgentError> {
        self.call(|answer| Command::Coordinate { name, answer }).await
    }

    /// The estimated round trip time between two members.
    pub async fn rtt(&self, one: String, other: String) -> Result<Option<Duration>, AgentError> {
        let (one, other) = (self.coordinate(one).await?, self.coordinate(other).await?);
        Ok(one.zip(other).map(|(one, other)| one.distance(&other)))
    }

    /// Numbers for an operator.
    pub async fn stats(&self) -> Result<BTreeMap<String, String>, AgentError> {
        self.call(Command::Stats).await
    }

    /// Ends the node at once. Without [`Agent::leave`] before, others see it fail.
    pub async fn shutdown(&self) {
        // If it has ended already, that is what was wanted.
        let _ = self.call(Command::Shutdown).await;
    }

    /// Returns when the node has ended, by [`Agent::shutdown`] or because the
    /// ring gave its name to another.
    pub async fn ended(&self) {
        self.commands.closed().await;
    }
}
