//! What was acknowledged: the list that the cluster is held to, kept outside of it.

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Bytes of one record of a log.
pub(crate) const RECORD: u64 = 256;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// Record after record, each synchronised.
    Log,
    /// Whole, under another name, and renamed over the one before.
    New,
    /// Emptied and written again in its place.
    Over,
}

impl Kind {
    /// The command of the hand.
    pub(crate) const fn verb(self) -> &'static str {
        match self {
            Self::Log => "append",
            Self::New => "new",
            Self::Over => "over",
        }
    }

    /// Bytes that one write of it writes.
    pub(crate) const fn bytes(self) -> u64 {
        match self {
            Self::Log => RECORD,
            Self::New => 16_384,
            // As much as a power test of the lab writes.
            Self::Over => 1_000_000,
        }
    }
}

/// A file, and how much of it is known. Generations and records count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) kind: Kind,
    /// The last one of which a box said that the disks have it.
    pub(crate) acknowledged: u64,
    /// The last one that was begun.
    pub(crate) begun: u64,
}

/// What must be true of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Must {
    /// One of these commands of the hand is answered with `same`.
    Any(Vec<String>),
    /// Nothing: its last write was not acknowledged.
    Nothing,
}

impl Held {
    /// What must be true of it now.
    pub(crate) fn must(&self, name: &str) -> Must {
        let (kind, whole) = (self.kind, self.kind.bytes());
        match kind {
            _ if self.acknowledged == 0 => Must::Nothing,
            Kind::Log => Must::Any(vec![format!("start {name} 0 {}", self.acknowledged * RECORD)]),
            // Either the old one or the new one, and whole.
            Kind::New => Must::Any(
                (self.acknowledged..=self.begun)
                    .map(|generation| format!("check {name} {generation} {whole}"))
                    .collect(),
            ),
            Kind::Over if self.begun != self.acknowledged => Must::Nothing,
            Kind::Over => Must::Any(vec![format!("check {name} {} {whole}", self.begun)]),
        }
    }
}

/// The numbers of the ledger.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Counts {
    /// Writes of which a box said that the disks have them.
    pub(crate) acknowledged: u64,
    /// Writes that failed, or of which nothing was heard.
    pub(crate) unanswered: u64,
    /// Files.
    pub(crate) files: usize,
}

/// The list, and its copy on this host's disk.
#[derive(Debug)]
pub(crate) struct Ledger {
    since: Instant,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    files: BTreeMap<String, Held>,
    counts: Counts,
    copy: File,
}

impl Ledger {
    /// An empty one, with its copy in this file.
    pub(crate) fn new(copy: &Path) -> Result<Self> {
        let copy = File::create(copy).with_context(|| copy.display().to_string())?;
        let inner = Inner { files: BTreeMap::new(), counts: Counts::default(), copy };
        Ok(Self { since: Instant::now(), inner: Mutex::new(inner) })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A file is about to be written; gives the number of the record or generation.
    pub(crate) fn begin(&self, name: &str, kind: Kind) -> u64 {
        let mut inner = self.inner();
        let none = Held { kind, acknowledged: 0, begun: 0 };
        let held = inner.files.entry(name.to_owned()).or_insert(none);
        held.begun += 1;
        held.begun
    }

    /// The write that was begun last has ended: a box has said so, or said otherwise.
    pub(crate) fn ended(&self, name: &str, answer: &Result<String>) -> Result<bool> {
        let done = answer.as_ref().is_ok_and(|answer| answer == "done");
        let said = match answer {
            Ok(said) => said.clone(),
            Err(error) => format!("{error:#}"),
        };
        let mut inner = self.inner();
        let held = inner.files.get_mut(name).context("a write that was not begun")?;
        if done {
            held.acknowledged = held.begun;
        }
        let number = held.begun;
        if done {
            inner.counts.acknowledged += 1;
        } else {
            inner.counts.unanswered += 1;
        }
        let at = self.since.elapsed().as_millis();
        let line = json!({ "ms": at, "file": name, "number": number, "said": said });
        writeln!(inner.copy, "{line}").context("the list of acknowledged writes")?;
        Ok(done)
    }

    /// All files.
    pub(crate) fn files(&self) -> BTreeMap<String, Held> {
        self.inner().files.clone()
    }

    /// How much was written.
    pub(crate) fn counts(&self) -> Counts {
        let inner = self.inner();
        Counts { files: inner.files.len(), ..inner.counts }
    }
}

#[cfg(test)]
mod tests {
    use super::{Held, Kind, Ledger, Must};
    use anyhow::anyhow;

    #[test]
    fn what_was_acknowledged_must_be_there_and_what_was_begun_may() {
        let held = |kind| Held { kind, acknowledged: 3, begun: 4 };
        let any = |words: &[&str]| Must::Any(words.iter().map(|word| (*word).to_owned()).collect());
        assert_eq!(held(Kind::Log).must("a"), any(&["start a 0 768"]));
        assert_eq!(held(Kind::New).must("a"), any(&["check a 3 16384", "check a 4 16384"]));
        assert_eq!(held(Kind::Over).must("a"), Must::Nothing);
        let over = Held { acknowledged: 4, ..held(Kind::Over) };
        assert_eq!(over.must("a"), any(&["check a 4 1000000"]));
    }

    #[test]
    fn only_done_is_an_acknowledgement() {
        let directory = tempfile::tempdir().unwrap();
        let copy = directory.path().join("acknowledged.jsonl");
        let ledger = Ledger::new(&copy).unwrap();
        for (answer, acknowledged) in [
            (Ok("done".to_owned()), 1),
            (Ok("failed: no space".to_owned()), 1),
            (Err(anyhow!("the box is off")), 1),
            (Ok("done".to_owned()), 4),
        ] {
            ledger.begin("a", Kind::New);
            ledger.ended("a", &answer).unwrap();
            assert_eq!(ledger.files()["a"].acknowledged, acknowledged);
        }
        assert_eq!(ledger.counts().acknowledged, 2);
        assert_eq!(std::fs::read_to_string(copy).unwrap().lines().count(), 4);
    }
}
