//! Who may write when bricks are missing: the options that the volume is given
//! and what they mean, in one place.

use crate::{Brick, Volume};
use std::net::IpAddr;

/// Options of the volume, name and value.
pub type Options = &'static [(&'static str, &'static str)];

/// TLS on the data plane, both sides. The management plane has it by a file.
pub const TLS: Options = &[("client.ssl", "on"), ("server.ssl", "on")];

/// Options of every volume.
pub const COMMON: Options = &[
    // The default of 42 s freezes every application when a box loses power.
    ("network.ping-timeout", "10"),
    // Bricks stop by themselves only where clients cannot judge: they do.
    ("cluster.server-quorum-type", "none"),
    // A full set sends new files elsewhere. At the default of 10 % of free room files
    // also do not move to a new set, however much that is.
    ("cluster.min-free-disk", "3%"),
    // The engine keeps the Swarm's Raft beside a brick, in pieces of 64 MB. Files leave it
    // room: a brick looks how much there is every five seconds. The default is 1 %. It is
    // [`RESERVE`].
    ("storage.reserve", "512MB"),
    // Nothing rotates these logs, and at INFO they grow by megabytes a day.
    ("diagnostics.brick-log-level", "WARNING"),
    ("diagnostics.client-log-level", "WARNING"),
];

/// Who may write: a majority of the copies, and of two the first one's side.
/// Two copies that both took writes apart could only be settled by losing some,
/// so the loss of the first of two stops writes until it returns.
#[must_use]
pub const fn copies(replicas: u8) -> Options {
    match replicas {
        // GlusterFS refuses these for a volume without copies.
        0..=1 => &[],
        2 => HEALED,
        _ => VOTED,
    }
}

/// Of copies that heal each other.
const HEALED: Options = &[
    ("cluster.self-heal-daemon", "on"),
    ("cluster.quorum-type", "auto"),
    // A cable that is out for some ten seconds costs a copy a few writes, and not
    // every self-heal daemon the connection whose return would set it to work: what
    // was missed then waits until it looks by itself, by default for ten minutes.
    ("cluster.heal-timeout", "60"),
];

/// The same of three copies, or two and a witness.
const VOTED: Options = &[
    HEALED[0],
    HEALED[1],
    HEALED[2],
    // All lose their power, or their room, while a file replaces another, and come back one
    // after the other: two copies of the directory may blame each other then, the third one
    // itself. None of them is right for GlusterFS, and the name cannot be read any more until
    // a person decides. What was acknowledged is on a majority: with all three that is right.
    ("cluster.favorite-child-policy", "majority"),
];

/// The same of two copies of which the first one's side handed over: either may write
/// by itself, and only the second one's box has the volume mounted.
pub const HANDED_OVER: Options = &[
    ("cluster.self-heal-daemon", "on"),
    ("cluster.quorum-type", "fixed"),
    ("cluster.quorum-count", "1"),
];

/// What a brick leaves free beside it, in bytes.
const RESERVE: u64 = 512 << 20;

/// Whether a data partition with so many free bytes takes no more files. The directory of
/// a box by itself leaves nobody room, and a file system wants a little for itself.
#[must_use]
pub const fn takes_no_more(solo: bool, free: u64) -> bool {
    free <= if solo { 1 << 20 } else { RESERVE }
}

impl Volume {
    /// The options that say who may write, as they should be now.
    #[must_use]
    pub const fn who_writes(&self) -> Options {
        if self.is_handed_over() { HANDED_OVER } else { copies(self.replicas) }
    }

    /// Whether the bricks that run may take writes in every set, by the rule of
    /// [`copies`]. Without that GlusterFS answers not even a read. One copy and a
    /// witness may, unless that copy missed something: of that GlusterFS answers nothing.
    #[must_use]
    pub fn writable(&self) -> bool {
        self.started && !self.missed() && !self.bricks.is_empty() && self.carried_by(|b| b.online)
    }

    /// The same of those that run and have room. A brick without takes nothing, as one that
    /// is away: of three copies one may be full, and a set that is full is not spared by
    /// another one, in which new files have room.
    #[must_use]
    pub fn has_room(&self, full: impl Fn(IpAddr) -> bool) -> bool {
        self.carried_by(|b| b.online && !full(b.address))
    }

    /// Whether these bricks of every set may take a write by themselves.
    fn carried_by(&self, takes: impl Fn(&Brick) -> bool) -> bool {
        let quorate = |set: &[Brick]| {
            let (twice, all) = (set.iter().filter(|b| takes(b)).count() * 2, set.len());
            let decides = self.decides().or(set.first());
            twice > all || (twice == all && decides.is_some_and(&takes))
        };
        self.sets().all(quorate)
    }

