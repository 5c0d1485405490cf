//! Asking known addresses until somebody answers.
//!
//! A node that starts before its neighbours, or whose cable is plugged in
//! last, must find them without a person: so this never gives up.

use super::handle::Agent;
use super::journal::Level;
use crate::event::Status;
use rand::Rng;
use rand::seq::SliceRandom;
use std::net::SocketAddr;
use std::time::Duration;

/// The pauses between two attempts grow from the first to the last.
const FIRST: Duration = Duration::from_secs(1);
const LAST: Duration = Duration::from_secs(60);

/// Asks `known` and `named` for as long as this node is alone.
pub(super) fn start(agent: &Agent, known: Vec<SocketAddr>, named: Vec<String>, replay: bool) {
    if known.is_empty() && named.is_empty() {
        return;
    }
    // The agent must be able to end while this task waits.
    let commands = agent.commands.downgrade();
    let (events, journal, address) = (agent.events.clone(), agent.journal.clone(), agent.address());
    tokio::spawn(async move {
        let mut pause = FIRST;
        loop {
            let Some(commands) = commands.upgrade() else { return };
            let agent = Agent::revive(commands, events.clone(), journal.clone(), address);
            if is_alone(&agent).await {
                attempt(&agent, &known, &named, replay).await;
            } else {
                pause = FIRST;
            }
            drop(agent);
            let jitter = rand::rng().random_range(0.75..1.25);
            tokio::time::sleep(pause.mul_f64(jitter)).await;
            pause = (pause * 2).min(LAST);
        }
    });
}

async fn is_alone(agent: &Agent) -> bool {
    let members = agent.members().await.unwrap_or_default();
    members.iter().filter(|member| member.status == Status::Alive).count() < 2
}

async fn attempt(agent: &Agent, known: &[SocketAddr], named: &[String], replay: bool) {
    let mut addresses = resolve(agent, named).await;
    addresses.extend_from_slice(known);
    addresses.sort_unstable();
    addresses.dedup();
    addresses.retain(|address| *address != agent.address());
    // After a power cut everybody comes back at once, and not to the same one.
    shuffle(&mut addresses);
    for address in addresses {
        match agent.join(vec![address], replay).await {
            Ok(_) => {
                agent.journal.note(Level::Info, format_args!("joined {address}"));
                return;
            }
            Err(error) => agent.journal.note(Level::Debug, format_args!("{error}")),
        }
    }
}

fn shuffle(addresses: &mut [SocketAddr]) {
    addresses.shuffle(&mut rand::rng());
}

/// The addresses behind names; the port is ours if none is given.
pub(super) async fn resolve(agent: &Agent, named: &[String]) -> Vec<SocketAddr> {
    let mut found = Vec::new();
    for name in named {
        // HashiCorp's form: node/address.
        let name = name.rsplit('/').next().unwrap_or(name);
        let port = agent.address().port();
        if let Ok(ip) = name.trim_matches(['[', ']']).parse() {
            found.push(SocketAddr::new(ip, port));
            continue;
        }
        let with_port = if name.contains(':') { name.to_owned() } else { format!("{name}:{port}") };
        match tokio::net::lookup_host(&with_port).await {
            Ok(addresses) => found.extend(addresses),
            Err(error) => {
                agent.journal.note(Level::Warn, format_args!("cannot look up {name}: {error}"));
            }
        }
    }
    found
}
