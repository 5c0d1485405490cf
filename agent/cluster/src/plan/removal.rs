//! Boxes that are gone for good: the leader writes down who has a place and
//! since when whom is not seen, ends the place of whoever is lost for longer
//! than the grace time, and clears away what is left of it, part by part.
//!
//! What is decided comes first and stands in Raft; each part then follows from
//! what is still there. So every step may fail, or its leader die, at any time.

use super::storage::{givers, unhealthy};
use super::{because, leaving, waits};
use crate::situation::Situation;
use crate::{
    Intent, KnownBox, MemberStatus, NodeId, Observed, Plan, RetiredBox, RingMember, Step, Storage,
    Swarm, SwarmLocal, Volume, Wanted,
};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// So many copies are left when a lost box is given up: the last but one waits for
/// a box that takes its place, unless a person gave the box up.
const fn least(removed: bool) -> usize {
    if removed { 1 } else { 2 }
}

pub(super) fn plan(s: &Situation<'_>, plan: &mut Plan) {
    let Some(swarm) = s.certified().and(s.observed.swarm.as_ref()).filter(|_| s.wanted.swarm)
    else {
        return;
    };
    strike_off(s, swarm, plan);
    let leads = swarm.local == SwarmLocal::Active && swarm.manager && swarm.leader;
    // Who is alive is told by the ring alone.
    let able = leads && s.observed.ring.is_some();
    let Some(intent) = swarm.record.intent().filter(|_| able) else { return };
    let next = brought_up_to_date(s, intent, plan);
    if next != *intent {
        let why = news(intent, &next);
        plan.steps.push(because(Step::Record { intent: next }, why));
        return;
    }
    admission(s, intent, plan);
    for gone in intent.retired.values() {
        storage(s, gone, plan);
        seats(s, swarm, gone, plan);
    }
    forget(s, intent, plan);
    leaving::plan(s, swarm, intent, plan);
}

/// Every node keeps a list of its own: who signs certificates need not manage
/// the Swarm.
fn strike_off(s: &Situation<'_>, swarm: &Swarm, plan: &mut Plan) {
    let retired = swarm.record.intent().into_iter().flat_map(|intent| intent.retired.keys());
    let mut nodes: BTreeSet<_> = retired.chain(&swarm.told_retired).cloned().collect();
    if !nodes.is_subset(&s.observed.pki.struck_off) {
        nodes.extend(s.observed.pki.struck_off.iter().cloned());
        let why = "their place in the cluster was given away";
        plan.steps.push(because(Step::StrikeOff { nodes }, why));
    }
}

/// The record as it should be now.
fn brought_up_to_date(s: &Situation<'_>, intent: &Intent, plan: &mut Plan) -> Intent {
    let mut next = intent.clone();
    let cluster = s.observed.membership.as_ref().map(|m| &m.cluster);
    for member in s.live().filter(|m| m.cluster.as_ref() == cluster) {
        let Some(id) = member.id.clone().filter(|id| !intent.retired.contains_key(id)) else {
            continue;
        };
        let (name, address) = (member.name.clone(), member.address);
        let remove = intent.boxes.get(&id).is_some_and(|known| known.remove);
        next.boxes.insert(id, KnownBox { name, address, lost_since: None, remove });
    }
    if let (Some(left), Some(now)) = (&s.observed.left_behind, s.observed.clock.unix)
        && s.volume().is_some_and(|v| !v.has_brick_of(left.address))
    {
        next.boxes.remove(&left.id);
        next.retired.entry(left.id.clone()).or_insert_with(|| left.retired(now));
    }
    for (id, known) in intent.boxes.iter().filter(|(_, known)| known.remove) {
        let alive = |m: &RingMember| m.id.as_ref() == Some(id);
        let Some(now) = s.observed.clock.unix.filter(|_| s.live().any(alive)) else { continue };
        match leaving::emptied(s, id, known) {
            Ok(()) => retire(id, known, now, &mut next),
            Err(until) => {
                let wanted = format!("the end of {}'s place", known.name);
                plan.waits.push(waits(wanted, until, "take-out-only-the-emptied"));
            }
        }
    }
    for (id, known) in &intent.boxes {
        let here = s.observed.identity.as_ref().is_some_and(|me| me.id == *id);
        let left = next.retired.get(id).is_some_and(|gone| gone.left_behind);
        if !here && !left && !s.live().any(|m| m.id.as_ref() == Some(id)) {
            lost(s, id, known, &mut next, plan);
        }
    }
    next
}

