//! The RPC that the stock `serf` command speaks.
//!
//! MessagePack over TCP: a header with a command and a number, then mostly a
//! body; answers carry the same number. Source: hashicorp/serf,
//! `cmd/serf/command/agent/ipc.go`; Serf's documentation, "RPC Protocol".
//!
//! - [`wire`] are the messages,
//! - [`client`] is one connection,
//! - [`commands`] does what is asked,
//! - [`streaming`] are events, queries' answers and log lines as they come.

mod client;
mod commands;
mod streaming;
mod wire;

use super::AgentError;
use super::handle::Agent;
use super::journal::Level;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

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
                let Ok((stream, _)) = accepted else { continue };
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                    journal.note(
                        Level::Warn,
                        format_args!("too many RPC clients: one was turned away"),
                    );
                    continue;
                };
                let agent = Agent::revive(commands, events.clone(), journal.clone(), address);
                let key = self.key.clone();
                tokio::spawn(async move {
                    client::serve(stream, agent, key).await;
                    drop(place);
                });
            }
        });
    }
}

async fn gone(commands: &tokio::sync::mpsc::WeakSender<super::driver::Command>) {
    loop {
        match commands.upgrade() {
            Some(commands) if !commands.is_closed() => {}
            _ => return,
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}
