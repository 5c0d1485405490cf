//! Does what clients ask.

use super::client::{Answers, Requests};
use super::streaming::{self, Filters};
use super::wire;
use super::wire::RequestHeader;
use crate::agent::AgentError;
use crate::agent::handle::Agent;
use crate::agent::journal::Level;
use crate::agent::rejoin;
use crate::event::{Member, QueryId};
use crate::keyring::{Key, KeyError};
use crate::ring::{KeyOperation, KeyResult, QueryRequest, pattern};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::AbortHandle;

/// Most streams and open queries of a client.
const MOST_STREAMS: usize = 256;

/// What is known of a client.
pub(super) struct Session {
    agent: Agent,
    answers: Answers,
    key: Option<Arc<str>>,
    shaken: bool,
    trusted: bool,
    streams: BTreeMap<u64, AbortHandle>,
    monitor: Option<u64>,
}

const TOO_MANY: &str = "Too many streams and open queries on this connection";

impl Session {
    pub(super) fn new(agent: Agent, answers: Answers, key: Option<Arc<str>>) -> Self {
        let trusted = key.is_none();
        let streams = BTreeMap::new();
        Self { agent, answers, key, shaken: false, trusted, streams, monitor: None }
    }

    /// Whether the client has said which version it speaks, and the key.
    pub(super) const fn is_greeted(&self) -> bool {
        self.shaken && self.trusted
    }

    /// Whether there is room for another stream; forgets those that ended.
    fn has_room(&mut self) -> bool {
        self.streams.retain(|_, stream| !stream.is_finished());
        self.streams.len() < MOST_STREAMS
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for stream in self.streams.values() {
            stream.abort();
        }
    }
}

fn failed<T>(result: &Result<T, AgentError>) -> Option<String> {
    result.as_ref().err().map(ToString::to_string)
}

