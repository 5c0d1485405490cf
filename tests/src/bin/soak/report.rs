//! What a soak leaves: one JSON object for programs, a text for people.

use crate::draw::Drill;
use crate::ledger::Counts;
use anyhow::Result;
use serde::Serialize;
use std::fmt::Write;
use std::path::Path;

/// A drill that was carried out.
#[derive(Debug, Serialize)]
pub(crate) struct Done {
    /// Seconds after the first write.
    pub(crate) at: f64,
    #[serde(flatten)]
    pub(crate) drill: Drill,
    /// The same, in words.
    pub(crate) words: String,
    /// Seconds until all boxes were ready, from its end.
    pub(crate) ready_after: Option<f64>,
}

/// All of a soak.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) boxes: usize,
    pub(crate) minutes: u64,
    pub(crate) load: usize,
    /// The command that repeats it.
    pub(crate) again: String,
    pub(crate) drills: Vec<Done>,
    #[serde(flatten)]
    pub(crate) counts: Counts,
    /// Reads of a file by another box around a write of it,
    pub(crate) looks: u64,
    /// and of all reads those that found it only when repeated,
    pub(crate) late: u64,
    /// those refused, and milliseconds until the latest one found it.
    pub(crate) refused: u64,
    pub(crate) latest_ms: u64,
    /// What was not as it must be.
    pub(crate) findings: Vec<String>,
}

impl Report {
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{}\n\n", self.again);
        for Done { at, words, ready_after, .. } in &self.drills {
            let ready = ready_after
                .map_or("never ready again".to_owned(), |s| format!("all ready {s:.1} s later"));
            let _ = writeln!(text, "{at:7.1} s  {words}; {ready}");
        }
        let Counts { acknowledged, unanswered, files } = self.counts;
        let _ = writeln!(
            text,
            "\n{acknowledged} writes to {files} files were acknowledged, {unanswered} were not\n\
             {} looks by other boxes; {} found what is new late, the latest after {} ms; {} refused",
            self.looks, self.late, self.latest_ms, self.refused
        );
        if self.findings.is_empty() {
            text += "every acknowledged write is on every box and in every copy\n";
        }
        for finding in &self.findings {
            let _ = writeln!(text, "✗ {finding}");
        }
        text
    }

    pub(crate) fn keep(&self, directory: &Path) -> Result<()> {
        crate::hands::keep(directory, "report.json", &serde_json::to_string_pretty(self)?)?;
        crate::hands::keep(directory, "report.txt", &self.text())
    }
}
