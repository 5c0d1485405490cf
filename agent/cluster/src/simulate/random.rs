//! Chance, from a seed.

/// SplitMix64 (Steele, Lea and Flood, 2014): one addition and three
/// xor-shift-multiplies a number. Small, documented, and the same on every
/// platform and release, which is what replaying a seed asks for.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence that the seed gives.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub const fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    /// One of so many, counted from 0.
    pub fn one_of(&mut self, many: usize) -> usize {
        usize::try_from(self.next()).unwrap_or(0) % many
    }

    /// True that many times in a thousand.
    pub const fn permille(&mut self, n: u64) -> bool {
        self.next() % 1000 < n
    }
}
