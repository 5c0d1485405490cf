//! Boxes that write while things happen to them.

use crate::gate::Gate;
use crate::hands::{DIRECTORY, Eye, Hand};
use crate::ledger::{Kind, Ledger, Must};
use anyhow::Result;
use ashlar_tests::fleet::Node;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// A write may wait for a box that died and for one that is frozen.
const WRITE: Duration = Duration::from_secs(90);

/// Another box may read what it knew until its caches have passed (a second), on a
/// machine that is busy.
const SEEN: Duration = Duration::from_secs(20);

/// Between two rounds of a writer, and before a box that takes no hand is asked again.
const PAUSE: Duration = Duration::from_millis(300);

/// New files of one box, before the first is replaced.
const SLOTS: u64 = 20;

/// Records in a round: of these there is one file, so that they are the cheapest.
const RECORDS: usize = 6;

/// What all writers share.
#[derive(Debug)]
pub(crate) struct Desk<'a> {
    pub(crate) ledger: Ledger,
    pub(crate) gate: Gate,
    /// Boxes, in order; each reads what the others write.
    pub(crate) eyes: Vec<Eye<'a>>,
    pub(crate) program: &'a [u8],
    /// Boxes that something happens to now: they need not read what is new.
    pub(crate) befallen: Mutex<BTreeSet<usize>>,
    /// What must not be.
    pub(crate) findings: Mutex<Vec<String>>,
    /// Reads of a file just before and after another box wrote it; those that found
    /// what is new only after a while; those that were refused.
    pub(crate) looks: AtomicU64,
    pub(crate) late: AtomicU64,
    pub(crate) refused: AtomicU64,
    /// Milliseconds until the latest one found it.
    pub(crate) latest: AtomicU64,
}

impl Desk<'_> {
    pub(crate) fn found(&self, finding: String) {
        eprintln!("✗ {finding}");
        if let Ok(mut findings) = self.findings.lock() {
            findings.push(finding);
        }
    }

    fn is_befallen(&self, number: usize) -> bool {
        self.befallen.lock().is_ok_and(|befallen| befallen.contains(&number))
    }

    /// A box has read what it must only after so long.
    pub(crate) fn late(&self, long: Duration) {
        self.late.fetch_add(1, Relaxed);
        let long = u64::try_from(long.as_millis()).unwrap_or(u64::MAX);
        self.latest.fetch_max(long, Relaxed);
    }

    /// Another box reads the file, and what it must.
    fn look(&self, eye: usize, name: &str) {
        let Some(held) = self.ledger.files().get(name).copied() else { return };
        let Must::Any(orders) = held.must(name) else { return };
        self.looks.fetch_add(1, Relaxed);
        let since = Instant::now();
        let mut waited = false;
        loop {
            let mut told = String::new();
            for order in &orders {
                match self.eyes[eye].look(order, WRITE) {
                    Ok(answer) if answer == "same" => {
                        if waited {
                            self.late(since.elapsed());
                        }
                        return;
                    }
                    Ok(answer) if answer.starts_with("differs") => told = answer,
                    // It cannot read now.
                    Ok(_) | Err(_) => {
                        self.refused.fetch_add(1, Relaxed);
                        return;
                    }
                }
            }
            if since.elapsed() > SEEN {
                if !self.is_befallen(eye + 1) {
                    self.found(format!(
                        "node{} reads {name} otherwise than it was acknowledged ({orders:?}): {told}",
                        eye + 1
                    ));
                }
                return;
            }
            waited = true;
            self.gate.pause(PAUSE);
        }
    }
}

/// The writer of box `number`, until the gate says that it is over.
pub(crate) fn write(desk: &Desk<'_>, node: Node<'_>, number: usize) {
    let mut writer = Writer { desk, node, number, epoch: 1, round: 0, hand: None };
    while desk.gate.enter() {
        let fine = writer.round();
        desk.gate.rest();
        if !fine || writer.hand.is_none() {
            // Its files are left as they are: a write that was given up may still come.
            writer.hand = None;
        }
        desk.gate.pause(PAUSE);
    }
}

struct Writer<'a> {
    desk: &'a Desk<'a>,
    node: Node<'a>,
    number: usize,
    /// Of its files: new ones after every failure.
    epoch: u64,
    round: u64,
    hand: Option<Hand>,
}

impl Writer<'_> {
    /// Some of each kind. False when one failed.
    fn round(&mut self) -> bool {
        if self.hand.is_none() {
            match Hand::start(self.node, self.desk.program, DIRECTORY) {
                Ok(hand) => self.hand = Some(hand),
                Err(_) => return false,
            }
        }
        self.round += 1;
        let start = format!("node{}-{}", self.number, self.epoch);
        let (over, new) = (format!("{start}-over"), format!("{start}-{}", self.round % SLOTS));
        let boxes = self.desk.eyes.len();
        let other = |step: u64| {
            let step = usize::try_from(step).unwrap_or_default();
            (self.number - 1 + 1 + step % boxes.saturating_sub(1).max(1)) % boxes
        };
        let (before, after) = (other(self.round), other(self.round + 1));
        let log = format!("{start}-log");
        let written = (0..RECORDS).all(|_| self.one(&log, Kind::Log)) && self.one(&new, Kind::New);
        if !written {
            self.epoch += 1;
            return false;
        }
        self.desk.look(before, &over);
        if !self.one(&over, Kind::Over) {
            self.epoch += 1;
            return false;
        }
        self.desk.look(after, &over);
        self.desk.look(before, &new);
        true
    }

    /// One write.
    fn one(&mut self, name: &str, kind: Kind) -> bool {
        let Some(hand) = self.hand.as_mut() else { return false };
        let number = self.desk.ledger.begin(name, kind);
        // Records are counted from 0 in the file.
        let number = if kind == Kind::Log { number - 1 } else { number };
        let order = format!("{} {name} {number} {}", kind.verb(), kind.bytes());
        let answer: Result<String> = hand.ask(&order, WRITE);
        match self.desk.ledger.ended(name, &answer) {
            Ok(done) => done,
            Err(error) => {
                self.desk.found(format!("{error:#}"));
                false
            }
        }
    }
}