/// Serves one request. False: the connection is to be closed.
pub(super) async fn obey(
    session: &mut Session,
    requests: &mut Requests,
    RequestHeader { command, seq }: RequestHeader,
) -> io::Result<bool> {
    let refuse = |why: &str| Some(why.to_owned());
    let answers = session.answers.clone();
    let agent = session.agent.clone();
    match command.as_str() {
        "handshake" => {
            let request: wire::Handshake = requests.body().await?;
            let error = if request.version != 1 {
                refuse("Unsupported IPC version")
            } else if session.shaken {
                refuse("Handshake already performed")
            } else {
                session.shaken = true;
                None
            };
            answers.done(seq, error).await?;
            return Ok(true);
        }
        _ if !session.shaken => {
            answers.done(seq, refuse("Handshake required")).await?;
            return Ok(false);
        }
        "auth" => {
            let request: wire::Auth = requests.body().await?;
            session.trusted = session.key.as_ref().is_none_or(|key| same(key, &request.key));
            let error = if session.trusted { None } else { refuse("Invalid authentication token") };
            answers.done(seq, error).await?;
            return Ok(true);
        }
        _ if !session.trusted => {
            answers.done(seq, refuse("Authentication required")).await?;
            // Its body would be taken for the next request.
            return Ok(false);
        }
        "event" => {
            let wire::UserEvent { name, payload, coalesce } = requests.body().await?;
            let result = agent.user_event(name, payload, coalesce).await;
            answers.done(seq, failed(&result)).await?;
        }
        "force-leave" => {
            let wire::ForceLeave { node, prune } = requests.body().await?;
            let result = agent.force_leave(node, prune).await;
            answers.done(seq, failed(&result)).await?;
        }
        "join" => {
            let wire::Join { existing, replay } = requests.body().await?;
            let addresses = rejoin::resolve(&agent, &existing).await;
            let result = if addresses.is_empty() {
                Err(AgentError::Join("no address was given, or none could be looked up".to_owned()))
            } else {
                agent.join(addresses, replay).await
            };
            let error = failed(&result);
            let num = i32::try_from(result.unwrap_or_default()).unwrap_or(i32::MAX);
            answers.send(seq, error, &wire::Joined { num }).await?;
        }
        "members" => {
            let members = agent.members().await.unwrap_or_default();
            answers.send(seq, None, &described(&members)).await?;
        }
        "members-filtered" => {
            let filter: wire::MembersFilter = requests.body().await?;
            let members = agent.members().await.unwrap_or_default();
            match filtered(members, &filter) {
                Ok(members) => answers.send(seq, None, &described(&members)).await?,
                Err(pattern) => {
                    let error = Some(format!("Failed to compile regex: {pattern}"));
                    answers.send(seq, error, &described(&[])).await?;
                }
            }
        }
        "tags" => {
            let wire::Tags { tags: set, delete } = requests.body().await?;
            let result = retag(&agent, set, &delete).await;
            answers.done(seq, failed(&result)).await?;
        }
        "install-key" => keys(&agent, &answers, requests, seq, KeyOperation::Install).await?,
        "use-key" => keys(&agent, &answers, requests, seq, KeyOperation::Use).await?,
        "remove-key" => keys(&agent, &answers, requests, seq, KeyOperation::Remove).await?,
        "list-keys" => {
            let result = agent.keys(KeyOperation::List).await;
            key_answer(&answers, seq, result).await?;
        }
        "stats" => {
            let stats = stats(&agent).await;
            answers.send(seq, None, &stats).await?;
        }
        "get-coordinate" => {
            let wire::WhereIs { node } = requests.body().await?;
            let found = agent.coordinate(node).await.unwrap_or_default();
            answers.send(seq, None, &wire::Whereabouts::from(found)).await?;
        }
        "respond" => {
            let wire::Respond { id, payload } = requests.body().await?;
            let result = agent.respond(QueryId(id), payload).await;
            answers.done(seq, failed(&result)).await?;
        }
        "query" => {
            let request = requests.body().await?;
            if !session.has_room() {
                answers.done(seq, refuse(TOO_MANY)).await?;
                return Ok(true);
            }
            let result = agent.query(question(request)).await;
            answers.done(seq, failed(&result)).await?;
            if let Ok(asking) = result {
                let task = tokio::spawn(streaming::replies(asking, answers, seq));
                session.streams.insert(seq, task.abort_handle());
            }
        }
        "stream" => {
            let wire::Stream { kind } = requests.body().await?;
            stream(session, seq, &kind).await?;
        }
        "monitor" => {
            let wire::Monitor { level } = requests.body().await?;
            monitor(session, seq, &level).await?;
        }
        "stop" => {
            let wire::Stop { stop } = requests.body().await?;
            if let Some(stream) = session.streams.remove(&stop) {
                stream.abort();
            }
            session.monitor = session.monitor.filter(|monitor| *monitor != stop);
            answers.done(seq, None).await?;
        }
        "leave" => {
            let result = agent.leave().await;
            answers.done(seq, failed(&result)).await?;
            agent.shutdown().await;
            return Ok(false);
        }
        _ => {
            answers.done(seq, refuse("Unsupported command")).await?;
            return Ok(false);
        }
    }
    Ok(true)
}

