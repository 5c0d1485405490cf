//! Alerts as a person reads them.

use crate::style::{bad, faint, plain, waiting};
use ashlar_api::{Alert, Severity, Status, duration, page_of};

/// Two lines an alert, the worst first: what is wrong, and what to do; and a third with
/// its page in the book, if the image says where that is.
pub(crate) fn lines(status: &Status) -> String {
    let book = status.book.as_deref();
    status.alerts.iter().map(|alert| line(alert, book, status.now_ms)).collect()
}

fn line(alert: &Alert, book: Option<&str>, now_ms: u64) -> String {
    let words = plain(&alert.words);
    let marked = match alert.severity {
        Severity::Critical => bad(&format!("✘ {words}")),
        Severity::Warning => waiting(&format!("! {words}")),
        Severity::Notice => format!("· {words}"),
    };
    let long = now_ms.saturating_sub(alert.since_ms);
    let cure = format!("  for {}: {}", duration(long), plain(&alert.cure));
    let page = book.map(|book| plain(&format!("  {}", page_of(book, &alert.id))));
    let page = page.map(|page| format!("{}\n", faint(&page))).unwrap_or_default();
    format!("{marked}\n{}\n{page}", faint(&cure))
}
