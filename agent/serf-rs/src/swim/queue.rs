//! Rumours that are still to be told.
//!
//! Each is told a limited number of times: fresh ones first, and of those the
//! largest that fits. Source: hashicorp/memberlist, `queue.go`.

use super::Name;
use bytes::Bytes;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Most rumours of one topic; the most often told ones give way.
const MOST: usize = 4096;

/// What a rumour is about, in the order of importance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    /// Who lives.
    Membership,
    /// Who joins and leaves.
    Intent,
    /// What users ask.
    Query,
    /// What users tell.
    Event,
}

/// Times told, size, age: the order in which rumours are told.
type Rank = (u32, Reverse<usize>, Reverse<u64>);

#[derive(Debug)]
struct Rumour {
    about: Option<Name>,
    message: Bytes,
    mark: Option<u64>,
}

/// The rumours of every topic.
#[derive(Debug, Default)]
pub(super) struct Queue {
    topics: [Rumours; 4],
}

#[derive(Debug, Default)]
struct Rumours {
    ranked: BTreeMap<Rank, Rumour>,
    by_name: BTreeMap<Name, Rank>,
    added: u64,
}

impl Queue {
    /// Adds a rumour. Returns the mark of the one it replaces or pushes out.
    pub(super) fn add(
        &mut self,
        topic: Topic,
        about: Option<Name>,
        message: Bytes,
        mark: Option<u64>,
    ) -> Option<u64> {
        let rumours = self.topic(topic);
        let mut gone = about.as_ref().and_then(|name| rumours.remove_about(name));
        rumours.added += 1;
        let rank = (0, Reverse(message.len()), Reverse(rumours.added));
        rumours.insert(rank, Rumour { about, message, mark });
        if rumours.ranked.len() > MOST
            && let Some((rank, _)) = rumours.ranked.last_key_value()
        {
            let rank = *rank;
            gone = gone.or(rumours.remove(rank).and_then(|rumour| rumour.mark));
        }
        gone
    }

    /// Rumours for one packet with `room` bytes, each costing `overhead` more.
    /// Returns them, and the marks of those that were told for the last time.
    pub(super) fn take(
        &mut self,
        mut room: usize,
        overhead: usize,
        limit: u32,
    ) -> (Vec<Bytes>, Vec<u64>) {
        let (mut messages, mut told) = (Vec::new(), Vec::new());
        for rumours in &mut self.topics {
            rumours.take(&mut room, overhead, limit, &mut messages, &mut told);
        }
        (messages, told)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.topics.iter().all(|rumours| rumours.ranked.is_empty())
    }

    pub(super) fn len(&self, topic: Topic) -> usize {
        self.topics.get(topic as usize).map_or(0, |rumours| rumours.ranked.len())
    }

    fn topic(&mut self, topic: Topic) -> &mut Rumours {
        let [membership, intent, query, event] = &mut self.topics;
        match topic {
            Topic::Membership => membership,
            Topic::Intent => intent,
            Topic::Query => query,
            Topic::Event => event,
        }
    }
}

impl Rumours {
    fn insert(&mut self, rank: Rank, rumour: Rumour) {
        if let Some(name) = &rumour.about {
            self.by_name.insert(name.clone(), rank);
        }
        self.ranked.insert(rank, rumour);
    }

    fn remove(&mut self, rank: Rank) -> Option<Rumour> {
        let rumour = self.ranked.remove(&rank)?;
        if let Some(name) = &rumour.about {
            self.by_name.remove(name);
        }
        Some(rumour)
    }

    fn remove_about(&mut self, name: &Name) -> Option<u64> {
        let rank = *self.by_name.get(name)?;
        self.remove(rank)?.mark
    }

    fn take(
        &mut self,
        room: &mut usize,
        overhead: usize,
        limit: u32,
        messages: &mut Vec<Bytes>,
        told: &mut Vec<u64>,
    ) {
        let mut again = Vec::new();
        let mut times = self.ranked.first_key_value().map_or(0, |((times, ..), _)| *times);
        while *room > overhead {
            // The largest of those told so often that fits.
            let from = (times, Reverse(*room - overhead), Reverse(u64::MAX));
            let Some((&rank, _)) = self.ranked.range(from..).next() else { break };
            if rank.0 != times {
                times = rank.0;
                continue;
            }
            let Some(rumour) = self.remove(rank) else { break };
            *room -= overhead + rumour.message.len();
            messages.push(rumour.message.clone());
            if times + 1 >= limit {
                told.extend(rumour.mark);
            } else {
                again.push(((times + 1, rank.1, rank.2), rumour));
            }
        }
        for (rank, rumour) in again {
            self.insert(rank, rumour);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(queue: &mut Queue, about: &str, size: usize, mark: u64) -> Option<u64> {
        queue.add(Topic::Membership, Some(about.into()), vec![0; size].into(), Some(mark))
    }

    #[test]
    fn a_newer_rumour_about_the_same_replaces_the_older() {
        let mut queue = Queue::default();
        assert_eq!(add(&mut queue, "a", 10, 1), None);
        assert_eq!(add(&mut queue, "a", 12, 2), Some(1));
        assert_eq!(queue.len(Topic::Membership), 1);
    }

    #[test]
    fn a_rumour_is_told_as_often_as_the_limit_says() {
        let mut queue = Queue::default();
        add(&mut queue, "a", 10, 7);
        assert!(queue.take(100, 2, 2).1.is_empty());
        assert_eq!(queue.take(100, 2, 2).1, [7]);
        assert!(queue.is_empty());
    }

    #[test]
    fn the_largest_fresh_one_that_fits_goes_first_and_none_twice_in_a_packet() {
        let mut queue = Queue::default();
        add(&mut queue, "large", 90, 1);
        add(&mut queue, "small", 20, 2);
        add(&mut queue, "middle", 50, 3);
        let sizes =
            |(messages, _): (Vec<Bytes>, _)| messages.iter().map(Bytes::len).collect::<Vec<_>>();
        assert_eq!(sizes(queue.take(80, 2, 8)), [50, 20]);
        assert_eq!(sizes(queue.take(100, 2, 8)), [90]);
        assert_eq!(sizes(queue.take(200, 2, 8)), [90, 50, 20]);
    }

    #[test]
    fn importance_goes_before_freshness() {
        let mut queue = Queue::default();
        queue.add(Topic::Event, None, vec![1; 10].into(), None);
        add(&mut queue, "a", 10, 1);
        queue.take(13, 2, 8);
        assert_eq!(queue.take(13, 2, 8).0, [Bytes::from(vec![0; 10])]);
    }

    #[test]
    fn it_does_not_grow_without_bound() {
        let mut queue = Queue::default();
        for n in 0..2 * MOST as u64 {
            queue.add(Topic::Event, None, vec![0; 10].into(), Some(n));
        }
        assert_eq!(queue.len(Topic::Event), MOST);
    }
}
