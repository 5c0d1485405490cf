//! Alerts as a person reads them.

use crate::style::{bad, faint, plain, waiting};
use ashlar_api::{Alert, Severity, Status, duration};

/// Two lines an alert, the worst first: what is wrong, and what to do.
pub(crate) fn lines(status: &Status) -> String {
    status.alerts.iter().map(|alert| line(alert, status.now_ms)).collect()
}

fn line(alert: &Alert, now_ms: u64) -> String {
    let words = plain(&alert.words);
    let marked = match alert.severity {
        Severity::Critical => bad(&format!("✘ {words}")),
        Severity::Warning => waiting(&format!("! {words}")),
        Severity::Notice => format!("· {words}"),
    };
    let long = now_ms.saturating_sub(alert.since_ms);
    let cure = format!("  for {}: {}", duration(long), plain(&alert.cure));
    format!("{marked}\n{}\n", faint(&cure))
}
