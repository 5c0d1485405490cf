//! What nodes say by mDNS besides where they are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Words by their keys, as a TXT record carries them: each pair has to fit into 255 bytes.
pub type Words = BTreeMap<String, String>;

/// What this node announces besides its address, and what it heard of others, also of
/// those with whom it shares no key. Nothing vouches for it: whoever is on the segment
/// can say anything.
///
/// A clone is another handle to the same.
#[derive(Clone, Debug, Default)]
pub struct Announcements(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    own: watch::Sender<Words>,
    /// By the full name of a service.
    heard: Mutex<BTreeMap<String, Words>>,
}

impl Announcements {
    /// Announces these from now on.
    pub fn announce(&self, words: Words) {
        self.0.own.send_if_modified(|now| {
            let other = *now != words;
            *now = words;
            other
        });
    }

    /// What this node announces.
    #[must_use]
    pub fn own(&self) -> Words {
        self.0.own.borrow().clone()
    }

    /// What each of the others announces.
    #[must_use]
    pub fn heard(&self) -> Vec<Words> {
        let heard = self.0.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.values().cloned().collect()
    }

    pub(super) fn follow(&self) -> watch::Receiver<Words> {
        self.0.own.subscribe()
    }

    /// Keeps what one of the others announces, of so many at most.
    pub(super) fn hear(&self, who: &str, words: Words, most: usize) {
        let mut heard = self.0.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.len() < most || heard.contains_key(who) {
            heard.insert(who.to_owned(), words);
        }
    }

    pub(super) fn forget(&self, who: &str) {
        self.0.heard.lock().unwrap_or_else(PoisonError::into_inner).remove(who);
    }

    pub(super) fn forget_all(&self) {
        self.0.heard.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
