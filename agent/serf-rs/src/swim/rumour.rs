//! What members tell each other about members.
//!
//! A rumour counts if its incarnation is newer; only a member itself makes
//! newer incarnations, so that it can refute whatever is told about it.
//! Source: hashicorp/memberlist, `state.go` (`aliveNode`, `suspectNode`,
//! `deadNode`, `refute`).

use super::suspicion::Suspicion;
use super::{Happened, LONGEST_NAME, Name, Peer, State, Swim, Timer, Topic, is_name};
use crate::time::Time;
use crate::wire::swim::{self, Alive, Dead, NodeAddr, Suspect, Versions, kind};
use bytes::Bytes;
use rand::Rng;
use std::net::SocketAddr;
use std::sync::Arc;

/// Longest metadata: memberlist's rule.
const LONGEST_META: usize = 512;

/// Most members: a hostile one must not be able to fill our memory with names.
pub(super) const MOST_PEERS: usize = 16 * 1024;

impl Swim {
    /// Changes this node's metadata and tells everybody.
    pub(crate) fn set_meta(&mut self, meta: Bytes) {
        let own = Arc::clone(&self.name);
        let incarnation = self.next_incarnation(0);
        if let Some(peer) = self.peers.get_mut(&own) {
            peer.meta = meta;
        }
        self.announce(incarnation);
        self.happened.push_back(Happened::Updated(own));
    }

    /// Tells everybody that this node lives.
    pub(super) fn announce(&mut self, incarnation: u32) {
        let own = Arc::clone(&self.name);
        let Some(peer) = self.peers.get_mut(&own) else { return };
        peer.incarnation = incarnation;
        let Some(alive) = self.alive_message(&own) else { return };
        self.tell(Topic::Membership, Some(own), swim::encode(kind::ALIVE, &alive), None);
    }

    /// Says goodbye; `mark` is reported when it was told.
    pub(crate) fn leave(&mut self, now: Time, mark: u64) {
        self.leaving = true;
        let own = Arc::clone(&self.name);
        let Some(peer) = self.peers.get_mut(&own) else { return };
        peer.state = State::Left;
        peer.changed = now;
        let name = own.to_string();
        let dead = Dead { incarnation: peer.incarnation, node: name.clone(), from: name };
        self.tell(
            Topic::Membership,
            Some(Arc::clone(&own)),
            swim::encode(kind::DEAD, &dead),
            Some(mark),
        );
        self.happened.push_back(Happened::Gone(own));
    }

    /// An incarnation newer than ours and than `accused`.
    ///
    /// After the last number there is no newer one, and whoever believes an
    /// accusation of it believes nothing else until it has forgotten us, after
    /// half a minute. Then the first number is as good as any, and leaves room
    /// for the next refutation.
    fn next_incarnation(&mut self, accused: u32) -> u32 {
        self.incarnation = self.incarnation.max(accused).checked_add(1).unwrap_or(1);
        self.incarnation
    }

    fn refute(&mut self, accused: u32) {
        // Others found reason to doubt us.
        self.note_health(1);
        self.counters.refutations += 1;
        let incarnation = self.next_incarnation(accused);
        self.announce(incarnation);
    }

    /// Somebody tells that a member lives.
    pub(super) fn alive(&mut self, now: Time, alive: Alive) {
        let versions = Versions::read(&alive.versions);
        let Some(addr) = NodeAddr::read(&alive.addr) else { return };
        if !is_name(&alive.node)
            || alive.meta.len() > LONGEST_META
            // One such member would keep everybody from exchanging anything.
            || versions.is_some_and(|versions| !versions.are_ours())
        {
            self.counters.refused += 1;
            return;
        }
        let port = if alive.port == 0 { self.address.port() } else { alive.port };
        if *alive.node == *self.name {
            self.alive_about_us(&alive, addr, port, versions);
            return;
        }
        let name: Name = alive.node.as_str().into();
        let new = Peer {
            addr,
            port,
            meta: alive.meta.clone(),
            versions,
            incarnation: alive.incarnation,
            state: State::Alive,
            changed: now,
            suspicion: None,
        };
        let Some(known) = self.peers.get_mut(&name) else {
            if self.peers.len() >= MOST_PEERS {
                self.counters.refused += 1;
                return;
            }
            self.insert(name, new, alive);
            return;
        };
        let moved = known.address() != new.address();
        if moved && known.state != State::Left {
            let claimed_by = new.address();
            self.happened.push_back(Happened::Conflict { name, claimed_by });
            return;
        }
        if alive.incarnation <= known.incarnation && !moved {
            return;
        }
        let (was, meta) = (known.state, std::mem::take(&mut known.meta));
        let changed = if was == State::Alive { known.changed } else { now };
        // A node that says nothing of its versions has not changed them.
        let versions = versions.or(known.versions);
        let refuted = std::mem::replace(known, Peer { changed, versions, ..new }).suspicion;
        self.drop_suspicion(&name, refuted);
        if was.is_gone() {
            self.happened.push_back(Happened::Joined(Arc::clone(&name)));
        } else if meta != alive.meta {
            self.happened.push_back(Happened::Updated(Arc::clone(&name)));
        }
        self.tell(Topic::Membership, Some(name), swim::encode(kind::ALIVE, &alive), None);
    }

