//! One line a tier, the total, and the same as JSON with the seconds of each test.

use crate::libtest::Timed;
use anyhow::{Context, Result};
use serde::Serialize;
use std::fmt;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

/// How one tier went.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) tier: &'static str,
    pub(crate) seconds: f64,
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remark: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tests: Vec<Timed>,
}

impl Row {
    pub(crate) const fn new(tier: &'static str) -> Self {
        let tests = Vec::new();
        Self { tier, seconds: 0.0, passed: 0, failed: 0, skipped: 0, remark: None, tests }
    }

    /// The row in words.
    pub(crate) fn verdict(&self) -> String {
        let Self { passed, failed, skipped, .. } = self;
        let time = clock(self.seconds);
        format!("{passed} passed, {failed} failed, {skipped} skipped in {time}")
    }
}

/// How all tiers went.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    /// From the first tier's beginning to the last one's end: they overlap.
    seconds: f64,
    tiers: Vec<Row>,
    #[serde(skip)]
    started: Instant,
}

impl Summary {
    /// Of tiers that begin now.
    pub(crate) fn begin() -> Self {
        Self { seconds: 0.0, tiers: Vec::new(), started: Instant::now() }
    }

    /// One tier has ended.
    pub(crate) fn push(&mut self, row: Row) {
        self.tiers.push(row);
        self.seconds = self.started.elapsed().as_secs_f64();
    }

    pub(crate) fn failed(&self) -> u64 {
        self.sum(|row| row.failed)
    }

    fn sum(&self, of: fn(&Row) -> u64) -> u64 {
        self.tiers.iter().map(of).sum()
    }

    /// Writes it as JSON, whole or not at all.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let directory = path.parent().context("a path with a directory")?;
        std::fs::create_dir_all(directory)
            .with_context(|| format!("{} cannot be made", directory.display()))?;
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        serde_json::to_writer_pretty(&mut file, self)?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        file.persist(path).with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(())
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{:<8} {:>8} {:>7} {:>7} {:>8}",
            "tier", "time", "passed", "failed", "skipped"
        )?;
        for row in &self.tiers {
            let time = clock(row.seconds);
            let remark = row.remark.as_deref().unwrap_or_default();
            let line = format!(
                "{:<8} {time:>8} {:>7} {:>7} {:>8}  {remark}",
                row.tier, row.passed, row.failed, row.skipped
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        writeln!(f, "{:<8} {:>8}", "all", clock(self.seconds))?;
        writeln!(
            f,
            "\n{} passed, {} failed, {} skipped",
            self.sum(|row| row.passed),
            self.failed(),
            self.sum(|row| row.skipped)
        )
    }
}

/// `m:ss`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, small")]
pub(crate) fn clock(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::{Row, Summary};

    #[test]
    fn it_ends_with_the_plain_total() {
        let mut summary = Summary::begin();
        summary.push(Row { passed: 7, seconds: 61.4, ..Row::new("unit") });
        summary.push(Row { skipped: 1, remark: Some("skipped: why".into()), ..Row::new("lab") });
        let text = summary.to_string();
        assert!(text.contains("unit         1:01       7       0        0\n"), "{text}");
        assert!(text.contains("skipped: why"), "{text}");
        assert_eq!(text.lines().last(), Some("7 passed, 0 failed, 1 skipped"));
    }
}
