//! How many may be inside at once: so that nobody who has no certificate can keep
//! the members out, nor one address all the others.

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

/// The places inside.
#[derive(Clone, Debug)]
pub(super) struct Doors {
    strangers: Arc<Semaphore>,
    members: Arc<Semaphore>,
    by_address: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
}

impl Default for Doors {
    fn default() -> Self {
        Self {
            strangers: Arc::new(Semaphore::new(STRANGERS)),
            members: Arc::new(Semaphore::new(MEMBERS)),
            by_address: Arc::default(),
        }
    }
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    address: Counted,
}

/// A session in the count of its address.
#[derive(Debug)]
struct Counted {
    address: IpAddr,
    by_address: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let Ok(mut by_address) = self.by_address.lock() else { return };
        if let Some(count) = by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}

impl Doors {
    /// A place for a caller of whom nothing is known but the address; none if its
    /// address or all strangers have theirs.
    pub(super) fn stranger(&self, address: IpAddr) -> Option<Place> {
        let permit = self.strangers.clone().try_acquire_owned().ok()?;
        let mut by_address = self.by_address.lock().ok()?;
        let count = by_address.entry(address).or_default();
        if *count >= OF_ONE {
            return None;
        }
        *count += 1;
        let by_address = self.by_address.clone();
        Some(Place { _permit: permit, address: Counted { address, by_address } })
    }

    /// A member's place for a stranger that has shown a certificate.
    pub(super) fn member(&self, stranger: Place) -> Option<Place> {
        let permit = self.members.clone().try_acquire_owned().ok()?;
        Some(Place { _permit: permit, address: stranger.address })
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
        assert!(doors.by_address.lock().unwrap().is_empty(), "nothing is kept of who has gone");
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
