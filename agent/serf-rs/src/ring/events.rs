//! Events: what users tell everybody.
//!
//! Each is delivered once, however often it is heard. Source: hashicorp/serf,
//! `serf/serf.go` (`UserEvent`, `handleUserEvent`).

use super::clock::Clock;
use super::{Node, Topic};
use crate::event::{self, Event};
use crate::time::Time;
use crate::wire::serf::{EventsAt, PastEvent, UserEvent, kind};
use crate::wire::swim::encode;
use bytes::Bytes;
use std::collections::BTreeMap;

/// Events are remembered for so many ticks of their clock.
const REMEMBERED: u64 = 512;

/// Most events that are remembered, and most bytes of them: the oldest give way.
const MOST: usize = 8 * 1024;
const MOST_BYTES: usize = 1024 * 1024;

/// Most bytes of an event of somebody else: Serf lets nobody configure more.
const LARGEST_HEARD: usize = 9 * 1024;

/// Most bytes of an event, encoded.
const LARGEST: usize = 512;

/// Why an event is not told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// Too large for gossip.
    #[error("the event takes {size} bytes when encoded, and at most {limit} are carried")]
    TooLarge {
        /// What it takes.
        size: usize,
        /// What is allowed.
        limit: usize,
    },
    /// A pattern that is no regular expression.
    #[error("`{0}` is no regular expression")]
    Pattern(String),
    /// Its time is over, or it was never asked here.
    #[error("no open query has this ID")]
    NoQuery,
    /// The ring is not encrypted.
    #[error("the ring is not encrypted: there is no keyring to change")]
    NoKeyring,
}

/// The events that were heard lately.
#[derive(Debug)]
pub(super) struct Events {
    pub(super) clock: Clock,
    /// Earlier ones were dealt with before this node started, or joined.
    earliest: u64,
    heard: BTreeMap<u64, Vec<PastEvent>>,
    count: usize,
    bytes: usize,
}

impl Events {
    pub(super) const fn new(seen: u64) -> Self {
        Self {
            clock: Clock::after(seen),
            earliest: seen.saturating_add(1),
            heard: BTreeMap::new(),
            count: 0,
            bytes: 0,
        }
    }

    /// Those that another node may have missed.
    pub(super) fn recent(&self) -> Vec<EventsAt> {
        let at = |(ltime, events): (&u64, &Vec<PastEvent>)| EventsAt {
            ltime: *ltime,
            events: events.clone(),
        };
        self.heard.iter().map(at).collect()
    }

    pub(super) fn ignore_before(&mut self, ltime: u64) {
        // A time that the clock did not take over is no time.
        self.earliest = self.earliest.max(ltime.min(self.clock.time()));
    }

    /// Notes an event. Whether it is news.
    fn note(&mut self, event: &UserEvent) -> bool {
        let size = event.name.len() + event.payload.len();
        if size > LARGEST_HEARD || !self.clock.witness(event.ltime) {
            return false;
        }
        let oldest = self.clock.time().saturating_sub(REMEMBERED);
        if event.ltime < self.earliest.max(oldest) {
            return false;
        }
        let past = PastEvent { name: event.name.clone(), payload: event.payload.clone() };
        let same = self.heard.entry(event.ltime).or_default();
        if same.contains(&past) {
            return false;
        }
        same.push(past);
        self.count += 1;
        self.bytes += size;
        self.forget_before(oldest);
        true
    }

    /// Forgets what is old, and in a flood what is not: nothing of its time is
    /// news afterwards, or it would be told round and round.
    fn forget_before(&mut self, oldest: u64) {
        while let Some(first) = self.heard.first_entry() {
            let flood = self.count > MOST || self.bytes > MOST_BYTES;
            if *first.key() >= oldest && !flood {
                break;
            }
            let (ltime, events) = first.remove_entry();
            self.count -= events.len();
            self.bytes -= events.iter().map(|e| e.name.len() + e.payload.len()).sum::<usize>();
            self.earliest = self.earliest.max(ltime.saturating_add(1));
        }
    }
}

impl Node {
    /// Tells everybody. `coalesce` allows receivers to skip all but the last of
    /// this name.
    pub fn user_event(
        &mut self,
        now: Time,
        name: &str,
        payload: impl Into<Bytes>,
        coalesce: bool,
    ) -> Result<(), EventError> {
        let ltime = self.events.clock.time();
        let event = UserEvent { ltime, name: name.to_owned(), payload: payload.into(), coalesce };
        let message = encode(kind::USER_EVENT, &event);
        if message.len() > LARGEST {
            return Err(EventError::TooLarge { size: message.len(), limit: LARGEST });
        }
        self.events.clock.tick();
        self.user_event_heard(event);
        self.tell(Topic::Event, &message, None);
        self.settle(now);
        Ok(())
    }

    /// An event was heard. Whether to tell it on.
    pub(super) fn user_event_heard(&mut self, event: UserEvent) -> bool {
        if !self.events.note(&event) {
            return false;
        }
        let UserEvent { ltime, name, payload, coalesce } = event;
        self.emit(Event::User(event::UserEvent { ltime, name, payload, coalesce }));
        true
    }
}
