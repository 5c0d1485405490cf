//! Log records with structured fields: `tracing` events become journal entries
//! whose fields (`phase`, `step`, …) are `ASHLAR_PHASE`, `ASHLAR_STEP`, so that
//! `journalctl ASHLAR_PHASE=ring` finds them.

use systemd_journal_logger::{JournalLog, connected_to_journal};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Sends events to the journal when standard error leads there, and to standard
/// error as text otherwise (a person started the agent by hand).
pub(crate) fn init() {
    let wanted = std::env::var("ASHLAR_LOG").ok().and_then(|words| words.parse::<Targets>().ok());
    let filter = wanted.unwrap_or_else(|| {
        let quiet = ["zbus", "rustls", "hyper"].map(|target| (target, LevelFilter::WARN));
        Targets::new().with_default(LevelFilter::INFO).with_targets(quiet)
    });
    let registry = tracing_subscriber::registry().with(filter);
    let journal = connected_to_journal().then(JournalLog::empty).and_then(Result::ok);
    // Libraries that know `log` alone: what they warn of would reach nobody.
    if log::set_logger(&Bridge).is_ok() {
        log::set_max_level(log::LevelFilter::Warn);
    }
    // `try_init` fails only if a subscriber exists already: then it stays.
    let _ = match journal {
        Some(log) => {
            let log = log.with_syslog_identifier("ashlar-agent".into());
            registry.with(JournalLayer { log }).try_init()
        }
        None => registry.with(fmt::layer().with_writer(std::io::stderr)).try_init(),
    };
}

/// Makes `tracing` events of `log` records.
struct Bridge;

impl log::Log for Bridge {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let (library, words) = (record.target(), record.args());
        match record.level() {
            log::Level::Error => tracing::error!(library, "{words}"),
            log::Level::Warn => tracing::warn!(library, "{words}"),
            _ => tracing::debug!(library, "{words}"),
        }
    }

    fn flush(&self) {}
}

struct JournalLayer {
    log: JournalLog,
}

impl<S: Subscriber> Layer<S> for JournalLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut entry = Entry::default();
        event.record(&mut entry);
        let fields: Vec<(&str, log::kv::Value<'_>)> = entry
            .fields
            .iter()
            .map(|(k, v)| (k.as_str(), log::kv::Value::from(v.as_str())))
            .collect();
        let meta = event.metadata();
        let send = |message: std::fmt::Arguments<'_>| {
            let record = log::Record::builder()
                .args(message)
                .level(priority(*meta.level()))
                .target(meta.target())
                .module_path(meta.module_path())
                .file(meta.file())
                .line(meta.line())
                .key_values(&fields)
                .build();
            // There is nowhere left to report that the journal does not listen.
            let _ = self.log.journal_send(&record);
        };
        send(format_args!("{}", entry.message));
    }
}

/// The journal logger maps `Info` to *notice* and `Debug` to *info*; what the
/// agent says in the normal course is *info* to an administrator.
fn priority(level: Level) -> log::Level {
    match level {
        Level::ERROR => log::Level::Error,
        Level::WARN => log::Level::Warn,
        Level::INFO => log::Level::Info,
        Level::DEBUG => log::Level::Debug,
        Level::TRACE => log::Level::Trace,
    }
}

#[derive(Default)]
struct Entry {
    message: String,
    fields: Vec<(String, String)>,
}

impl Entry {
    fn put(&mut self, field: &Field, value: String) {
        if field.name() == "message" {
            self.message = value;
        } else {
            self.fields.push((format!("ASHLAR_{}", field.name().to_ascii_uppercase()), value));
        }
    }
}

impl Visit for Entry {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    struct Capture(Arc<Mutex<Entry>>);

    impl<S: Subscriber> Layer<S> for Capture {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            event.record(&mut *self.0.lock().unwrap());
        }
    }

    #[test]
    fn what_a_library_logs_reaches_the_journal() {
        let seen = Arc::new(Mutex::new(Entry::default()));
        let subscriber = tracing_subscriber::registry().with(Capture(seen.clone()));
        tracing::subscriber::with_default(subscriber, || {
            let words = format_args!("the name is too long");
            let level = log::Level::Error;
            let record = log::Record::builder().args(words).level(level).target("mdns_sd").build();
            log::Log::log(&Bridge, &record);
        });
        let seen = seen.lock().unwrap();
        assert_eq!(seen.message, "the name is too long");
        assert_eq!(seen.fields, [("ASHLAR_LIBRARY".into(), "mdns_sd".into())]);
    }

    #[test]
    fn fields_of_an_event_become_journal_fields_of_ours() {
        let seen = Arc::new(Mutex::new(Entry::default()));
        let subscriber = tracing_subscriber::registry().with(Capture(seen.clone()));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(phase = "ring", step = %"join-ring", "ring holds");
        });
        let seen = seen.lock().unwrap();
        assert_eq!(seen.message, "ring holds");
        assert_eq!(
            seen.fields,
            [("ASHLAR_PHASE".into(), "ring".into()), ("ASHLAR_STEP".into(), "join-ring".into())]
        );
    }
}
