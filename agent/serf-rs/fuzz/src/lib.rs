//! What the targets share.

#[path = "../../tests/hostile/memory.rs"]
pub mod memory;

use serf_rs::{Key, Keyring};

/// Most bytes that a target may hold at once, whatever it is given: what a
/// message of 20 MiB, the largest there is, comes to when it is read.
pub const MOST_HELD: usize = 128 << 20;

/// Runs `act` and stops if it takes too much memory.
pub fn bounded<T>(most: usize, act: impl FnOnce() -> T) -> T {
    let (result, peak) = memory::peak_of(act);
    assert!(peak <= most, "{peak} bytes were held at once, and at most {most} are allowed");
    result
}

/// The keyring of sealed inputs.
pub fn keyring() -> Keyring {
    let key = Key::new(&[7; 32]).expect("32 bytes are a key");
    Keyring::new(key).expect("a key is enough")
}

/// Reads an input piece by piece.
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// The next byte.
    pub fn byte(&mut self) -> Option<u8> {
        self.take(1).first().copied()
    }

    /// The next number of two bytes.
    pub fn number(&mut self) -> Option<usize> {
        Some(usize::from(self.byte()?) << 8 | usize::from(self.byte()?))
    }

    /// So many bytes, or those that are left.
    pub fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }
}
