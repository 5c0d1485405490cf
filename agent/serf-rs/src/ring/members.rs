//! Who is in the ring.
//!
//! Membership knows alive and dead; Serf adds who said that it leaves, and
//! remembers failed and left members for a day. Source: hashicorp/serf,
//! `serf/serf.go` (`handleNodeJoin` to `reconnect`).

use super::{Node, Timer};
use crate::event::{Change, Event, Member, Status};
use crate::swim::{Name, Peer, is_name};
use crate::time::Time;
use crate::wire::serf::{Join, Leave, decode_tags};
use rand::Rng;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Old members and intents are looked through so often.
pub(super) const REAP: Duration = Duration::from_secs(15);

/// An intent of somebody unknown is kept for so long.
const INTENTS_KEPT: Duration = Duration::from_secs(5 * 60);

/// Most such intents.
const MOST_INTENTS: usize = 4096;

/// Most members that are gone and remembered: as many as a ring may have.
const MOST_GONE: usize = 16 * 1024;

/// A leaving member that is to be forgotten gets so long to go.
const PRUNE: Duration = Duration::from_secs(6);

/// A member, and when its status changed.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) member: Member,
    /// On the clock of memberships.
    pub(super) status_ltime: u64,
    /// When it failed or left.
    pub(super) gone_since: Option<Time>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Join,
    Leave,
}

/// What was heard of nodes before they themselves were.
#[derive(Debug, Default)]
pub(super) struct Intents(BTreeMap<Name, (Kind, u64, Time)>);

impl Intents {
    /// Notes an intent. Whether it is news.
    fn note(&mut self, now: Time, node: &str, kind: Kind, ltime: u64) -> bool {
        if !is_name(node) {
            return false;
        }
        if let Some((_, known, _)) = self.0.get(node)
            && ltime <= *known
        {
            return false;
        }
        if self.0.len() >= MOST_INTENTS && !self.0.contains_key(node) {
            return false;
        }
        self.0.insert(node.into(), (kind, ltime, now));
        true
    }

    fn of(&self, node: &str) -> Option<(Kind, u64)> {
        self.0.get(node).map(|(kind, ltime, _)| (*kind, *ltime))
    }

    fn forget_old(&mut self, now: Time) {
        self.0.retain(|_, (_, _, noted)| now - *noted <= INTENTS_KEPT);
    }
}

fn describe(name: &Name, peer: &Peer, status: Status) -> Member {
    Member {
        name: Arc::clone(name),
        address: peer.address(),
        tags: Arc::new(decode_tags(&peer.meta)),
        status,
        versions: peer.versions.unwrap_or_default().0,
    }
}

impl Node {
    /// Membership says that a member is there.
    pub(super) fn joined(&mut self, name: &Name) {
        let Some(peer) = self.swim.peer(name) else { return };
        let mut entry = Entry {
            member: describe(name, peer, Status::Alive),
            status_ltime: 0,
            gone_since: None,
        };
        if let Some(known) = self.members.get(name) {
            entry.status_ltime = known.status_ltime;
        } else if let Some((kind, ltime)) = self.intents.of(name) {
            entry.status_ltime = ltime;
            if kind == Kind::Leave {
                entry.member.status = Status::Leaving;
            }
        }
        let member = entry.member.clone();
        self.members.insert(Arc::clone(name), entry);
        self.emit(Event::about(Change::Join, member));
    }

    /// Membership says that a member changed.
    pub(super) fn updated(&mut self, name: &Name) {
        let (Some(peer), Some(entry)) = (self.swim.peer(name), self.members.get_mut(name)) else {
            return;
        };
        entry.member = describe(name, peer, entry.member.status);
        let member = entry.member.clone();
        self.emit(Event::about(Change::Update, member));
    }

    /// Membership says that a member is dead or left.
    pub(super) fn gone(&mut self, now: Time, name: &Name) {
        let Some(entry) = self.members.get_mut(name) else { return };
        let (status, change) = match entry.member.status {
            Status::Leaving => (Status::Left, Change::Leave),
            Status::Alive => (Status::Failed, Change::Failed),
            Status::Left | Status::Failed => return,
        };
        entry.member.status = status;
        entry.gone_since = Some(now);
        let member = entry.member.clone();
        self.emit(Event::about(change, member));
    }

