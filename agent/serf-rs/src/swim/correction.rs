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

use super::{Happened, Name, State, Swim};
use crate::time::Time;
use crate::wire::swim::{self, Alive, kind};
use std::net::SocketAddr;

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

    /// A suspect may be about to be taken for dead.
    pub(super) fn last_word(&mut self, name: &Name) {
        let suspect = self.peers.get(name).filter(|peer| peer.suspicion.is_some());
        let Some(address) = suspect.map(super::Peer::address) else { return };
        let due = |happened: &&Happened| matches!(happened, Happened::ExchangeDue(_));
        let under_way = self.streams.exchanges() + self.happened.iter().filter(due).count();
        if under_way < MOST_EXCHANGES {
            self.happened.push_back(Happened::ExchangeDue(address));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Profile;
    use crate::wire::Envelope;
    use crate::wire::swim::{NodeAddr, Suspect, Versions};
    use bytes::Bytes;
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use std::time::Duration;

    #[test]
    fn a_refuted_suspicion_leaves_no_timer() {
        let at = |last: u8| SocketAddr::from(([10, 0, 0, last], 7946));
        let (profile, rng) = (Profile::LAN, StdRng::seed_from_u64(1));
        let (name, envelope) = ("a".into(), Envelope::default());
        let mut swim = Swim::new(Time::START, name, at(1), Bytes::new(), profile, envelope, rng);
        let alive = |incarnation| Alive {
            incarnation,
            node: "b".into(),
            addr: NodeAddr::new(at(2).ip()).write(),
            port: 7946,
            meta: Bytes::new(),
            versions: Versions::OURS.write(),
        };
        swim.alive(Time::START, alive(1));
        let before = swim.timers.len();
        for incarnation in 1..1000 {
            let now = Time::at(Duration::from_millis(incarnation.into()));
            swim.suspect(now, Suspect { incarnation, node: "b".into(), from: "c".into() });
            assert!(swim.timers.len() > before, "it is planned");
            swim.alive(now, alive(incarnation + 1));
        }
        assert_eq!(swim.timers.len(), before);
    }
}
