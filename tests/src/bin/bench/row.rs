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
}

impl Row {
    pub(crate) const fn new(what: &'static str, unit: &'static str, value: f64) -> Self {
        Self { what, unit, value, budget: None }
    }

    pub(crate) const fn budget(self, budget: f64) -> Self {
        Self { budget: Some(budget), ..self }
    }
}

pub(crate) fn print(rows: &[Row]) {
    println!("{:<52} {:>10} {:>10}", "", "measured", "budget");
    for row in rows {
        let budget = row.budget.map_or_else(String::new, |budget| format!("{budget:.1}"));
        let mark = if row.budget.is_some_and(|budget| row.value > budget) { "  over" } else { "" };
        println!("{:<52} {:>10.1} {budget:>10} {}{mark}", row.what, row.value, row.unit);
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