    /// Somebody tells that a member joins. Whether to tell it on.
    pub(super) fn join_intent(&mut self, now: Time, join: &Join) -> bool {
        if !self.clock.witness(join.ltime) {
            return false;
        }
        let Some(entry) = self.members.get_mut(join.node.as_str()) else {
            return self.intents.note(now, &join.node, Kind::Join, join.ltime);
        };
        if join.ltime <= entry.status_ltime {
            return false;
        }
        entry.status_ltime = join.ltime;
        // It came back: the leave that we know of is older.
        if entry.member.status == Status::Leaving {
            entry.member.status = Status::Alive;
        }
        true
    }

    /// Somebody tells that a member leaves. Whether to tell it on.
    pub(super) fn leave_intent(&mut self, now: Time, leave: &Leave) -> bool {
        if !self.clock.witness(leave.ltime) {
            return false;
        }
        let ours = *leave.node == *self.swim.name;
        let Some(entry) = self.members.get_mut(leave.node.as_str()) else {
            return self.intents.note(now, &leave.node, Kind::Leave, leave.ltime);
        };
        if leave.ltime <= entry.status_ltime {
            return false;
        }
        if ours && self.leaving.is_none() {
            // An old goodbye of ours, or somebody else's mistake.
            self.announce_join(now);
            return false;
        }
        entry.status_ltime = leave.ltime;
        let name = Arc::clone(&entry.member.name);
        match entry.member.status {
            Status::Alive => entry.member.status = Status::Leaving,
            Status::Failed => {
                entry.member.status = Status::Left;
                let member = entry.member.clone();
                self.emit(Event::about(Change::Leave, member));
            }
            Status::Leaving | Status::Left => {}
        }
        if leave.prune {
            // Whoever is about to go may still say something.
            let leaving = self.member(&name).is_some_and(|m| m.status == Status::Leaving);
            let at = if leaving { now + PRUNE } else { now };
            let prune = Timer::Prune(name);
            if !self.timers.iter().any(|(_, timer)| *timer == prune) {
                self.timers.insert((at, prune));
            }
        }
        true
    }

    /// Forgets a member that was to leave, once it has. One that is still there
    /// may not have heard of it; one that said so stays.
    pub(super) fn prune(&mut self, now: Time, name: &Name) {
        match self.member(name).map(|member| member.status) {
            Some(Status::Alive) => {}
            Some(Status::Leaving) => {
                self.timers.insert((now + PRUNE, Timer::Prune(Arc::clone(name))));
            }
            _ => self.erase(name),
        }
    }

    /// Forgets a member.
    pub(super) fn erase(&mut self, name: &Name) {
        if let Some(entry) = self.members.remove(name) {
            self.coordinates.forget(name);
            self.emit(Event::about(Change::Reap, entry.member));
        }
    }

    /// Forgets who is gone for long.
    pub(super) fn reap(&mut self, now: Time) {
        self.timers.insert((now + REAP, Timer::Reap));
        self.intents.forget_old(now);
        let config = &self.config;
        let old = self.members.iter().filter(|(_, entry)| {
            let patience = match entry.member.status {
                Status::Failed => config.reconnect_timeout,
                Status::Left => config.tombstone_timeout,
                Status::Alive | Status::Leaving => return false,
            };
            entry.gone_since.is_some_and(|since| now - since > patience)
        });
        let old: Vec<Name> = old.map(|(name, _)| Arc::clone(name)).collect();
        for name in old {
            self.erase(&name);
        }
        // Members who never were, invented by the thousand, are soon gone too.
        let gone = |(name, entry): (&Name, &Entry)| Some((entry.gone_since?, Arc::clone(name)));
        let mut gone: Vec<(Time, Name)> = self.members.iter().filter_map(gone).collect();
        gone.sort_unstable();
        let many = gone.len().saturating_sub(MOST_GONE);
        for (_, name) in gone.into_iter().take(many) {
            self.erase(&name);
        }
    }

    /// Tries to get a failed member back. All members together try each failed
    /// one about once an interval.
    pub(super) fn reconnect(&mut self, now: Time) {
        self.timers.insert((now + self.config.reconnect_interval, Timer::Reconnect));
        if self.leaving.is_some() {
            return;
        }
        let with = |status| self.members().filter(move |member| member.status == status);
        let failed: Vec<_> = with(Status::Failed).map(|member| member.address).collect();
        let alive = with(Status::Alive).count().max(1);
        let share = failed.len() as f64 / alive as f64;
        if failed.is_empty() || self.swim.rng.random::<f64>() > share {
            return;
        }
        let chosen = self.swim.rng.random_range(0..failed.len());
        if let Some(address) = failed.get(chosen) {
            self.begin_join(now, &[*address], true, false);
        }
    }
}
