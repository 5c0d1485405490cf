//! A volume as sets of copies: every file is in one of them, on each of its bricks.

use crate::{Brick, Volume};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// How far the files are on their way to the sets that they belong on since the
/// last set was added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rebalance {
    /// Nobody has told them to go.
    Never,
    /// They move: a part of it is under way on some box.
    Running,
    /// Every box that gives a brick has moved all that it had to move.
    Done,
    /// Nothing moves any more, and not all of it is done; why.
    Failed(String),
}

impl Volume {
    /// The sets, in the volume's order; the last one is short in a volume that is none
    /// of ours.
    pub fn sets(&self) -> impl Iterator<Item = &[Brick]> {
        self.bricks.chunks(usize::from(self.replicas).max(1))
    }

    /// Whether every set has all its bricks, each on another box.
    #[must_use]
    pub fn has_whole_sets(&self) -> bool {
        let copies = usize::from(self.replicas);
        let mut bricks = self.bricks.iter().enumerate();
        let twice = bricks.any(|(n, b)| self.bricks[..n].iter().any(|o| o.address == b.address));
        copies > 0 && !self.bricks.is_empty() && self.bricks.len().is_multiple_of(copies) && !twice
    }

    /// Whether there is one set and no more.
    #[must_use]
    pub fn is_one_set(&self) -> bool {
        self.bricks.len() == usize::from(self.replicas)
    }

    /// The set that the brick at this address is in; empty if there is none.
    #[must_use]
    pub fn set_of(&self, address: IpAddr) -> &[Brick] {
        self.sets().find(|set| set.iter().any(|b| b.address == address)).unwrap_or_default()
    }

    /// Whether the box at this address gives a brick.
    #[must_use]
    pub fn has_brick_of(&self, address: IpAddr) -> bool {
        self.bricks.iter().any(|b| b.address == address)
    }

    /// Whether every file is in the set that it belongs in.
    #[must_use]
    pub fn is_spread(&self) -> bool {
        self.sets().count() <= usize::from(self.spread.max(1))
    }

    /// What must come about before a brick may change hands: GlusterFS refuses that
    /// while files move.
    ///
    /// # Errors
    /// That.
    pub fn rests(&self) -> Result<(), String> {
        match &self.rebalance {
            Some(Rebalance::Running) => Err("no files move between the sets".into()),
            Some(Rebalance::Never | Rebalance::Done | Rebalance::Failed(_)) => Ok(()),
            None if self.is_spread() => Ok(()),
            None => Err("it is known whether files move between the sets".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(replicas: u8, bricks: &[u8]) -> Volume {
        let brick =
            |n: &u8| Brick { address: IpAddr::from([10, 83, 0, *n]), online: true, arbiter: false };
        Volume { replicas, bricks: bricks.iter().map(brick).collect(), ..Volume::default() }
    }

    #[test]
    fn six_bricks_of_three_copies_are_two_sets() {
        let six = volume(3, &[1, 2, 3, 4, 5, 6]);
        assert_eq!(six.sets().count(), 2);
        assert!(six.has_whole_sets() && !six.is_one_set());
        assert_eq!(six.set_of(IpAddr::from([10, 83, 0, 5])), &six.bricks[3..]);
        assert!(six.set_of(IpAddr::from([10, 83, 0, 7])).is_empty());
    }

    #[test]
    fn a_short_set_or_two_bricks_on_one_box_are_no_whole_sets() {
        assert!(!volume(3, &[1, 2, 3, 4]).has_whole_sets());
        assert!(!volume(3, &[1, 2, 3, 4, 5, 1]).has_whole_sets());
        assert!(!volume(0, &[1]).has_whole_sets() && !volume(3, &[]).has_whole_sets());
        assert!(volume(1, &[1]).is_one_set());
    }

    #[test]
    fn files_are_spread_once_that_was_noted_of_so_many_sets() {
        let mut six = volume(3, &[1, 2, 3, 4, 5, 6]);
        assert!(!six.is_spread() && six.rests().is_err());
        six.rebalance = Some(Rebalance::Running);
        assert!(six.rests().is_err());
        six.rebalance = Some(Rebalance::Failed("a box was lost".into()));
        assert!(six.rests().is_ok());
        (six.spread, six.rebalance) = (2, None);
        assert!(six.is_spread() && six.rests().is_ok());
        assert!(volume(3, &[1, 2, 3]).is_spread());
    }
}
