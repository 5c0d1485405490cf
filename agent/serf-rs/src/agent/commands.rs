//! What handles want of the driver, and how it obeys.

use super::driver::Driver;
use super::handle::QueryReply;
use super::journal::Level;
use crate::coordinate::Coordinate;
use crate::event::{Member, QueryId};
use crate::keyring::Keyring;
use crate::ring::{ConfigError, EventError, KeyOperation, KeyResult, QueryRequest};
use crate::snapshot::SnapshotLine;
use crate::time::Time;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use tokio::sync::{mpsc, oneshot};

/// How many addresses were reached, and what the others failed with.
pub(super) type JoinOutcome = (usize, Vec<(SocketAddr, String)>);

/// Something that a handle wants.
#[derive(Debug)]
pub(super) enum Command {
    Members(oneshot::Sender<Vec<Member>>),
    Join {
        addresses: Vec<SocketAddr>,
        replay: bool,
        answer: oneshot::Sender<JoinOutcome>,
    },
    Leave(oneshot::Sender<()>),
    ForceLeave {
        name: String,
        prune: bool,
        answer: oneshot::Sender<bool>,
    },
    UserEvent {
        name: String,
        payload: Bytes,
        coalesce: bool,
        answer: oneshot::Sender<Result<(), EventError>>,
    },
    Query {
        request: QueryRequest,
        replies: mpsc::UnboundedSender<QueryReply>,
        answer: oneshot::Sender<Result<(), EventError>>,
    },
    Respond {
        query: QueryId,
        payload: Bytes,
        answer: oneshot::Sender<Result<(), EventError>>,
    },
    Keys {
        operation: KeyOperation,
        answer: oneshot::Sender<Result<KeyResult, EventError>>,
    },
    SetKeyring {
        keyring: Keyring,
        answer: oneshot::Sender<Result<(), String>>,
    },
    Tags(oneshot::Sender<BTreeMap<String, String>>),
    SetTags {
        tags: BTreeMap<String, String>,
        answer: oneshot::Sender<Result<(), ConfigError>>,
    },
    Coordinate {
        name: String,
        answer: oneshot::Sender<Option<Coordinate>>,
    },
    Stats(oneshot::Sender<BTreeMap<String, String>>),
    Shutdown(oneshot::Sender<()>),
}

impl Driver {
    pub(super) fn obey(&mut self, command: Command) {
        let now = self.now();
        // Whoever asked may have gone: then the answers go nowhere.
        match command {
            Command::Members(answer) => {
                let _ = answer.send(self.node.members().cloned().collect());
            }
            Command::Join { addresses, replay, answer } => {
                let join = self.node.join(now, &addresses, replay);
                self.joins.insert(join, answer);
            }
            Command::Leave(answer) => self.leave(now, answer),
            Command::ForceLeave { name, prune, answer } => {
                let _ = answer.send(self.node.force_leave(now, &name, prune));
            }
            Command::UserEvent { name, payload, coalesce, answer } => {
                let _ = answer.send(self.node.user_event(now, &name, payload, coalesce));
            }
            Command::Query { request, replies, answer } => {
                let asked = self.node.query(now, request);
                let _ = answer.send(asked.map(|key| {
                    self.queries.insert(key, replies);
                }));
            }
            Command::Respond { query, payload, answer } => {
                let _ = answer.send(self.node.respond(now, query, payload));
            }
            Command::Keys { operation, answer } => match self.node.keys(now, &operation) {
                Ok(key) => {
                    self.keys.insert(key, answer);
                }
                Err(error) => {
                    let _ = answer.send(Err(error));
                }
            },
            Command::SetKeyring { keyring, answer } => {
                let saved = self.save_keyring(&keyring);
                if saved.is_ok() {
                    self.node.set_keyring(keyring);
                }
                let _ = answer.send(saved);
            }
            Command::Tags(answer) => {
                let _ = answer.send(self.node.tags().clone());
            }
            Command::SetTags { tags, answer } => {
                let _ = answer.send(self.node.set_tags(now, tags));
            }
            Command::Coordinate { name, answer } => {
                let _ = answer.send(self.node.coordinate(&name).copied());
            }
            Command::Stats(answer) => {
                let _ = answer.send(self.node.stats());
            }
            Command::Shutdown(answer) => {
                self.ended = true;
                let _ = answer.send(());
            }
        }
    }

    fn leave(&mut self, now: Time, answer: oneshot::Sender<()>) {
        if self.left {
            let _ = answer.send(());
            return;
        }
        self.leaving.push(answer);
        if let Some(snapshot) = self.snapshot.as_mut().filter(|_| !self.node.is_leaving()) {
            let written = if self.rejoin_after_leave {
                snapshot.add(vec![SnapshotLine::Leave])
            } else {
                snapshot.forget()
            };
            if let Err(error) = written {
                self.journal.note(Level::Error, format_args!("cannot write the snapshot: {error}"));
            }
        }
        self.node.leave(now);
    }
}