/// A box that is not seen: it is written down since when, and after its grace
/// time it loses its place.
fn lost(s: &Situation<'_>, id: &NodeId, known: &KnownBox, next: &mut Intent, plan: &mut Plan) {
    let (Some(now), Some(ring)) = (s.observed.clock.unix, &s.observed.ring) else { return };
    // A node that has just started sees nobody for a moment.
    let Some(lasted) = lost_ms(known, now) else {
        if ring.quiet_ms >= s.wanted.settle_ms {
            let since = now.saturating_sub(ring.quiet_ms / 1000);
            let known = KnownBox { lost_since: Some(since), ..known.clone() };
            next.boxes.insert(id.clone(), known);
        }
        return;
    };
    let wanted = || format!("another box in the place of {}", known.name);
    let rule = "retire-only-the-lost";
    if !is_over(known, lasted, s.wanted) {
        let hours = hours(s.wanted.removal_ms - lasted);
        let until = format!("it is back, or its grace time is over in {hours}");
        return plan.waits.push(waits(wanted(), until, rule));
    }
    // The wall clock may have jumped: what this node saw itself counts besides.
    let seen_gone = s.wanted.grace_ms.min(s.wanted.removal_ms);
    if ring.quiet_ms < seen_gone {
        let until = format!("the ring has been unchanged for {}", hours(seen_gone));
        return plan.waits.push(waits(wanted(), until, rule));
    }
    if let Some(until) = holds_on_to(s, known) {
        return plan.waits.push(waits(wanted(), until, "give-up-only-what-is-whole-elsewhere"));
    }
    retire(id, known, now, next);
}

/// Its place is given away. A box that a person asked to take out stays out.
fn retire(id: &NodeId, known: &KnownBox, now: u64, next: &mut Intent) {
    let KnownBox { name, address, remove: removed, .. } = known.clone();
    next.boxes.remove(id);
    let gone = RetiredBox { removed, ..RetiredBox::lost(name, address, now) };
    next.retired.insert(id.clone(), gone);
}

/// For how long a box has been lost; `None` if it is not, or by a clock that lies.
fn lost_ms(known: &KnownBox, now: u64) -> Option<u64> {
    let since = known.lost_since.filter(|since| *since <= now)?;
    Some((now - since).saturating_mul(1000))
}

/// Whether a box that has been lost for so long may lose its place.
const fn is_over(known: &KnownBox, lasted: u64, wanted: &Wanted) -> bool {
    known.remove || lasted >= wanted.removal_ms
}

/// Milliseconds in words that a person reads.
fn hours(ms: u64) -> String {
    match ms {
        7_200_000.. => format!("{} hours", ms / 3_600_000),
        120_000.. => format!("{} minutes", ms / 60_000),
        _ => format!("{} s", ms / 1000),
    }
}

/// In how many seconds a box that has been lost since then loses its place.
pub(crate) fn leaves_at(s: &Situation<'_>, since: u64) -> Option<u64> {
    let now = s.observed.clock.unix?;
    Some((since + s.wanted.removal_ms / 1000).saturating_sub(now))
}

/// Whether this node leads and is about to give a copy up, or waits for that only
/// because it is not known which copies are whole.
#[must_use]
pub fn gives_up_copies(observed: &Observed, wanted: &Wanted) -> bool {
    let Some(swarm) = observed.swarm.as_ref().filter(|swarm| swarm.manager && swarm.leader) else {
        return false;
    };
    let (Some(intent), Some(now)) = (swarm.record.intent(), observed.clock.unix) else {
        return false;
    };
    let volume = observed.storage.as_ref().and_then(|s| s.volume.as_ref());
    let gives = |address| volume.is_some_and(|v| v.has_brick_of(address));
    let over =
        |known: &KnownBox| lost_ms(known, now).is_some_and(|lasted| is_over(known, lasted, wanted));
    intent.boxes.values().any(|known| over(known) && gives(known.address))
        || intent.retired.values().any(|gone| gives(gone.address))
}

/// What must come about before the storage can do without the brick there.
fn holds_on_to(s: &Situation<'_>, known: &KnownBox) -> Option<String> {
    let address = known.address;
    if !s.wanted.storage {
        return None;
    }
    let Some(storage) = &s.observed.storage else { return Some("the storage answers".into()) };
    let Some(volume) = &storage.volume else { return Some("the volume is known".into()) };
    volume.bricks.iter().find(|b| b.address == address)?;
    if let Err(until) = volume.can_spare(address) {
        return Some(until);
    }
    successor(s, storage, volume, address, least(known.remove)).err()
}

