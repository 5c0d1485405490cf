//! What this node did and could not do, kept over reboots: one JSON object a
//! line, the newest last, so that a power cut costs a line at most.

use anyhow::{Context, Result};
use ashlar_api::Event;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Version of a line. A reader leaves out lines of a version that it does not
/// know.
pub(crate) const VERSION: u32 = 1;

/// So many lines are kept; twice as many are let grow before the oldest go.
const KEPT: usize = 500;

/// The file.
#[derive(Debug)]
pub(crate) struct Ledger {
    path: PathBuf,
    lines: usize,
    broken: bool,
}

impl Ledger {
    /// Goes on with the file at `path`.
    pub(crate) fn open(path: PathBuf) -> Self {
        let lines = read(&path).map_or(0, |events| events.len());
        Self { path, lines, broken: false }
    }

    /// Adds a line. That it cannot is said once: a full disk must not stop the
    /// node from doing what it does.
    pub(crate) fn note(&mut self, event: &Event) {
        let result = self.append(event);
        if let Err(error) = &result
            && !self.broken
        {
            tracing::warn!("this node's history is not written: {error:#}");
        }
        self.broken = result.is_err();
    }

    fn append(&mut self, event: &Event) -> Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        if self.lines >= KEPT * 2 {
            let events = read(&self.path)?;
            let mut kept = Vec::new();
            for event in events.iter().skip(events.len().saturating_sub(KEPT)) {
                serde_json::to_writer(&mut kept, event)?;
                kept.push(b'\n');
            }
            crate::state::write(&self.path, &kept, 0o640)?;
            self.lines = events.len().min(KEPT);
        }
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o640)
            .open(&self.path)
            .with_context(|| format!("cannot open {}", self.path.display()))?;
        // A line that a power cut left unfinished must not swallow this one.
        if !ends_a_line(&self.path)? {
            line.insert(0, b'\n');
        }
        file.write_all(&line).with_context(|| format!("cannot write {}", self.path.display()))?;
        self.lines += 1;
        Ok(())
    }
}

fn ends_a_line(path: &Path) -> Result<bool> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = fs::File::open(path)?;
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// Every line that can be read, the oldest first.
pub(crate) fn read(path: &Path) -> Result<Vec<Event>> {
    let text = match fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e).with_context(|| format!("cannot read {}", path.display())),
    };
    let events = text.lines().filter_map(|line| serde_json::from_str::<Event>(line).ok());
    Ok(events.filter(|event| event.version == VERSION).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ashlar_cluster::Phase;

    fn event(step: &str) -> Event {
        Event {
            version: VERSION,
            at: "2026-11-25T20:00:00Z".into(),
            since_boot_ms: 4_000,
            phase: Phase::Storage,
            step: step.into(),
            because: "the volume is stopped".into(),
            error: None,
            took_ms: 20,
        }
    }

    fn steps(path: &Path) -> Vec<String> {
        read(path).unwrap().into_iter().map(|event| event.step).collect()
    }

    #[test]
    fn the_first_version_of_a_line_is_read_for_ever() {
        let line = r#"{"version":1,"at":"2026-11-25T20:00:00Z","since_boot_ms":4000,"phase":"storage","step":"start the volume","because":"the volume is stopped","error":null,"took_ms":20}"#;
        assert_eq!(serde_json::to_string(&event("start the volume")).unwrap(), line);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history.jsonl");
        let newer = line.replace("\"version\":1", "\"version\":2");
        fs::write(&path, format!("{line}\n{newer}\n")).unwrap();
        assert_eq!(steps(&path), ["start the volume"]);
    }

    #[test]
    fn a_line_that_a_power_cut_left_costs_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history.jsonl");
        assert_eq!(read(&path).unwrap(), []);
        Ledger::open(path.clone()).note(&event("one"));
        let whole = fs::read(&path).unwrap();
        fs::write(&path, [&whole[..], &whole[..20]].concat()).unwrap();
        Ledger::open(path.clone()).note(&event("two"));
        assert_eq!(steps(&path), ["one", "two"]);
    }

    #[test]
    fn the_oldest_lines_go() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history.jsonl");
        let mut ledger = Ledger::open(path.clone());
        for n in 0..=KEPT * 2 {
            ledger.note(&event(&n.to_string()));
        }
        let steps = steps(&path);
        assert_eq!(steps.len(), KEPT + 1);
        assert_eq!(steps.first().unwrap(), &KEPT.to_string());
    }
}
