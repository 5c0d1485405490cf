//! The witness: a box that votes and carries no data. Beside two boxes with data it
//! settles which of them goes on when one is gone.

use crate::{Brick, Volume};

/// What a data partition of the least size, 4 GiB, leaves to files at the least: a
/// file system takes a part of it for itself.
pub const LEAST_DATA: u64 = 7 << 29;

/// Whether a box is a witness: its site or its profile says so, or its data partition
/// is too small for data. `data` is that partition's size in bytes, if it has one.
#[must_use]
pub fn carries_no_data(named: bool, data: Option<u64>) -> bool {
    named || data.is_some_and(|size| size < LEAST_DATA)
}

impl Volume {
    /// The bricks that hold files with their content.
    pub fn full(&self) -> impl Iterator<Item = &Brick> {
        self.bricks.iter().filter(|b| !b.arbiter)
    }

    /// The brick of the witness.
    #[must_use]
    pub fn arbiter(&self) -> Option<&Brick> {
        self.bricks.iter().find(|b| b.arbiter)
    }

    /// How many copies there are of each file, with its content.
    #[must_use]
    pub fn copies(&self) -> usize {
        usize::from(self.replicas).saturating_sub(usize::from(self.arbiter().is_some()))
    }

    /// The only copy with content that runs, beside a witness.
    #[must_use]
    pub fn lone(&self) -> Option<&Brick> {
        self.arbiter()?;
        let mut online = self.full().filter(|b| b.online);
        online.next().filter(|_| online.next().is_none())
    }

    /// Whether that one missed something, as the witness knows.
    #[must_use]
    pub fn missed(&self) -> bool {
        let behind = self.behind.as_ref();
        self.lone().is_some_and(|lone| behind.is_some_and(|b| b.contains(&lone.address)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_a_witness_if_it_is_named_so_or_has_no_room_for_data() {
        assert!(carries_no_data(true, Some(1 << 40)));
        assert!(carries_no_data(true, None));
        assert!(carries_no_data(false, Some(1 << 30)));
        assert!(!carries_no_data(false, None), "its disk is not known");
        // What xfs tells of a partition of 4 GiB.
        assert!(!carries_no_data(false, Some(4_227_858_432)));
    }
}
