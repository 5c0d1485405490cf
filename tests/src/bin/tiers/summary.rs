//! One line a tier, the total, and the same as JSON.

use anyhow::{Context, Result};
use serde::Serialize;
use std::fmt;
use std::io::Write;
use std::path::Path;

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
}

impl Row {
    pub(crate) const fn new(tier: &'static str) -> Self {
        Self { tier, seconds: 0.0, passed: 0, failed: 0, skipped: 0, remark: None }
    }
}

/// How all tiers went.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Summary {
    tiers: Vec<Row>,
}

impl Summary {
    pub(crate) fn push(&mut self, row: Row) {
        self.tiers.push(row);
    }

    /// Whether the tier of this name ran and failed.
    pub(crate) fn has_failed(&self, tier: &str) -> bool {
        self.tiers.iter().any(|row| row.tier == tier && row.failed > 0)
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
        let total = self.tiers.iter().map(|row| row.seconds).sum();
        writeln!(f, "{:<8} {:>8}", "all", clock(total))?;
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
fn clock(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::{Row, Summary};

    #[test]
    fn it_ends_with_the_plain_total() {
        let mut summary = Summary::default();
        summary.push(Row { passed: 7, seconds: 61.4, ..Row::new("unit") });
        summary.push(Row { skipped: 1, remark: Some("skipped: why".into()), ..Row::new("lab") });
        let text = summary.to_string();
        assert!(text.contains("unit         1:01       7       0        0\n"), "{text}");
        assert!(text.contains("skipped: why"), "{text}");
        assert_eq!(text.lines().last(), Some("7 passed, 0 failed, 1 skipped"));
    }
}
