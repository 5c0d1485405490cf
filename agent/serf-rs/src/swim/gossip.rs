//! Telling rumours: with whatever is sent, and to a few at random.
//!
//! Source: hashicorp/memberlist, `broadcast.go`, `state.go` (`gossip`).

use super::{Happened, Name, State, Swim, Timer, Topic};
use crate::time::Time;
use crate::wire::packet;
use bytes::Bytes;

impl Swim {
    /// Gossip that fits a packet of which so many bytes are used.
    pub(super) fn gossip_for(&mut self, used: usize) -> Vec<Bytes> {
        let room = packet::SIZE.saturating_sub(used + self.envelope.overhead());
        let limit = self.profile.retransmits(self.peers.len());
        let (messages, told) = self.queue.take(room, packet::EACH_OVERHEAD, limit);
        self.happened.extend(told.into_iter().map(Happened::Told));
        messages
    }

    /// Queues a rumour; `about` replaces an older one about the same.
    pub(crate) fn tell(
        &mut self,
        topic: Topic,
        about: Option<Name>,
        message: Vec<u8>,
        mark: Option<u64>,
    ) {
        // It would wait for ever for a packet that it fits.
        let wrapping = packet::COMPOUND_OVERHEAD + packet::EACH_OVERHEAD;
        if message.len() + wrapping + self.envelope.overhead() > packet::SIZE {
            self.counters.refused += 1;
            return;
        }
        let replaced = self.queue.add(topic, about, message.into(), mark);
        self.happened.extend(replaced.map(Happened::Told));
    }

    /// How many rumours of a topic wait.
    pub(crate) fn waiting(&self, topic: Topic) -> usize {
        self.queue.len(topic)
    }

    /// Gossip flows while there is any; a ring at rest is silent.
    pub(crate) fn plan_gossip(&mut self, now: Time) {
        if self.gossip_planned || self.queue.is_empty() || self.peers.len() < 2 {
            return;
        }
        // What others do in the same moment should not meet us everywhere.
        let jitter = self.up_to(self.profile.gossip_interval / 10);
        let earliest = self.last_gossip.map_or(now, |last| last + self.profile.gossip_interval);
        self.set(earliest.max(now) + jitter, Timer::Gossip);
        self.gossip_planned = true;
    }

    pub(super) fn gossip(&mut self, now: Time) {
        self.gossip_planned = false;
        self.last_gossip = Some(now);
        let patience = self.profile.gossip_to_the_dead;
        let receivers = self.some_peers(self.profile.gossip_nodes, |peer| match peer.state {
            State::Alive | State::Suspect => true,
            State::Dead => now - peer.changed <= patience,
            State::Left => false,
        });
        for name in receivers {
            let messages = self.gossip_for(packet::COMPOUND_OVERHEAD);
            if messages.is_empty() {
                break;
            }
            let Some(peer) = self.peers.get(&name) else { continue };
            let (to, checksum) = (peer.address(), peer.knows_checksums());
            self.send_packet(to, &messages, checksum);
        }
    }
}
