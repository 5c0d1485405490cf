//! What an operator reads: lines for tracing, and for `serf monitor`.

use std::collections::VecDeque;
use std::fmt::Arguments;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::broadcast;

/// Lines that a new monitor is shown first.
const REMEMBERED: usize = 64;

/// Refusals are told so often at most; the others are counted.
const REFUSALS: Duration = Duration::from_secs(10);

/// How much a line matters, in Serf's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// What happens inside.
    Debug,
    /// What happens in the ring.
    Info,
    /// What may be wrong.
    Warn,
    /// What is wrong.
    Error,
}

impl Level {
    /// From a monitor's request.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        match word.to_ascii_uppercase().as_str() {
            "TRACE" | "DEBUG" => Some(Self::Debug),
            "INFO" => Some(Self::Info),
            "WARN" => Some(Self::Warn),
            "ERR" => Some(Self::Error),
            _ => None,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERR",
        }
    }
}

/// A line.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) level: Level,
    pub(crate) text: Arc<str>,
}

/// Where lines go.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    shared: Arc<Mutex<Shared>>,
    monitors: broadcast::Sender<Line>,
}

#[derive(Debug, Default)]
struct Shared {
    last: VecDeque<Line>,
    refusals: u64,
    refusals_told: Option<Instant>,
}

impl Journal {
    pub(crate) fn new() -> Self {
        Self { shared: Arc::default(), monitors: broadcast::channel(128).0 }
    }

    /// Writes a line.
    pub(crate) fn note(&self, level: Level, text: Arguments<'_>) {
        match level {
            Level::Debug => tracing::debug!(target: "serf", "{text}"),
            Level::Info => tracing::info!(target: "serf", "{text}"),
            Level::Warn => tracing::warn!(target: "serf", "{text}"),
            Level::Error => tracing::error!(target: "serf", "{text}"),
        }
        let line = Line { level, text: format!("[{}] serf: {text}", level.word()).into() };
        if let Ok(mut shared) = self.shared.lock() {
            if shared.last.len() >= REMEMBERED {
                shared.last.pop_front();
            }
            shared.last.push_back(line.clone());
        }
        // Without monitors nobody listens.
        let _ = self.monitors.send(line);
    }

    /// Notes bytes that were refused, with a count instead of a flood.
    pub(crate) fn refused(&self, from: std::net::SocketAddr, why: &str) {
        let told = {
            let Ok(mut shared) = self.shared.lock() else { return };
            shared.refusals += 1;
            if shared.refusals_told.is_some_and(|told| told.elapsed() < REFUSALS) {
                return;
            }
            shared.refusals_told = Some(Instant::now());
            std::mem::take(&mut shared.refusals)
        };
        self.note(
            Level::Warn,
            format_args!("refused {told} messages lately, the last from {from}: {why}"),
        );
    }

    /// The last lines, and those to come.
    pub(crate) fn monitor(&self) -> (Vec<Line>, broadcast::Receiver<Line>) {
        let receiver = self.monitors.subscribe();
        let last = self.shared.lock().map(|shared| shared.last.iter().cloned().collect());
        (last.unwrap_or_default(), receiver)
    }
}