/// Who takes the brick there: a box of its kind that has none; or nobody, if so many copies are
/// left without it.
pub(super) fn successor(
    s: &Situation<'_>,
    storage: &Storage,
    volume: &Volume,
    address: IpAddr,
    least: usize,
) -> Result<Option<IpAddr>, String> {
    if let Some(spare) = spare_for(s, storage, volume, address) {
        return Ok(Some(spare));
    }
    let quiet = s.observed.ring.as_ref().is_some_and(|r| r.quiet_ms >= s.wanted.grace_ms);
    let arbiter = is_arbiter(volume, address);
    let fit = |m: &&RingMember| {
        is_free(volume, address, m.address)
            && !s.leaves(m.address)
            && s.votes_only(m) == arbiter
            && !quiet
    };
    if let Some(member) = s.live_kin().find(fit) {
        return Err(format!("{} can take its copy, or its time is up", member.name));
    }
    // To give one up would take a copy from every set.
    if volume.is_one_set() && (arbiter || volume.copies() > least) {
        Ok(None)
    } else {
        Err("another box can take its copy".into())
    }
}

/// A box of the same kind that has no brick, and could take the one there.
pub(crate) fn spare_for(
    s: &Situation<'_>,
    storage: &Storage,
    volume: &Volume,
    address: IpAddr,
) -> Option<IpAddr> {
    let arbiter = is_arbiter(volume, address);
    let fit = |a: &IpAddr| is_free(volume, address, *a) && s.votes_only_at(*a) == arbiter;
    givers(s, storage).into_iter().find(fit)
}

/// Whether the brick there is a witness's: another witness takes it, and nobody else.
fn is_arbiter(volume: &Volume, address: IpAddr) -> bool {
    volume.arbiter().is_some_and(|b| b.address == address)
}

/// How many bricks are left without the one there: of two copies and a witness the last
/// copy alone.
pub(super) fn without(volume: &Volume, address: IpAddr) -> u8 {
    let with_it = u8::from(volume.arbiter().is_some() && !is_arbiter(volume, address));
    volume.replicas.saturating_sub(1 + with_it)
}

/// Whether the box at `at` is another than the one at `address`, and has no brick.
fn is_free(volume: &Volume, address: IpAddr, at: IpAddr) -> bool {
    at != address && volume.bricks.iter().all(|b| b.address != at)
}

/// While a certificate may hold of a box that was struck off, the bricks serve the boxes
/// of the cluster by name.
fn admission(s: &Situation<'_>, intent: &Intent, plan: &mut Plan) {
    let Some(volume) = s.volume().filter(|_| s.wanted.storage) else { return };
    let Some(now) = s.observed.clock.unix else { return };
    let shut_out = intent.retired.values().any(|gone| gone.is_to_be_shut_out(now));
    let names = shut_out.then(|| intent.boxes.values().map(|b| b.name.clone()).collect());
    if volume.admits != names {
        let why = if shut_out {
            "a box was struck off whose certificate may still hold"
        } else {
            "no certificate holds any more of a box that was struck off"
        };
        plan.steps.push(because(Step::AdmitToVolume { names }, why));
    }
}

