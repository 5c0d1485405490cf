//! Mending false suspicions sooner than gossip alone does.
//!
//! A refutation is told a limited number of times. Where packets are lost, now
//! and then it passes somebody by, who then takes a living member for dead.
//! memberlist leaves that to the next regular exchange. Here
//!
//! - who repeats an accusation that was refuted is told so at once, and
//! - before a suspect is taken for dead it is asked in person, by an exchange
//!   on a stream, which gets through where packets do not.
//!
//! Both are words that every implementation understands.

use super::{Happened, Name, State, Swim, Timer};
use crate::time::Time;
use crate::wire::swim::{self, Alive, kind};
use std::net::SocketAddr;
use std::sync::Arc;

/// Most exchanges under way when one more suspect may be asked in person. A
/// node that lost its network suspects everybody.
const MOST_EXCHANGES: usize = 16;

/// How many were told lately that an accusation was refuted.
#[derive(Debug, Default)]
pub(super) struct Corrections {
    since: Time,
    told: usize,
}

impl Swim {
    /// Tells `from` that the member lives, if what it says of it was refuted.
    pub(super) fn correct(&mut self, now: Time, from: SocketAddr, accused: &str, incarnation: u32) {
        let Some(peer) = self.peers.get(accused) else { return };
        if peer.state != State::Alive || incarnation >= peer.incarnation {
            return;
        }
        // No more often than gossip would be sent: accusations cost nothing.
        if now - self.corrections.since >= self.profile.gossip_interval {
            self.corrections = Corrections { since: now, told: 0 };
        }
        if self.corrections.told >= self.profile.gossip_nodes {
            return;
        }
        // Only members: the source of a packet is easily invented.
        if !self.peers.values().any(|peer| peer.address() == from) {
            return;
        }
        if let Some(alive) = self.alive_message(accused) {
            self.corrections.told += 1;
            self.counters.corrections += 1;
            self.send(from, swim::encode(kind::ALIVE, &alive));
        }
    }

    /// What this node knows of a member that lives.
    pub(super) fn alive_message(&self, name: &str) -> Option<Alive> {
        self.peers.get(name).map(|peer| Alive {
            incarnation: peer.incarnation,
            node: name.to_owned(),
            addr: peer.addr.write(),
            port: peer.port,
            meta: peer.meta.clone(),
            versions: peer.versions_on_wire(),
        })
    }

    /// Plans when a suspect is asked in person: when half of the shortest time
    /// for a refutation is left. Most refutations have arrived by then.
    pub(super) fn plan_last_word(&mut self, now: Time, name: &Name) {
        let left = self.profile.suspicion(self.peers.len()) / 2;
        let suspicion = self.peers.get(name).and_then(|peer| peer.suspicion.as_ref());
        let Some(ends) = suspicion.map(super::suspicion::Suspicion::ends) else { return };
        let at = Time::at(ends.since_start().saturating_sub(left)).max(now);
        self.set(at, Timer::LastWord(Arc::clone(name)));
    }

    /// A suspect may be about to be taken for dead.
    pub(super) fn last_word(&mut self, name: &Name) {
        // The timers of refuted suspicions run out as well.
        let suspect = self.peers.get(name).filter(|peer| peer.suspicion.is_some());
        let Some(address) = suspect.map(super::Peer::address) else { return };
        let due = |happened: &&Happened| matches!(happened, Happened::ExchangeDue(_));
        let under_way = self.streams.exchanges() + self.happened.iter().filter(due).count();
        if under_way < MOST_EXCHANGES {
            self.happened.push_back(Happened::ExchangeDue(address));
        }
    }
}