    /// Whether everything that was ever written stays in full on every other
    /// brick of its set when the one at this address, which does not run, is given up.
    ///
    /// # Errors
    /// What must come about first.
    pub fn can_spare(&self, address: IpAddr) -> Result<(), String> {
        self.rests()?;
        let set = self.set_of(address);
        let mut others = set.iter().filter(|b| b.address != address).peekable();
        if others.peek().is_none() {
            return Err("another box has a copy".into());
        }
        if let Some(brick) = others.filter(|b| !b.online).map(|b| b.address).min() {
            return Err(format!("the brick on {brick} runs"));
        }
        match &self.behind {
            None => Err("every other copy is known to be whole".into()),
            Some(behind) => match behind.iter().find(|a| set.iter().any(|b| b.address == **a)) {
                Some(brick) => Err(format!("the copy on {brick} is whole")),
                None => Ok(()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn writable(online: &[bool]) -> bool {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let brick = |online: &bool| Brick { address, online: *online, arbiter: false };
        let bricks = online.iter().map(brick).collect();
        let replicas = u8::try_from(online.len()).unwrap();
        Volume { started: true, replicas, bricks, ..Volume::default() }.writable()
    }

    #[test]
    fn beside_a_witness_a_copy_is_written_unless_it_missed_something() {
        let address = |n| IpAddr::from([10, 83, 0, n]);
        let brick = |n: u8, online| Brick { address: address(n), online, arbiter: n == 3 };
        let volume = |first, second, behind: &[u8]| {
            let bricks = vec![brick(1, first), brick(2, second), brick(3, true)];
            let behind = Some(behind.iter().map(|n| address(*n)).collect());
            Volume { started: true, replicas: 3, bricks, behind, ..Volume::default() }
        };
        assert!(volume(true, false, &[]).writable() && volume(false, true, &[]).writable());
        assert!(!volume(true, false, &[1]).writable(), "the other one went on meanwhile");
        assert!(volume(true, true, &[1]).writable(), "it heals from the other one");
        assert!(!volume(false, false, &[]).writable());
    }

    #[test]
    fn of_two_copies_the_first_decides_and_of_three_the_majority() {
        assert!(writable(&[true]) && !writable(&[false]) && !writable(&[]));
        assert!(writable(&[true, false]) && !writable(&[false, true]));
        assert!(writable(&[false, true, true]) && !writable(&[true, false, false]));
    }

    #[test]
    fn of_two_sets_each_needs_its_own_majority() {
        let volume = |online: [bool; 6]| {
            let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
            let bricks = online.map(|online| Brick { address, online, arbiter: false }).into();
            Volume { started: true, replicas: 3, bricks, ..Volume::default() }
        };
        assert!(volume([false, true, true, true, true, false]).writable());
        assert!(!volume([true, true, true, true, false, false]).writable());
    }

    #[test]
    fn one_full_brick_of_three_takes_nobody_the_room_and_two_do() {
        let room = |online: &[bool], full: &[u8]| {
            let address = |n: usize| IpAddr::from([10, 83, 0, u8::try_from(n).unwrap() + 1]);
            let brick = |(n, online): (usize, &bool)| Brick {
                address: address(n),
                online: *online,
                arbiter: false,
            };
            let bricks: Vec<_> = online.iter().enumerate().map(brick).collect();
            let replicas = u8::try_from(bricks.len().min(3)).unwrap();
            let volume = Volume { started: true, replicas, bricks, ..Volume::default() };
            volume.has_room(|at| full.iter().any(|n| at == IpAddr::from([10, 83, 0, *n])))
        };
        assert!(room(&[true; 3], &[]) && room(&[true; 3], &[1]) && !room(&[true; 3], &[1, 3]));
        assert!(!room(&[true, true, false], &[2]), "the only other copy is away");
        assert!(room(&[true; 2], &[2]) && !room(&[true; 2], &[1]), "of two the first decides");
        assert!(!room(&[true], &[1]));
        assert!(!room(&[true; 6], &[1, 2]) && room(&[true; 6], &[1, 4]), "each set by itself");
    }

    #[test]
    fn what_a_brick_leaves_free_is_what_it_is_told_to_leave() {
        let told = COMMON.iter().find(|(name, _)| *name == "storage.reserve").unwrap().1;
        let megabytes: u64 = told.strip_suffix("MB").unwrap().parse().unwrap();
        assert_eq!(RESERVE, megabytes << 20);
        assert!(takes_no_more(false, RESERVE) && !takes_no_more(false, RESERVE + 1));
        assert!(!takes_no_more(true, RESERVE) && takes_no_more(true, 4096));
    }

    #[test]
    fn copies_are_written_by_a_majority_only() {
        assert!(copies(3).contains(&("cluster.quorum-type", "auto")));
        assert!(copies(3).starts_with(copies(2)), "what three have, two have");
        assert!(copies(2).contains(&("cluster.quorum-type", "auto")));
        assert!(copies(1).is_empty());
    }

    #[test]
    fn what_a_copy_missed_without_anybody_noticing_is_looked_for_every_minute() {
        assert!(copies(3).contains(&("cluster.heal-timeout", "60")));
        assert!(copies(2).contains(&("cluster.heal-timeout", "60")));
    }
}
