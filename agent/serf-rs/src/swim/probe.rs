//! Finding out whether members live.
//!
//! Source: hashicorp/memberlist, `state.go` (`probeNode`), `net.go`
//! (`handlePing` to `handleNack`).

use super::rumour::MOST_PEERS;
use super::{Happened, LONGEST_NAME, Name, State, Swim, Timer};
use crate::time::Time;
use crate::wire::packet;
use crate::wire::swim::{self, Ack, IndirectPing, Nack, NodeAddr, Ping, Suspect, kind};
use bytes::Bytes;
use rand::seq::SliceRandom;
use std::net::SocketAddr;
use std::sync::Arc;

/// Most probes on behalf of others at a time: far above what a ring asks for.
const MOST_RELAYS: usize = 4096;

/// The probe that is under way.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) seq: u32,
    target: Name,
    incarnation: u32,
    sent: Time,
    /// Others were asked to say so if they hear nothing either.
    nacks_wanted: i64,
    nacks: i64,
    /// It answered on a stream, though not to packets.
    pub(super) stream_answered: bool,
}

/// A probe on behalf of somebody else.
#[derive(Debug)]
pub(super) struct Relay {
    /// Who asked,
    to: SocketAddr,
    /// under this number,
    seq: u32,
    /// and wants to know if there is no answer.
    nack: bool,
}

impl Swim {
    /// Probes the next member in the round.
    pub(super) fn probe_next(&mut self, now: Time) {
        self.set(now + self.profile.probe_interval, Timer::Probe);
        // A round of so many takes hours: the dead would keep the living out.
        if self.peers.len() >= MOST_PEERS {
            self.forget_the_dead(now);
        }
        // A node in doubt of its own health takes longer for each probe.
        if self.probe.is_some() {
            return;
        }
        for _ in 0..=self.order.len() {
            if self.next_probe >= self.order.len() {
                self.begin_round(now);
            }
            let Some(name) = self.order.get(self.next_probe).map(Arc::clone) else { return };
            self.next_probe += 1;
            let gone = self.peers.get(&name).is_none_or(|peer| peer.state.is_gone());
            if name != self.name && !gone {
                self.probe(now, name);
                return;
            }
        }
    }

    /// Each round has another order, and forgets who is long dead.
    fn begin_round(&mut self, now: Time) {
        self.next_probe = 0;
        self.forget_the_dead(now);
        self.order.shuffle(&mut self.rng);
    }

    fn forget_the_dead(&mut self, now: Time) {
        let patience = self.profile.gossip_to_the_dead;
        let own = Arc::clone(&self.name);
        self.peers.retain(|name, peer| {
            *name == own || !peer.state.is_gone() || now - peer.changed <= patience
        });
        let peers = &self.peers;
        self.order.retain(|name| peers.contains_key(name));
    }

    fn probe(&mut self, now: Time, target: Name) {
        let Some(peer) = self.peers.get(&target) else { return };
        let (to, incarnation, suspect) =
            (peer.address(), peer.incarnation, peer.state == State::Suspect);
        let seq = self.next_seq();
        let ping = swim::encode(kind::PING, &self.ping_for(seq, &target));
        if suspect {
            // It learns at once what it is suspected of, and can refute.
            let message =
                Suspect { incarnation, node: target.to_string(), from: self.name.to_string() };
            let suspect = swim::encode(kind::SUSPECT, &message);
            self.send_packet(to, &[Bytes::from(ping), Bytes::from(suspect)], false);
        } else {
            self.send(to, ping);
        }
        let patience = self.profile.probe_interval * (self.awareness + 1);
        self.set(now + self.profile.probe_timeout, Timer::ProbeTimeout(seq));
        self.set(now + patience, Timer::ProbeEnd(seq));
        self.probe = Some(Probe {
            seq,
            target,
            incarnation,
            sent: now,
            nacks_wanted: 0,
            nacks: 0,
            stream_answered: false,
        });
    }

    /// A ping that says where to answer.
    fn ping_for(&self, seq: u32, target: &str) -> Ping {
        Ping {
            seq,
            node: target.to_owned(),
            source_addr: NodeAddr::new(self.address.ip()).write(),
            source_port: self.address.port(),
            source_node: self.name.to_string(),
        }
    }