/// The brick first; the pool once nothing of the box is left in the volume.
fn storage(s: &Situation<'_>, gone: &RetiredBox, plan: &mut Plan) {
    let Some(storage) = s.observed.storage.as_ref().filter(|_| s.wanted.storage) else { return };
    let Some(volume) = &storage.volume else { return };
    let mut peers = storage.peers.iter().filter(|p| p.address == gone.address);
    let rule = "give-up-only-what-is-whole-elsewhere";
    let wanted = || format!("another place for the copy of {}", gone.name);
    // The box in its place may have its address; then what is there is that one's.
    let given_on = s.live_kin().any(|m| m.address == gone.address);
    let revoked = gone.revoked && !given_on;
    if !revoked && peers.clone().any(|p| p.connected) {
        let until = "it has set its own copy aside";
        return plan.waits.push(waits(wanted(), until, rule));
    }
    let Some(brick) = volume.bricks.iter().find(|b| b.address == gone.address) else {
        if peers.next().is_some() {
            let why = format!("{} lost its place, and gives no brick any more", gone.name);
            plan.steps.push(because(Step::DetachPeer { address: gone.address }, why));
        }
        return;
    };
    // Nobody waits for one that was struck off to stop.
    let able = if revoked && brick.online {
        volume.rests().and_then(|()| unhealthy(volume).map_or(Ok(()), Err))
    } else {
        volume.can_spare(brick.address)
    };
    let able = able.and_then(|()| {
        let whole = volume.has_whole_sets();
        if whole { Ok(()) } else { Err("every set of the volume has all its copies".into()) }
    });
    match able.and_then(|()| successor(s, storage, volume, brick.address, least(gone.removed))) {
        Err(until) => plan.waits.push(waits(wanted(), until, rule)),
        Ok(Some(to)) => {
            let why = format!("{} lost its place, and {to} gives no brick yet", gone.name);
            plan.steps.push(because(Step::ReplaceBrick { from: brick.address, to }, why));
        }
        Ok(None) if volume.is_handed_over() => {
            plan.waits.push(waits(wanted(), "the first copy has its turn back", rule));
        }
        Ok(None) => {
            let replicas = without(volume, brick.address);
            let why = format!("{} lost its place, and no box is there to take it", gone.name);
            plan.steps.push(because(Step::DropBrick { brick: brick.address, replicas }, why));
        }
    }
}

/// What the Swarm still lists of it.
fn seats(s: &Situation<'_>, swarm: &Swarm, gone: &RetiredBox, plan: &mut Plan) {
    let alive = s.live().any(|m| m.name == gone.name);
    let revoked = gone.revoked;
    let entries = swarm.nodes.iter().filter(|n| n.name == gone.name && !n.id.is_empty());
    let dead = entries.filter(|n| !(n.leader || !revoked && (n.up || n.reachable || alive)));
    let Some(entry) = dead.min_by_key(|n| (!n.manager, &n.id)) else { return };
    let managers = || swarm.nodes.iter().filter(|n| n.manager);
    let reachable = managers().filter(|n| n.reachable).count();
    if entry.manager && reachable * 2 <= managers().count() {
        let until = "more managers are reachable than not";
        let wanted = format!("the end of {} in the Swarm", gone.name);
        return plan.waits.push(waits(wanted, until, "drop-only-the-replaced"));
    }
    let (id, name, revoked) = (entry.id.clone(), gone.name.clone(), revoked && entry.up);
    let why = "the box lost its place";
    plan.steps.push(because(Step::DropSwarmEntry { id, name, revoked }, why));
}

/// What the ring still remembers of retired boxes.
fn forget(s: &Situation<'_>, intent: &Intent, plan: &mut Plan) {
    let gone = s.members().filter(|m| m.status != MemberStatus::Alive);
    let retired =
        |m: &&crate::RingMember| m.id.as_ref().is_some_and(|id| intent.retired.contains_key(id));
    // A name that is also alive is another box's by now.
    let names: BTreeSet<_> = gone
        .filter(retired)
        .filter(|m| !s.live().any(|l| l.name == m.name))
        .map(|m| &m.name)
        .collect();
    for name in names {
        let why = "the box lost its place";
        plan.steps.push(because(Step::ForgetMember { name: name.clone() }, why));
    }
}

/// What is new in the record, for the journal.
fn news(before: &Intent, after: &Intent) -> String {
    let mut news = Vec::new();
    for (id, gone) in &after.retired {
        if !before.retired.contains_key(id) {
            let why = match (gone.removed, before.boxes.get(id).and_then(|b| b.lost_since)) {
                _ if gone.left_behind => "is gone for good, as a person said,",
                (true, None) => "was emptied",
                (true, Some(_)) => "is to be taken out and was lost",
                (false, _) => "was lost for the grace time",
            };
            news.push(format!("{} {why} and loses its place", gone.name));
        }
    }
    for (id, known) in &after.boxes {
        let name = &known.name;
        match (before.boxes.get(id), known.lost_since) {
            (None, _) => news.push(format!("{name} has a place")),
            (Some(was), Some(_)) if was.lost_since != known.lost_since => {
                news.push(format!("{name} is not seen any more"));
            }
            (Some(was), None) if was.lost_since.is_some() => {
                news.push(format!("{name} is back"));
            }
            (Some(was), _) if was != known => news.push(format!("{name} is elsewhere")),
            _ => {}
        }
    }
    news.join("; ")
}
