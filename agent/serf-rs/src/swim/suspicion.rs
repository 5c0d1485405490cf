//! How long a suspect has to refute.
//!
//! Source: *Lifeguard*, "Local Health Aware Suspicion"; hashicorp/memberlist,
//! `suspicion.go`.

use super::Name;
use crate::time::{Profile, Time};
use std::time::Duration;

/// A suspicion against one member.
#[derive(Clone, Debug)]
pub(crate) struct Suspicion {
    since: Time,
    least: Duration,
    most: Duration,
    /// So many others who agree bring the time down to the least.
    enough: u32,
    /// Who agrees; the first is who began.
    voices: Vec<Name>,
}

impl Suspicion {
    /// `from` suspects a member of a ring of `n`.
    pub(super) fn new(now: Time, from: Name, profile: &Profile, n: usize) -> Self {
        let least = profile.suspicion(n);
        // Two fewer than the multiplier: what a member learns from its peers
        // is out of step with its own probes.
        let wanted = profile.suspicion_mult.saturating_sub(2);
        // Neither this node nor the suspect can agree.
        let possible = n.saturating_sub(2);
        let enough =
            if possible < usize::try_from(wanted).unwrap_or(usize::MAX) { 0 } else { wanted };
        let most = least * profile.suspicion_max_mult;
        Self { since: now, least, most, enough, voices: vec![from] }
    }

    /// `from` agrees. Whether that is news worth telling on.
    pub(super) fn confirm(&mut self, from: &Name) -> bool {
        if self.confirmations() >= self.enough || self.voices.contains(from) {
            return false;
        }
        self.voices.push(from.clone());
        true
    }

    fn confirmations(&self) -> u32 {
        u32::try_from(self.voices.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    /// When the suspect is asked in person: when half of the shortest time for
    /// a refutation is left. Most refutations have arrived by then.
    pub(super) fn asks(&self) -> Time {
        Time::at(self.ends().since_start().saturating_sub(self.least / 2))
    }

    /// When the suspect is taken for dead.
    pub(super) fn ends(&self) -> Time {
        if self.enough == 0 {
            return self.since + self.least;
        }
        let log = |voices: u32| libm::log1p(voices.into());
        let share = log(self.confirmations()) / log(self.enough);
        let shorter = self.most.saturating_sub(self.least).mul_f64(share.min(1.0));
        self.since + self.most.saturating_sub(shorter).max(self.least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_who_agrees_shortens_it() {
        let mut suspicion = Suspicion::new(Time::START, "a".into(), &Profile::LAN, 10);
        let seconds = |s: &Suspicion| s.ends().since_start().as_secs_f64();
        assert_eq!(seconds(&suspicion), 24.0);
        assert!(!suspicion.confirm(&"a".into()), "who began does not count twice");
        assert!(suspicion.confirm(&"b".into()));
        assert!((11.0..12.0).contains(&seconds(&suspicion)), "{}", seconds(&suspicion));
        assert!(suspicion.confirm(&"c".into()));
        assert_eq!(seconds(&suspicion), 4.0);
        assert!(!suspicion.confirm(&"d".into()), "enough is enough");
    }

    #[test]
    fn where_nobody_can_agree_it_is_short_from_the_start() {
        let suspicion = Suspicion::new(Time::START, "a".into(), &Profile::LAN, 3);
        assert_eq!(suspicion.ends(), Time::at(Duration::from_secs(4)));
    }
}
