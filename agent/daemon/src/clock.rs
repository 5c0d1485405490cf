//! Time since boot. The wall clock of a box may be wrong by years until it
//! reaches a time server, so nothing here is decided by it.

use nix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Time since boot as the kernel counts it (`CLOCK_BOOTTIME`), suspend included.
pub(crate) fn since_boot() -> Duration {
    // The call fails only for an unknown clock or a bad pointer; neither can be.
    clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default()
}

/// The same in whole milliseconds.
pub(crate) fn since_boot_ms() -> u64 {
    u64::try_from(since_boot().as_millis()).unwrap_or(u64::MAX)
}
