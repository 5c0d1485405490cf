//! Time as the protocol sees it: whatever the caller says it is.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A moment on the caller's steady clock, which may begin anywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(Duration);

impl Time {
    /// The clock's beginning.
    pub const START: Self = Self(Duration::ZERO);

    /// So long after the clock's beginning.
    pub const fn at(since_start: Duration) -> Self {
        Self(since_start)
    }

    /// How long after the clock's beginning.
    pub const fn since_start(self) -> Duration {
        self.0
    }
}

impl Add<Duration> for Time {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

impl Sub for Time {
    type Output = Duration;
    /// Zero if `earlier` is later: clocks of a paused machine may say so.
    fn sub(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// How fast a ring gossips and how patient it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// One member is probed so often.
    pub probe_interval: Duration,
    /// After so long without an answer, others are asked to probe as well.
    pub probe_timeout: Duration,
    /// So many others.
    pub indirect_checks: usize,
    /// Gossip is sent so often, while there is any.
    pub gossip_interval: Duration,
    /// To so many members.
    pub gossip_nodes: usize,
    /// The dead are gossiped to for so long, in case they are not.
    pub gossip_to_the_dead: Duration,
    /// Two members exchange everything they know so often; in rings of more
    /// than 32 members less often.
    pub push_pull_interval: Duration,
    /// How long a suspect has to refute: × probe interval × max(1, log₁₀ n).
    pub suspicion_mult: u32,
    /// How much longer when nobody else suspects it.
    pub suspicion_max_mult: u32,
    /// How often a rumour is told: × ⌈log₁₀(n + 1)⌉.
    pub retransmit_mult: u32,
    /// How much a member that doubts its own health slows its probes at most.
    pub awareness_max: u32,
    /// How long a stream may take.
    pub stream_timeout: Duration,
}

impl Profile {
    /// For one local network: memberlist's `DefaultLANConfig`.
    pub const LAN: Self = Self {
        probe_interval: Duration::from_secs(1),
        probe_timeout: Duration::from_millis(500),
        indirect_checks: 3,
        gossip_interval: Duration::from_millis(200),
        gossip_nodes: 3,
        gossip_to_the_dead: Duration::from_secs(30),
        push_pull_interval: Duration::from_secs(30),
        suspicion_mult: 4,
        suspicion_max_mult: 6,
        retransmit_mult: 4,
        awareness_max: 8,
        stream_timeout: Duration::from_secs(10),
    };

    /// Across the internet: memberlist's `DefaultWANConfig`.
    pub const WAN: Self = Self {
        probe_interval: Duration::from_secs(5),
        probe_timeout: Duration::from_secs(3),
        gossip_interval: Duration::from_millis(500),
        gossip_nodes: 4,
        gossip_to_the_dead: Duration::from_secs(60),
        push_pull_interval: Duration::from_secs(60),
        suspicion_mult: 6,
        stream_timeout: Duration::from_secs(30),
        ..Self::LAN
    };

    /// Within one machine: memberlist's `DefaultLocalConfig`.
    pub const LOCAL: Self = Self {
        probe_timeout: Duration::from_millis(200),
        indirect_checks: 1,
        gossip_interval: Duration::from_millis(100),
        gossip_to_the_dead: Duration::from_secs(15),
        push_pull_interval: Duration::from_secs(15),
        suspicion_mult: 3,
        retransmit_mult: 2,
        stream_timeout: Duration::from_secs(1),
        ..Self::LAN
    };

    /// How often a rumour is told in a ring of `n`.
    pub fn retransmits(&self, n: usize) -> u32 {
        self.retransmit_mult * log10_ceiling(n)
    }

    /// How long a suspect has at least in a ring of `n`.
    pub fn suspicion(&self, n: usize) -> Duration {
        let scale = libm::log10(n.max(1) as f64).max(1.0);
        let thousandths = (scale * 1000.0) as u32;
        self.probe_interval * self.suspicion_mult * thousandths / 1000
    }

    /// How often everything is exchanged in a ring of `n`.
    pub fn push_pull(&self, n: usize) -> Duration {
        const THRESHOLD: usize = 32;
        if n <= THRESHOLD {
            return self.push_pull_interval;
        }
        // ⌈log₂(n ÷ threshold)⌉
        let doublings = n.div_ceil(THRESHOLD).next_power_of_two().ilog2();
        self.push_pull_interval * (doublings + 1)
    }

    /// How long a query is open in a ring of `n`, unless it says otherwise.
    pub fn query_timeout(&self, n: usize) -> Duration {
        self.gossip_interval * 16 * log10_ceiling(n)
    }
}

/// ⌈log₁₀(n + 1)⌉, at least one.
fn log10_ceiling(n: usize) -> u32 {
    n.max(1).ilog10() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lan_profile_scales_like_memberlist() {
        let lan = Profile::LAN;
        assert_eq!([1, 9, 10, 100, 1000].map(|n| lan.retransmits(n)), [4, 4, 8, 12, 16]);
        assert_eq!(lan.suspicion(3), Duration::from_secs(4));
        assert_eq!(lan.suspicion(100), Duration::from_secs(8));
        assert_eq!([32, 33, 65, 100].map(|n| lan.push_pull(n).as_secs()), [30, 60, 90, 90]);
        assert_eq!(lan.query_timeout(20), Duration::from_millis(6400));
    }
}
