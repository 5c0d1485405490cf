//! The ring: start it, join the static addresses, keep the tags true.

use super::because;
use crate::situation::Situation;
use crate::{Daemon, Planned, Step, Tags};
use std::net::{IpAddr, SocketAddr};

pub(super) fn plan(s: &Situation<'_>, steps: &mut Vec<Planned>) {
    if s.observed.ring.is_none() {
        steps.push(because(Step::Start { daemon: Daemon::Ring }, "the ring does not answer"));
        return;
    }
    let addresses = not_in_the_ring(s);
    if !addresses.is_empty() && still_looking(s) {
        let why = "the site names them and they are not in the ring";
        steps.push(because(Step::JoinRing { addresses }, why));
    }
    let (Some(own), Some(tags)) = (s.own_entry(), Tags::wanted(s.observed)) else { return };
    let tags = Tags { keeps: s.shown_keeps(), ..tags };
    if !own.shows(&tags) {
        steps.push(because(Step::SetTags { tags }, "the others should see where this node stands"));
    }
}

/// For how long in each period a member that sees nobody else asks again, in
/// milliseconds.
const ASKS: u64 = 30_000;

/// Whether there may be somebody to find: an address at which nobody ever
/// answers, or only under another one, is not asked for ever.
fn still_looking(s: &Situation<'_>) -> bool {
    let quiet_ms = s.observed.ring.as_ref().map_or(0, |ring| ring.quiet_ms);
    let alone = s.live().count() < 2;
    s.observed.membership.is_none()
        || quiet_ms < s.wanted.grace_ms
        || (alone && s.observed.now_ms % s.wanted.grace_ms.max(1) < ASKS)
}

/// The site's static addresses at which nobody of the ring lives.
fn not_in_the_ring(s: &Situation<'_>) -> Vec<String> {
    let here = s.observed.identity.as_ref().map(|me| me.address);
    let absent = |ip: IpAddr| Some(ip) != here && s.live().all(|m| m.address != ip);
    s.wanted.join.iter().filter(|a| ip_of(a).is_some_and(absent)).cloned().collect()
}

fn ip_of(address: &str) -> Option<IpAddr> {
    address.parse().ok().or_else(|| address.parse::<SocketAddr>().ok().map(|a| a.ip()))
}
