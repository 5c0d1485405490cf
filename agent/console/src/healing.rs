//! How long a volume will heal, by how fast it has healed so far.

use ashlar_api::duration;
use std::time::{Duration, Instant};

/// So long one must have watched before anything can be told.
const LEAST: Duration = Duration::from_secs(30);

/// One time of healing: when it was first seen, and with how many files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Healing {
    since: Instant,
    first: u64,
    now: u64,
    seen: Instant,
}

impl Healing {
    /// What is to be remembered once `pending` files await healing; none when none
    /// do. More files than at first begin anew.
    pub(crate) fn note(before: Option<Self>, pending: Option<u64>, at: Instant) -> Option<Self> {
        let pending = pending.filter(|files| *files > 0)?;
        match before {
            Some(before) if pending <= before.first => {
                Some(Self { now: pending, seen: at, ..before })
            }
            _ => Some(Self { since: at, first: pending, now: pending, seen: at }),
        }
    }

    /// How long it still takes, in words.
    pub(crate) fn rest(&self) -> Option<String> {
        let watched = self.seen.duration_since(self.since);
        let healed = self.first.saturating_sub(self.now);
        if watched < LEAST || healed == 0 {
            return None;
        }
        let watched = u64::try_from(watched.as_millis()).ok()?;
        Some(duration(watched.saturating_mul(self.now) / healed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_is_told_by_what_has_healed() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let healing = Healing::note(None, Some(100), at(0));
        assert_eq!(healing.unwrap().rest(), None, "nothing has healed yet");
        let healing = Healing::note(healing, Some(75), at(60));
        assert_eq!(healing.unwrap().rest().as_deref(), Some("3 min"));
        let more = Healing::note(healing, Some(500), at(61));
        assert_eq!(more.unwrap().rest(), None, "more files begin anew");
        assert!(Healing::note(healing, Some(0), at(90)).is_none());
        assert!(Healing::note(healing, None, at(90)).is_none());
    }
}
