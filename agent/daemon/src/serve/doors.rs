//! How many may be inside at once: so that nobody who has no certificate can keep
//! the members out, nor one address, or one user of this box, all the others.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Callers that have not shown a certificate (yet); a shop enrols a few at once.
const STRANGERS: usize = 32;

/// Members; a shop has a dozen that call now and then.
const MEMBERS: usize = 64;

/// Sessions of one address: an agent has one for each thing that it does.
const OF_ONE: usize = 8;

/// The places inside, of callers who are known by their addresses, or as users.
#[derive(Clone, Debug)]
pub(super) struct Doors<K: Ord = IpAddr> {
    strangers: Arc<Semaphore>,
    members: Arc<Semaphore>,
    of_one: usize,
    by_caller: Arc<Mutex<BTreeMap<K, usize>>>,
}

impl Default for Doors {
    fn default() -> Self {
        Self::of(STRANGERS, MEMBERS, OF_ONE)
    }
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place<K: Ord = IpAddr> {
    _permit: OwnedSemaphorePermit,
    caller: Counted<K>,
}

/// A session in the count of its caller.
#[derive(Debug)]
struct Counted<K: Ord> {
    caller: K,
    by_caller: Arc<Mutex<BTreeMap<K, usize>>>,
}

impl<K: Ord> Drop for Counted<K> {
    fn drop(&mut self) {
        let Ok(mut by_caller) = self.by_caller.lock() else { return };
        if let Some(count) = by_caller.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                by_caller.remove(&self.caller);
            }
        }
    }
}

impl<K: Ord + Clone> Doors<K> {
    /// So many places, and so many of them for one caller.
    pub(super) fn of(strangers: usize, members: usize, of_one: usize) -> Self {
        Self {
            strangers: Arc::new(Semaphore::new(strangers)),
            members: Arc::new(Semaphore::new(members)),
            of_one,
            by_caller: Arc::default(),
        }
    }

    /// A place for a caller of whom nothing more is known; none if it or all strangers
    /// have theirs.
    pub(super) fn stranger(&self, caller: K) -> Option<Place<K>> {
        let permit = self.strangers.clone().try_acquire_owned().ok()?;
        let mut by_caller = self.by_caller.lock().ok()?;
        let count = by_caller.entry(caller.clone()).or_default();
        if *count >= self.of_one {
            return None;
        }
        *count += 1;
        let by_caller = self.by_caller.clone();
        Some(Place { _permit: permit, caller: Counted { caller, by_caller } })
    }

    /// A member's place for a stranger that has shown a certificate.
    pub(super) fn member(&self, stranger: Place<K>) -> Option<Place<K>> {
        let permit = self.members.clone().try_acquire_owned().ok()?;
        Some(Place { _permit: permit, caller: stranger.caller })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(last: u8) -> IpAddr {
        IpAddr::from([10, 83, 0, last])
    }

    #[test]
    fn one_address_cannot_keep_the_others_out() {
        let doors = Doors::default();
        let held: Vec<_> = (0..100).filter_map(|_| doors.stranger(from(1))).collect();
        assert_eq!(held.len(), OF_ONE);
        assert!(doors.stranger(from(2)).is_some());
        drop(held);
        assert!(doors.stranger(from(1)).is_some());
        assert!(doors.by_caller.lock().unwrap().is_empty(), "nothing is kept of who has gone");
    }

    #[test]
    fn strangers_cannot_keep_members_out_who_are_inside() {
        let doors = Doors::default();
        let member = doors.member(doors.stranger(from(1)).unwrap()).unwrap();
        let held: Vec<_> = (2..100).filter_map(|n| doors.stranger(from(n))).collect();
        assert_eq!(held.len(), STRANGERS, "the member's place is not one of theirs");
        drop(member);
    }
}