/// Compares in the same time wherever the difference is.
fn same(key: &str, other: &str) -> bool {
    key.len() == other.len()
        && key.bytes().zip(other.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

fn described(members: &[Member]) -> wire::Members {
    wire::Members { members: members.iter().map(Into::into).collect() }
}

fn filtered(mut members: Vec<Member>, filter: &wire::MembersFilter) -> Result<Vec<Member>, String> {
    let whole = |expression: &String| {
        pattern(&format!("^(?:{expression})$")).ok_or_else(|| expression.clone())
    };
    for (tag, pattern) in &filter.tags {
        let pattern = whole(pattern)?;
        members.retain(|m| pattern.is_match(m.tags.get(tag).map_or("", String::as_str)));
    }
    if !filter.status.is_empty() {
        let pattern = whole(&filter.status)?;
        members.retain(|member| pattern.is_match(member.status.as_str()));
    }
    if !filter.name.is_empty() {
        let pattern = whole(&filter.name)?;
        members.retain(|member| pattern.is_match(&member.name));
    }
    Ok(members)
}

async fn retag(
    agent: &Agent,
    set: BTreeMap<String, String>,
    delete: &[String],
) -> Result<(), AgentError> {
    let mut tags = agent.tags().await?;
    tags.retain(|tag, _| !delete.contains(tag));
    tags.extend(set);
    agent.set_tags(tags).await
}

async fn keys(
    agent: &Agent,
    answers: &Answers,
    requests: &mut Requests,
    seq: u64,
    operation: fn(Key) -> KeyOperation,
) -> io::Result<()> {
    let wire::Key { key } = requests.body().await?;
    match Key::from_base64(&key) {
        Ok(key) => key_answer(answers, seq, agent.keys(operation(key)).await).await,
        Err(error @ (KeyError::Length | KeyError::Encoding | _)) => {
            answers.send(seq, Some(error.to_string()), &wire::KeyResult::default()).await
        }
    }
}

async fn key_answer(
    answers: &Answers,
    seq: u64,
    result: Result<KeyResult, AgentError>,
) -> io::Result<()> {
    let (error, result) = match result {
        Ok(result) => (result.problem(), result),
        Err(error) => (Some(error.to_string()), KeyResult::default()),
    };
    let KeyResult { messages, keys, primary, nodes, answered, errors } = result;
    let body = wire::KeyResult { messages, keys, primary, nodes, errors, answered };
    answers.send(seq, error, &body).await
}

async fn stats(agent: &Agent) -> BTreeMap<String, BTreeMap<String, String>> {
    let own = agent.members().await.unwrap_or_default();
    let name = own.iter().find(|member| member.address == agent.address());
    let one = |key: &str, value: String| BTreeMap::from([(key.to_owned(), value)]);
    BTreeMap::from([
        ("agent".to_owned(), one("name", name.map(|m| m.name.to_string()).unwrap_or_default())),
        ("runtime".to_owned(), one("version", format!("serf-rs {}", env!("CARGO_PKG_VERSION")))),
        ("serf".to_owned(), agent.stats().await.unwrap_or_default()),
        ("tags".to_owned(), agent.tags().await.unwrap_or_default()),
        ("event_handlers".to_owned(), BTreeMap::new()),
    ])
}

fn question(request: wire::Query) -> QueryRequest {
    let timeout = u64::try_from(request.timeout).ok().map(Duration::from_nanos);
    QueryRequest {
        name: request.name,
        payload: request.payload,
        nodes: request.nodes,
        tags: request.tags,
        ack: request.ack,
        relay_factor: request.relay_factor,
        timeout,
    }
}

async fn stream(session: &mut Session, seq: u64, kind: &str) -> io::Result<()> {
    let answers = session.answers.clone();
    let Some(filters) = Filters::read(kind) else {
        return answers.done(seq, Some("Invalid event filter".to_owned())).await;
    };
    if !session.has_room() {
        return answers.done(seq, Some(TOO_MANY.to_owned())).await;
    }
    if session.streams.contains_key(&seq) {
        return answers.done(seq, Some("Stream with given sequence exists".to_owned())).await;
    }
    // Subscribed before the answer: what happens after it is not missed.
    let events = session.agent.events();
    answers.done(seq, None).await?;
    let journal = session.agent.journal.clone();
    let task = tokio::spawn(streaming::events(events, filters, answers, seq, journal));
    session.streams.insert(seq, task.abort_handle());
    Ok(())
}

async fn monitor(session: &mut Session, seq: u64, level: &str) -> io::Result<()> {
    let answers = session.answers.clone();
    let Some(level) = Level::from_word(level) else {
        return answers.done(seq, Some(format!("Unknown log level: {level}"))).await;
    };
    if session.monitor.is_some() {
        return answers.done(seq, Some("Monitor already exists".to_owned())).await;
    }
    session.monitor = Some(seq);
    let (last, lines) = session.agent.journal.monitor();
    answers.done(seq, None).await?;
    let task = tokio::spawn(streaming::lines(last, lines, level, answers, seq));
    session.streams.insert(seq, task.abort_handle());
    Ok(())
}
