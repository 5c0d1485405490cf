//! What systemd hears of the agent: readiness, a status line, and watchdog
//! pings that stop when the loop stops keeping its promises.

use crate::clock::since_boot_ms;
use sd_notify::NotifyState;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The loop's promise: "by then you will hear from me again". Every effect has
/// a time-out, so a promise broken is a hang, and the watchdog may bite.
#[derive(Debug)]
pub(crate) struct Pulse {
    until_ms: AtomicU64,
}

impl Pulse {
    /// A pulse that holds for `within` from now.
    pub(crate) fn new(within: Duration) -> Self {
        let pulse = Self { until_ms: AtomicU64::new(0) };
        pulse.promise(within);
        pulse
    }

    /// Promises the next call of this function within `within`.
    pub(crate) fn promise(&self, within: Duration) {
        let within = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        self.until_ms.store(since_boot_ms().saturating_add(within), Ordering::Relaxed);
    }

    /// Whether the last promise still stands.
    pub(crate) fn holds(&self) -> bool {
        since_boot_ms() <= self.until_ms.load(Ordering::Relaxed)
    }
}

/// Tells systemd that the agent listens and loops.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Tells systemd that the agent stops on purpose.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Sets the line that `systemctl status` shows.
pub(crate) fn status(line: &str) {
    tell(&[NotifyState::Status(line)]);
}

fn tell(state: &[NotifyState<'_>]) {
    // Without a service manager there is no one to tell.
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "the service manager did not take a notification");
    }
}

/// Feeds systemd's watchdog three times a period for as long as the loop keeps
/// its promises. Returns at once where no watchdog is set.
pub(crate) async fn feed_watchdog(pulse: Arc<Pulse>) {
    let Some(period) = sd_notify::watchdog_enabled() else { return };
    let mut tick = tokio::time::interval(period / 3);
    loop {
        tick.tick().await;
        if pulse.holds() {
            tell(&[NotifyState::Watchdog]);
        } else {
            tracing::error!("the loop hangs: the watchdog is not fed any more");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_holds_until_its_time_has_passed() {
        let pulse = Pulse::new(Duration::from_secs(60));
        assert!(pulse.holds());
        pulse.until_ms.store(0, Ordering::Relaxed);
        assert!(!pulse.holds());
    }
}
