//! What is known of one part of a node, and how old it is.

use serde::{Deserialize, Serialize};
use std::fmt::{Display, Formatter};

/// A part of a node that is looked at by itself, on a clock of its own: one
/// that hangs holds up no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The gossip ring.
    Ring,
    /// The storage daemon.
    Storage,
    /// The bricks and the self-heal daemon of this node.
    Bricks,
    /// The mount of the cluster volume.
    Mount,
    /// The connections of the mount and the self-heal daemon here to the bricks.
    Clients,
    /// The container engine.
    Engine,
}

impl Part {
    /// Every part.
    pub const ALL: [Self; 6] =
        [Self::Ring, Self::Storage, Self::Bricks, Self::Mount, Self::Clients, Self::Engine];
}

impl Display for Part {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Ring => "ring",
            Self::Storage => "storage daemon",
            Self::Bricks => "brick or self-heal daemon",
            Self::Mount => "mounted volume",
            Self::Clients => "connections to the copies",
            Self::Engine => "container engine",
        })
    }
}

/// Why a part says nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silent {
    /// Since when it has been silent like this, in milliseconds since boot.
    pub since_ms: u64,
    /// Why, in words.
    pub why: String,
    /// It runs and does not answer: it hangs. What does not run at all is
    /// silent too, and for a better reason.
    pub runs: bool,
}

/// When a part was last asked, and whether it is silent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// When the last look at it ended, in milliseconds since boot.
    pub at_ms: u64,
    /// Why it says nothing, if it does not.
    pub silent: Option<Silent>,
}

/// What the last look at a part brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen<T> {
    /// When that look ended, in milliseconds since boot.
    pub at_ms: u64,
    /// What it brought.
    pub what: Result<T, Silent>,
}

impl<T> Default for Seen<T> {
    fn default() -> Self {
        let why = "not looked at yet".into();
        Self { at_ms: 0, what: Err(Silent { since_ms: 0, why, runs: false }) }
    }
}

impl<T> Seen<T> {
    /// Notes an answer at `now_ms`, or why there was none and whether the part
    /// runs. A silence goes on for as long as it is of one kind.
    pub fn note(&mut self, answer: Result<T, (String, bool)>, now_ms: u64) {
        self.what = answer.map_err(|(why, runs)| {
            let since_ms = match &self.what {
                Err(before) if before.runs == runs && self.at_ms > 0 => before.since_ms,
                _ => now_ms,
            };
            Silent { since_ms, why, runs }
        });
        self.at_ms = now_ms;
    }

    /// What it said, if it said something.
    pub fn get(&self) -> Option<&T> {
        self.what.as_ref().ok()
    }

    /// The look without what it brought; `None` before the first.
    #[must_use]
    pub fn look(&self) -> Option<Look> {
        let silent = self.what.as_ref().err().cloned();
        (self.at_ms > 0).then_some(Look { at_ms: self.at_ms, silent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn since(seen: &Seen<u8>) -> u64 {
        seen.what.as_ref().unwrap_err().since_ms
    }

    #[test]
    fn a_silence_lasts_since_its_first_look_and_starts_anew_when_its_kind_changes() {
        let mut seen = Seen::default();
        assert_eq!(seen.look(), None);
        seen.note(Err(("it hangs".into(), true)), 1_000);
        seen.note(Err(("it hangs still".into(), true)), 5_000);
        assert_eq!(since(&seen), 1_000);
        seen.note(Err(("it was stopped".into(), false)), 6_000);
        assert_eq!(since(&seen), 6_000);
        seen.note(Ok(7), 7_000);
        assert_eq!((seen.get(), seen.at_ms), (Some(&7), 7_000));
        seen.note(Err(("it hangs".into(), true)), 9_000);
        assert_eq!(since(&seen), 9_000);
    }
}
