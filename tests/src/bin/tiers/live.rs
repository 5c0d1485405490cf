//! What is shown while tiers run side by side: each tier's output whole when it
//! ends, and until then one line that says what runs.
//!
//! The output is also in `out/test-logs/TIER.log`, from the first line on, for
//! who cannot wait and for a run that is cut off.

use crate::summary::clock;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two lines of what runs, where they stay.
const SELDOM: Duration = Duration::from_secs(60);

/// The screen that all tiers share.
#[derive(Debug)]
pub(crate) struct Live {
    started: Instant,
    logs: PathBuf,
    /// Whether lines are shown as they come, because only one tier speaks.
    alone: bool,
    running: Mutex<BTreeMap<&'static str, (Instant, String)>>,
    shown: Mutex<Instant>,
}

/// One tier's output.
#[derive(Debug)]
pub(crate) struct Output {
    tier: &'static str,
    log: PathBuf,
    file: Mutex<File>,
    live: Arc<Live>,
}

impl Live {
    /// A screen for the tiers of `root`.
    pub(crate) fn new(root: &Path, alone: bool) -> Result<Arc<Self>> {
        let logs = root.join("out/test-logs");
        std::fs::create_dir_all(&logs)
            .with_context(|| format!("{} cannot be made", logs.display()))?;
        let now = Instant::now();
        let (running, shown) = (Mutex::default(), Mutex::new(now));
        Ok(Arc::new(Self { started: now, logs, alone, running, shown }))
    }

    /// Only one tier speaks.
    pub(crate) const fn is_alone(&self) -> bool {
        self.alone
    }

    /// A tier begins.
    pub(crate) fn begin(self: &Arc<Self>, tier: &'static str, what: &str) -> Result<Output> {
        self.lock().insert(tier, (Instant::now(), String::new()));
        let headline =
            if self.alone { format!("\n━━ {tier}: {what}") } else { format!("{tier} …") };
        self.print(&headline);
        let log = self.logs.join(format!("{tier}.log"));
        let file = File::create(&log).with_context(|| log.display().to_string())?;
        let output = Output { tier, log, file: Mutex::new(file), live: Arc::clone(self) };
        Ok(output)
    }

    /// Says what runs: always anew on a terminal, now and then elsewhere.
    pub(crate) fn tick(&self) {
        if self.alone {
            return;
        }
        let terminal = std::io::stdout().is_terminal();
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if !terminal && shown.elapsed() < SELDOM {
            return;
        }
        *shown = Instant::now();
        let running = self.lock();
        let parts: Vec<String> = running
            .iter()
            .map(|(tier, (since, last))| {
                let last: String = last.trim().chars().take(40).collect();
                format!("{tier} {} {last}", clock(since.elapsed().as_secs_f64()))
            })
            .collect();
        let line = format!("{} {}", clock(self.started.elapsed().as_secs_f64()), parts.join(" | "));
        let mut screen = std::io::stdout();
        // A screen that is gone is no reason to stop.
        let _ = if terminal {
            let line: String = line.chars().take(100).collect();
            write!(screen, "\r\x1b[K{line}")
        } else {
            writeln!(screen, "… {line}")
        };
        let _ = screen.flush();
    }

    fn print(&self, text: &str) {
        let clear = if !self.alone && std::io::stdout().is_terminal() { "\r\x1b[K" } else { "" };
        let _ = writeln!(std::io::stdout(), "{clear}{text}");
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, (Instant, String)>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Output {
    /// One more line.
    pub(crate) fn say(&self, line: &str) -> Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(file, "{line}").with_context(|| self.log.display().to_string())?;
        if self.live.alone {
            self.live.print(line);
        } else if let Some((_, last)) = self.live.lock().get_mut(self.tier) {
            line.clone_into(last);
        }
        Ok(())
    }

    /// The tier has ended: all that it said, at once.
    pub(crate) fn end(self, what: &str, verdict: &str) -> Result<()> {
        self.live.lock().remove(self.tier);
        if !self.live.alone {
            let said = std::fs::read(&self.log).with_context(|| self.log.display().to_string())?;
            let said = String::from_utf8_lossy(&said);
            self.live.print(&format!("\n━━ {}: {what}\n{}", self.tier, said.trim_end()));
        }
        self.live.print(&format!("━━ {}: {verdict}\n", self.tier));
        Ok(())
    }
}
