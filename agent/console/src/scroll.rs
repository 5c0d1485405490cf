//! How far down a page is turned: the keys turn it, and the screen says how far it goes.

use std::cell::Cell;

/// How far down a page is turned.
#[derive(Debug, Default)]
pub(crate) struct Scroll {
    /// First line shown.
    pub(crate) first: usize,
    /// It stays at the end, whatever comes.
    pub(crate) at_end: bool,
    /// The last line that may be the first, as it was when last drawn.
    pub(crate) most: Cell<usize>,
}

impl Scroll {
    /// The first line of those that `most` lets be it.
    pub(crate) fn first(&self, most: usize) -> usize {
        self.most.set(most);
        if self.at_end { most } else { self.first.min(most) }
    }

    /// Turns it there from where it stands.
    pub(crate) fn turn(&mut self, to: impl FnOnce(usize) -> usize) {
        let most = self.most.get();
        let now = if self.at_end { most } else { self.first.min(most) };
        self.first = to(now).min(most);
        self.at_end = false;
    }
}
