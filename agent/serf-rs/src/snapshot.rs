//! What a node remembers over a restart: who was alive, and the clocks.
//!
//! A text file of lines that are only ever added to, so that a power cut costs
//! at most the last one; rewritten when it has grown. HashiCorp's agent reads
//! and writes the same lines. Source: hashicorp/serf, `serf/snapshot.go`.

use crate::ring::Clocks;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

/// Times from here on are a broken disk's, or a lie that was believed: a node
/// that took them over would be deaf to everything that happens.
const NEVER: u64 = 1 << 62;

/// Most nodes that are remembered.
const MOST_NODES: usize = 16 * 1024;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotLine {
    /// A member is alive.
    Alive(String, SocketAddr),
    /// A member is not alive any more.
    NotAlive(String),
    /// The clock of memberships.
    Clock(u64),
    /// The clock of events.
    EventClock(u64),
    /// The clock of queries.
    QueryClock(u64),
    /// This node left.
    Leave,
}

impl fmt::Display for SnapshotLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // A line break in a name would begin a line that nobody wrote.
            Self::Alive(name, _) | Self::NotAlive(name) if name.contains('\n') => Ok(()),
            Self::Alive(name, address) => writeln!(f, "alive: {name} {address}"),
            Self::NotAlive(name) => writeln!(f, "not-alive: {name}"),
            Self::Clock(time) => writeln!(f, "clock: {time}"),
            Self::EventClock(time) => writeln!(f, "event-clock: {time}"),
            Self::QueryClock(time) => writeln!(f, "query-clock: {time}"),
            Self::Leave => writeln!(f, "leave"),
        }
    }
}

/// What the lines add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Who was alive, and where.
    pub alive: BTreeMap<String, SocketAddr>,
    /// The last times seen.
    pub clocks: Clocks,
    /// Whether this node left the ring last.
    pub left: bool,
}

impl Snapshot {
    /// Reads a snapshot. Lines that cannot be read are passed over, and so is
    /// a last one without its end: it was being written when the power failed.
    pub fn read(text: &[u8]) -> Self {
        let mut snapshot = Self::default();
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        for line in text.get(..whole).unwrap_or_default().split(|byte| *byte == b'\n') {
            if let Some(line) = std::str::from_utf8(line).ok().and_then(parse) {
                snapshot.apply(line);
            }
        }
        snapshot
    }

    /// Takes in one line.
    pub fn apply(&mut self, line: SnapshotLine) {
        match line {
            SnapshotLine::Alive(name, address) => {
                self.left = false;
                if self.alive.len() < MOST_NODES || self.alive.contains_key(&name) {
                    self.alive.insert(name, address);
                }
            }
            SnapshotLine::NotAlive(name) => {
                self.alive.remove(&name);
            }
            SnapshotLine::Clock(time) => self.clocks.members = time,
            SnapshotLine::EventClock(time) => self.clocks.events = time,
            SnapshotLine::QueryClock(time) => self.clocks.queries = time,
            SnapshotLine::Leave => self.left = true,
        }
    }

    /// The shortest text that adds up to this.
    pub fn write(&self) -> String {
        let alive = self.alive.iter().map(|(n, a)| SnapshotLine::Alive(n.clone(), *a));
        let rest = [
            SnapshotLine::Clock(self.clocks.members),
            SnapshotLine::EventClock(self.clocks.events),
            SnapshotLine::QueryClock(self.clocks.queries),
        ];
        let leave = self.left.then_some(SnapshotLine::Leave);
        alive.chain(rest).chain(leave).map(|line| line.to_string()).collect()
    }
}

fn parse(line: &str) -> Option<SnapshotLine> {
    if line == "leave" {
        return Some(SnapshotLine::Leave);
    }
    // Comments, and coordinates of old agents, are nothing to us.
    let (what, value) = line.split_once(": ")?;
    let time = || value.parse().ok().filter(|time| *time < NEVER);
    match what {
        "alive" => {
            let (name, address) = value.rsplit_once(' ')?;
            Some(SnapshotLine::Alive(name.to_owned(), address.parse().ok()?))
        }
        "not-alive" => Some(SnapshotLine::NotAlive(value.to_owned())),
        "clock" => time().map(SnapshotLine::Clock),
        "event-clock" => time().map(SnapshotLine::EventClock),
        "query-clock" => time().map(SnapshotLine::QueryClock),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_hashicorps_agent_wrote_is_read() {
        let text = b"alive: mason 10.0.0.1:7946\nalive: old quarry [fd00::2]:7946\nclock: 12\n\
            event-clock: 3\nquery-clock: 4\ncoordinate: {}\n# note\nnot-alive: mason\nclock: 1";
        let snapshot = Snapshot::read(text);
        assert_eq!(snapshot.alive.keys().collect::<Vec<_>>(), ["old quarry"]);
        let clocks = Clocks { members: 12, events: 3, queries: 4 };
        assert_eq!(
            snapshot.clocks, clocks,
            "the line that a power cut left unfinished is no clock"
        );
    }

    #[test]
    fn a_name_with_a_line_break_writes_no_line() {
        let mut snapshot = Snapshot::default();
        let name = "mason 10.0.0.1:1\nleave\nalive: quarry".to_owned();
        snapshot.apply(SnapshotLine::Alive(name, ([10, 0, 0, 2], 1).into()));
        let read = Snapshot::read(snapshot.write().as_bytes());
        assert!(!read.left && read.alive.is_empty(), "{read:?}");
    }

    #[test]
    fn a_clock_at_the_end_of_all_times_is_not_taken_over() {
        let snapshot = Snapshot::read(b"event-clock: 7\nevent-clock: 18446744073709551615\n");
        assert_eq!(snapshot.clocks.events, 7);
    }

    #[test]
    fn who_left_is_known_to_have_left_until_it_joins_again() {
        let mut snapshot = Snapshot::read(b"alive: a 10.0.0.1:1\nleave\n");
        assert!(snapshot.left);
        snapshot.apply(SnapshotLine::Alive("a".into(), ([10, 0, 0, 1], 1).into()));
        assert!(!snapshot.left);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic_and_writing_keeps_everything(
            text in prop::collection::vec(any::<u8>(), 0..400)
        ) {
            let snapshot = Snapshot::read(&text);
            prop_assert_eq!(Snapshot::read(snapshot.write().as_bytes()), snapshot);
        }

        #[test]
        fn a_power_cut_anywhere_costs_at_most_a_line(cut in 0_usize..120) {
            let whole = "alive: a 10.0.0.1:1\nalive: b 10.0.0.2:1\nclock: 10\nclock: 11\nevent-clock: 2\nalive: c 10.0.0.3:1\n";
            let cut = cut.min(whole.len());
            let read = Snapshot::read(&whole.as_bytes()[..cut]);
            let lines = whole[..cut].matches('\n').count();
            let mut expected = Snapshot::default();
            for line in whole.lines().take(lines) {
                expected.apply(parse(line).unwrap());
            }
            prop_assert_eq!(read, expected);
        }
    }
}