    /// A member that nobody told us of.
    fn insert(&mut self, name: Name, peer: Peer, alive: Alive) {
        self.peers.insert(Arc::clone(&name), peer);
        // Somewhere in the round: at its end, newcomers would be probed late.
        let place = self.rng.random_range(0..=self.order.len());
        self.order.push(Arc::clone(&name));
        let last = self.order.len() - 1;
        self.order.swap(place.min(last), last);
        self.happened.push_back(Happened::Joined(Arc::clone(&name)));
        self.tell(Topic::Membership, Some(name), swim::encode(kind::ALIVE, &alive), None);
    }

    fn alive_about_us(
        &mut self,
        alive: &Alive,
        addr: NodeAddr,
        port: u16,
        versions: Option<Versions>,
    ) {
        let Some(own) = self.peers.get(&self.name) else { return };
        if self.leaving {
            return;
        }
        if SocketAddr::new(addr.ip(), port) != own.address() {
            let (name, claimed_by) = (Arc::clone(&self.name), SocketAddr::new(addr.ip(), port));
            self.happened.push_back(Happened::Conflict { name, claimed_by });
            return;
        }
        // After a restart others may remember more of us than we do.
        let same = alive.meta == own.meta && versions == own.versions;
        if alive.incarnation > own.incarnation || alive.incarnation == own.incarnation && !same {
            self.refute(alive.incarnation);
        }
    }

    /// Somebody doubts that a member lives.
    pub(super) fn suspect(&mut self, now: Time, suspect: Suspect) {
        if suspect.from.len() > LONGEST_NAME {
            self.counters.refused += 1;
            return;
        }
        let n = self.peers.len();
        let Some((name, peer)) = self.known(&suspect.node) else { return };
        if suspect.incarnation < peer.incarnation {
            return;
        }
        let from: Name = suspect.from.as_str().into();
        if let Some(suspicion) = &mut peer.suspicion {
            let before = timers(&name, suspicion);
            if suspicion.confirm(&from) {
                let after = timers(&name, suspicion);
                for timer in before {
                    self.timers.remove(&timer);
                }
                self.timers.extend(after);
                self.tell(
                    Topic::Membership,
                    Some(name),
                    swim::encode(kind::SUSPECT, &suspect),
                    None,
                );
            }
            return;
        }
        if peer.state != State::Alive {
            return;
        }
        if name == self.name {
            self.refute(suspect.incarnation);
            return;
        }
        let suspicion = Suspicion::new(now, from, &self.profile, n);
        self.timers.extend(timers(&name, &suspicion));
        if let Some(peer) = self.peers.get_mut(&name) {
            peer.incarnation = suspect.incarnation;
            peer.state = State::Suspect;
            peer.changed = now;
            peer.suspicion = Some(suspicion);
        }
        self.tell(Topic::Membership, Some(name), swim::encode(kind::SUSPECT, &suspect), None);
    }

    /// The time of a suspect may be over.
    pub(super) fn suspicion_ended(&mut self, now: Time, name: &Name) {
        let Some(peer) = self.peers.get(name) else { return };
        // Timers of refuted or prolonged suspicions run out as well.
        if peer.suspicion.as_ref().is_none_or(|suspicion| suspicion.ends() > now) {
            return;
        }
        let dead = Dead {
            incarnation: peer.incarnation,
            node: name.to_string(),
            from: self.name.to_string(),
        };
        self.dead(now, dead);
    }

    /// Somebody tells that a member is dead, or the member that it leaves.
    pub(super) fn dead(&mut self, now: Time, dead: Dead) {
        if dead.from.len() > LONGEST_NAME {
            self.counters.refused += 1;
            return;
        }
        let (leaving, own) = (self.leaving, Arc::clone(&self.name));
        let Some((name, peer)) = self.known(&dead.node) else { return };
        if dead.incarnation < peer.incarnation || peer.state.is_gone() {
            return;
        }
        if name == own {
            if !leaving {
                self.refute(dead.incarnation);
            }
            return;
        }
        peer.incarnation = dead.incarnation;
        peer.state = if dead.node == dead.from { State::Left } else { State::Dead };
        peer.changed = now;
        let proved = peer.suspicion.take();
        self.drop_suspicion(&name, proved);
        self.happened.push_back(Happened::Gone(Arc::clone(&name)));
        self.tell(Topic::Membership, Some(name), swim::encode(kind::DEAD, &dead), None);
    }

    /// A suspicion is over, and so are its times.
    fn drop_suspicion(&mut self, name: &Name, suspicion: Option<Suspicion>) {
        for timer in suspicion.iter().flat_map(|suspicion| timers(name, suspicion)) {
            self.timers.remove(&timer);
        }
    }

    /// A member and its shared name.
    fn known(&mut self, name: &str) -> Option<(Name, &mut Peer)> {
        let (name, _) = self.peers.get_key_value(name)?;
        let name = Arc::clone(name);
        self.peers.get_mut(&name).map(|peer| (name, peer))
    }
}

/// When something is done about a suspect: it is asked, and taken for dead.
fn timers(name: &Name, suspicion: &Suspicion) -> [(Time, Timer); 2] {
    [
        (suspicion.asks(), Timer::LastWord(Arc::clone(name))),
        (suspicion.ends(), Timer::Suspicion(Arc::clone(name))),
    ]
}