    fn next_seq(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    /// Packets may have been lost: others try, and so does a stream.
    pub(super) fn probe_indirectly(&mut self, now: Time, seq: u32) {
        let Some(probe) = self.probe.as_ref().filter(|probe| probe.seq == seq) else { return };
        let target = Arc::clone(&probe.target);
        let Some(peer) = self.peers.get(&target) else { return };
        let (to, by_stream) = (peer.address(), peer.knows_stream_pings());
        let mut request = IndirectPing {
            seq,
            target: peer.addr.write(),
            port: peer.port,
            node: target.to_string(),
            nack: false,
            source_addr: NodeAddr::new(self.address.ip()).write(),
            source_port: self.address.port(),
            source_node: self.name.to_string(),
        };
        // One more is drawn, in case the target is among them.
        let wanted = self.profile.indirect_checks;
        let mut others = self.some_peers(wanted + 1, |peer| peer.state == State::Alive);
        others.retain(|name| *name != target);
        others.truncate(wanted);
        let mut nacks_wanted = 0;
        for name in others {
            let Some(peer) = self.peers.get(&name) else { continue };
            let address = peer.address();
            request.nack = peer.knows_nacks();
            nacks_wanted += i64::from(request.nack);
            self.send(address, swim::encode(kind::INDIRECT_PING, &request));
        }
        if let Some(probe) = &mut self.probe {
            probe.nacks_wanted = nacks_wanted;
        }
        if by_stream {
            let ping = self.ping_for(seq, &target);
            self.ping_on_stream(now, to, ping);
        }
    }

    /// The time for an answer is over.
    pub(super) fn probe_ended(&mut self, now: Time, seq: u32) {
        let Some(probe) = self.probe.take_if(|probe| probe.seq == seq) else { return };
        if probe.stream_answered {
            self.note_health(-1);
            return;
        }
        // Others who work would have said that they hear nothing: if they did
        // not either, it may be us.
        self.note_health(if probe.nacks_wanted > 0 { probe.nacks_wanted - probe.nacks } else { 1 });
        self.suspect(
            now,
            Suspect {
                incarnation: probe.incarnation,
                node: probe.target.to_string(),
                from: self.name.to_string(),
            },
        );
    }

    /// Somebody asks whether this node lives.
    pub(super) fn ping(&mut self, from: SocketAddr, ping: &Ping) {
        // Another node may have had our address before.
        if !ping.node.is_empty() && *ping.node != *self.name {
            return;
        }
        let to = source(&ping.source_addr, ping.source_port).unwrap_or(from);
        let ack = Ack { seq: ping.seq, payload: self.ack_payload.clone() };
        self.send(to, swim::encode(kind::ACK, &ack));
    }

    /// Somebody asks us to probe a third.
    pub(super) fn indirect_ping(&mut self, now: Time, from: SocketAddr, asked: IndirectPing) {
        let Some(ip) = NodeAddr::read(&asked.target) else { return };
        if self.relays.len() >= MOST_RELAYS || asked.node.len() > LONGEST_NAME {
            self.counters.refused += 1;
            return;
        }
        let port = if asked.port == 0 { self.address.port() } else { asked.port };
        let to = source(&asked.source_addr, asked.source_port).unwrap_or(from);
        let seq = self.next_seq();
        self.relays.insert(seq, Relay { to, seq: asked.seq, nack: asked.nack });
        self.set(now + self.profile.probe_timeout, Timer::Relay(seq));
        let ping = self.ping_for(seq, &asked.node);
        self.send(SocketAddr::new(ip.ip(), port), swim::encode(kind::PING, &ping));
    }

    /// A probe on behalf of somebody else was not answered.
    pub(super) fn relay_ended(&mut self, seq: u32) {
        let Some(relay) = self.relays.remove(&seq) else { return };
        if relay.nack {
            self.send(relay.to, swim::encode(kind::NACK, &Nack { seq: relay.seq }));
        }
    }

    /// Somebody answers.
    pub(super) fn ack(&mut self, now: Time, ack: &Ack) {
        if let Some(relay) = self.relays.remove(&ack.seq) {
            let answer = Ack { seq: relay.seq, payload: Bytes::new() };
            self.send(relay.to, swim::encode(kind::ACK, &answer));
            return;
        }
        let Some(probe) = self.probe.take_if(|probe| probe.seq == ack.seq) else { return };
        self.note_health(-1);
        let rtt = now - probe.sent;
        // Only a direct answer measures the way: later ones may be relayed.
        if rtt < self.profile.probe_timeout && !ack.payload.is_empty() {
            let payload = ack.payload.clone();
            self.happened.push_back(Happened::Answered { name: probe.target, rtt, payload });
        }
    }

    /// Somebody whom we asked hears nothing either.
    pub(super) fn nack(&mut self, nack: &Nack) {
        if let Some(probe) = self.probe.as_mut().filter(|probe| probe.seq == nack.seq) {
            probe.nacks += 1;
        }
    }

    /// A member that we probe by packets answered on a stream.
    pub(super) fn stream_ack(&mut self, seq: u32) {
        if let Some(probe) = self.probe.as_mut().filter(|probe| probe.seq == seq) {
            probe.stream_answered = true;
        }
    }
}

/// Where to answer, if a message says so.
fn source(addr: &[u8], port: u16) -> Option<SocketAddr> {
    let ip = NodeAddr::read(addr).filter(|_| port > 0)?;
    Some(SocketAddr::new(ip.ip(), port))
}

const _: () = assert!(packet::SIZE <= 1400, "memberlist's own default");
