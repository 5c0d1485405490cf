//! Time since boot, by which everything here waits, and what is known of the wall
//! clock, by which certificates are judged: a box without a battery goes by the
//! time at which its release was made until a time server tells it better.

use crate::paths::Paths;
use ashlar_cluster::{Clock, OtherClock};
use jiff::Timestamp;
use nix::time::{ClockId, clock_gettime};
use std::fs;
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

/// When this release was made, before which no clock can be right: the time of
/// the file that systemd takes as its floor as well, or of the release's own. The
/// epoch for an agent outside an image.
pub(crate) fn build_time(paths: &Paths) -> Timestamp {
    let modified = |path| fs::metadata(path).and_then(|file| file.modified()).ok();
    let time = modified(paths.clock_epoch()).or_else(|| modified(paths.release()));
    time.and_then(|time| Timestamp::try_from(time).ok()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// What the wall clock is worth, beside those of the others.
pub(crate) fn look(paths: &Paths, now: Timestamp, others: Vec<OtherClock>) -> Clock {
    let unix = u64::try_from(now.as_second()).ok();
    let synchronised = paths.clock_synchronised().exists();
    Clock::among(unix, now < build_time(paths), synchronised, others)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    #[test]
    fn a_clock_that_shows_a_time_before_its_release_cannot_be_right() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        assert!(!look(&paths, Timestamp::UNIX_EPOCH, Vec::new()).before_build, "outside an image");
        fs::create_dir_all(paths.release().parent().unwrap()).unwrap();
        fs::write(paths.release(), "{}").unwrap();
        let made = build_time(&paths);
        assert!(look(&paths, made - SignedDuration::from_secs(1), Vec::new()).before_build);
        assert!(!look(&paths, made, Vec::new()).before_build);
        assert!(!look(&paths, made, Vec::new()).synchronised);
        fs::create_dir_all(paths.clock_synchronised().parent().unwrap()).unwrap();
        fs::write(paths.clock_synchronised(), "").unwrap();
        assert!(look(&paths, made, Vec::new()).synchronised);
    }
}
