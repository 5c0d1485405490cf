//! One measured figure.

use anyhow::{Context, Result};
use serde::Serialize;
use std::io::Write;
use std::path::Path;

/// What was measured, beside its budget.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) value: f64,
    /// At most this, by the design.
    pub(crate) budget: Option<f64>,
    /// What the peer takes, measured in the same run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) peer: Option<f64>,
    /// At most this share of the peer's, by the design.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) share: Option<f64>,
}

impl Row {
    pub(crate) const fn new(what: &'static str, unit: &'static str, value: f64) -> Self {
        Self { what, unit, value, budget: None, peer: None, share: None }
    }

    pub(crate) const fn budget(self, budget: f64) -> Self {
        Self { budget: Some(budget), ..self }
    }

    /// Beside what the peer takes.
    pub(crate) const fn next_to(self, peer: f64) -> Self {
        Self { peer: Some(peer), ..self }
    }

    /// Beside what the peer takes, of which it may be this share.
    pub(crate) const fn beside(self, peer: f64, share: f64) -> Self {
        Self { peer: Some(peer), share: Some(share), ..self }
    }

    fn is_over(&self) -> bool {
        let share = self.peer.zip(self.share).map(|(peer, share)| peer * share);
        self.budget.into_iter().chain(share).any(|most| self.value > most)
    }
}

pub(crate) fn print(rows: &[Row]) {
    println!("{:<52} {:>9} {:>9} {:>6} {:>9}", "", "measured", "peer", "ratio", "budget");
    for row in rows {
        let number = |number: Option<f64>, digits: usize| {
            number.map_or_else(String::new, |number| format!("{number:.digits$}"))
        };
        let ratio = number(row.peer.map(|peer| row.value / peer), 2);
        let budget = match row.share {
            Some(share) => format!("{share:.2} ×"),
            None => number(row.budget, 1),
        };
        let (value, peer) = (number(Some(row.value), 1), number(row.peer, 1));
        let mark = if row.is_over() { "  over" } else { "" };
        println!("{:<52} {value:>9} {peer:>9} {ratio:>6} {budget:>9} {}{mark}", row.what, row.unit);
    }
}

/// Writes them as JSON, whole or not at all.
pub(crate) fn write(rows: &[Row], path: &Path) -> Result<()> {
    let directory = path.parent().context("a directory")?;
    std::fs::create_dir_all(directory)?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    serde_json::to_writer_pretty(&mut file, rows)?;
    file.write_all(b"\n")?;
    file.persist(path).with_context(|| path.display().to_string())?;
    Ok(())
}
