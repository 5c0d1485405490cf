//! The RPC that the stock `serf` command speaks.
//!
//! MessagePack over TCP: a header with a command and a number, then mostly a
//! body; answers carry the same number. Source: hashicorp/serf,
//! `cmd/serf/command/agent/ipc.go`; Serf's documentation, "RPC Protocol".
//!
//! - `wire` are the messages,
//! - `client` is one connection,
//! - `commands` does what is asked,
//! - `streaming` are events, queries' answers and log lines as they come.

mod client;
mod commands;
mod streaming;
mod wire;

use super::AgentError;
use super::handle::Agent;
use super::journal::Level;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// After a connection that could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);

/// Most connections at a time.
const MOST_CLIENTS: usize = 64;

pub(super) struct Server {
    listener: TcpListener,
    key: Option<Arc<str>>,
}

/// Opens the socket.
pub(super) async fn listen(at: SocketAddr, key: Option<String>) -> Result<Server, AgentError> {
    let wrap = |source| AgentError::Listen { address: at, what: "RPC", source };
    let listener = TcpListener::bind(at).await.map_err(wrap)?;
    Ok(Server { listener, key: key.map(Into::into) })
}

impl Server {
    /// Serves clients until the agent ends.
    pub(super) fn run(self, agent: &Agent) {
        let commands = agent.commands.downgrade();
        let (events, journal, address) =
            (agent.events.clone(), agent.journal.clone(), agent.address());
        let ended = agent.commands.clone().downgrade();
        tokio::spawn(async move {
            let places = Arc::new(Semaphore::new(MOST_CLIENTS));
            loop {
                let accepted = tokio::select! {
                    accepted = self.listener.accept() => accepted,
                    // Handles may all be gone while nobody connects.
                    () = gone(&ended) => return,
                };
                let Some(commands) = commands.upgrade() else { return };
                let (stream, from) = match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        journal
                            .note(Level::Error, format_args!("cannot accept RPC clients: {error}"));
                        // Mostly too many open files: they close by themselves.
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                };
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                    journal.refused(from, "too many RPC clients");
                    continue;
                };
                let agent = Agent::revive(commands, events.clone(), journal.clone(), address);
                let key = self.key.clone();
                tokio::spawn(async move {
                    // Answers are small, and people wait for them.
                    let _ = stream.set_nodelay(true);
                    let (read, write) = stream.into_split();
                    client::serve(read, write, agent, key).await;
                    drop(place);
                });
            }
        });
    }
}

/// Serves a client that has sent everything already, for an agent that has
/// ended: what is left is the reading of requests.
#[cfg(any(test, fuzzing))]
pub(crate) async fn rehearse(requests: &[u8]) {
    let agent = Agent::ended_already();
    let requests = std::io::Cursor::new(requests.to_vec());
    client::serve(requests, tokio::io::sink(), agent, None).await;
}

async fn gone(commands: &tokio::sync::mpsc::WeakSender<super::commands::Command>) {
    loop {
        match commands.upgrade() {
            Some(commands) if !commands.is_closed() => {}
            _ => return,
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::wire::{Handshake, Query, RequestHeader, Stream};
    use super::*;
    use crate::wire::msgpack::{Encoder, Value};
    use proptest::prelude::*;

    fn requests(parts: &[(&str, Option<Vec<u8>>)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (seq, (command, body)) in parts.iter().enumerate() {
            let mut to = Encoder::default();
            RequestHeader { command: (*command).to_owned(), seq: seq as u64 }.pack(&mut to);
            bytes.append(&mut to.finish());
            bytes.extend(body.iter().flatten());
        }
        bytes
    }

    fn packed(value: &impl Value) -> Option<Vec<u8>> {
        let mut to = Encoder::default();
        value.pack(&mut to);
        Some(to.finish())
    }

    proptest! {
        #[test]
        fn nothing_that_a_client_sends_makes_it_panic(
            junk in prop::collection::vec(any::<u8>(), 0..300),
            at in 0_usize..200,
        ) {
            let mut sent = requests(&[
                ("handshake", packed(&Handshake { version: 1 })),
                ("stream", packed(&Stream { kind: "user:x,query".to_owned() })),
                ("query", packed(&Query::default())),
                ("members", None),
            ]);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
            runtime.block_on(rehearse(&junk));
            let at = at.min(sent.len());
            sent.splice(at..at, junk);
            runtime.block_on(rehearse(&sent));
        }
    }
}
