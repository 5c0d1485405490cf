//! Where each wanted phase stands, with a line for a person: what it holds
//! with, or what it waits for.

use crate::plan::{Joining, awaited, joining, may_create};
use crate::situation::Situation;
use crate::{
    DataStanding, Identity, Observed, Part, Phase, PhaseState, Storage, Swarm, SwarmLocal,
    SwarmRole, Volume, Wanted,
};
use std::collections::BTreeSet;

/// Every wanted phase in order. The last, [`Phase::Ready`], holds when all the
/// others do and no other cluster of this site is in sight.
#[must_use]
pub fn phases(observed: &Observed, wanted: &Wanted) -> Vec<PhaseState> {
    let s = Situation::new(observed, wanted);
    let mut all = vec![state(Phase::Identity, identity(&s))];
    if wanted.ring {
        all.push(state(Phase::Ring, ring(&s)));
        all.push(state(Phase::Pki, pki(&s)));
        if wanted.storage {
            all.push(state(Phase::Storage, storage(&s)));
        }
        if wanted.swarm {
            all.push(state(Phase::Swarm, swarm(&s)));
        }
    }
    let missing: Vec<_> = all.iter().filter(|p| !p.holds).map(|p| p.phase.as_str()).collect();
    // Two clusters of one site are two halves of a shop that each think they
    // are the whole: neither may say that all is well.
    let stranger = s.strangers().find_map(|m| m.cluster.as_ref().map(|c| (&m.name, c)));
    let ready = match (missing.is_empty(), stranger) {
        (true, None) => Ok("every wanted phase holds".to_owned()),
        (true, Some((name, cluster))) => {
            Err(format!("another cluster of this site is in sight: {name} is of cluster {cluster}"))
        }
        (false, _) => Err(format!("waiting for {}", missing.join(", "))),
    };
    all.push(state(Phase::Ready, ready));
    all
}

/// `Ok` if the phase holds; the line for a person either way.
type Stand = Result<String, String>;

fn state(phase: Phase, stand: Stand) -> PhaseState {
    let holds = stand.is_ok();
    let (Ok(detail) | Err(detail)) = stand;
    PhaseState { phase, holds, detail }
}

fn no(detail: impl Into<String>) -> Stand {
    Err(detail.into())
}

fn identity(s: &Situation<'_>) -> Stand {
    if s.observed.out {
        return no(
            "a person took this box out of its cluster: `ashlarctl node rejoin` here lets it in \
             again as a new one",
        );
    }
    if !s.observed.site && s.observed.place.in_memory {
        return no(
            "this runs from a medium that cannot be written: it keeps nothing and joins no \
             cluster; for a node, write the image to a stick or a disk",
        );
    }
    if !s.observed.site && s.observed.place.tried {
        return no(
            "this box is only tried: it keeps nothing, takes no site and joins no cluster; \
             restart it, and choose something else in the menu",
        );
    }
    if !s.observed.site {
        return no("no site yet: plug in a stick called ASHLARSEED with site.toml on it");
    }
    if s.observed.place.moved && s.observed.place.twin {
        return no("this disk was copied: the node that it stands for runs in another machine");
    }
    if s.observed.place.moved {
        return no(
            "this disk was set up in another machine: looking whether its node runs there still",
        );
    }
    match &s.observed.identity {
        Some(me) => Ok(format!("{} at {}", me.name, me.address)),
        None => no("making this node's identity"),
    }
}

fn ring(s: &Situation<'_>) -> Stand {
    let Some(ring) = &s.observed.ring else {
        return Err(silence(s, Part::Ring, "waiting for the ring to answer"));
    };
    if s.own_entry().is_none() {
        let id = s.observed.identity.as_ref().map(|me| &me.id);
        let claims = s.live().filter(|m| m.id.is_some() && m.id.as_ref() == id).count();
        return no(if claims > 1 {
            "another live node has this node's id: one is a copy of the other's disk"
        } else {
            "waiting to be seen alive in the ring"
        });
    }
    let (live, all) = (s.live().count(), ring.members.len());
    Ok(if live == all { count(live, "member") } else { format!("{live} of {all} members alive") })
}

fn pki(s: &Situation<'_>) -> Stand {
    if s.observed.retired && s.observed.removed {
        return no("a person took this box out of its cluster: it sets its copy aside");
    }
    if let Some(yielding) = s.observed.yields.as_ref().filter(|_| s.observed.retired) {
        return no(format!("its cluster dissolves into cluster {}: it begins anew", yielding.into));
    }
    if s.observed.retired {
        return no("its place was given away while it was gone: it begins anew as another box");
    }
    let Some(membership) = &s.observed.membership else {
        return match joining(s) {
            Joining::Found => no("founding the cluster"),
            Joining::Enrol { cluster, .. } => no(format!("enrolling with cluster {cluster}")),
            Joining::Wait(why) => Err(why),
        };
    };
    let cluster = &membership.cluster;
    match (s.certified(), s.observed.pki.renewal_due) {
        (Some(_), false) => Ok(format!("certified by cluster {cluster}")),
        (Some(_), true) => Ok(format!("certified by cluster {cluster}, renewal is due")),
        (None, _) if s.observed.pki.ca_key || !s.signers().is_empty() => {
            no(format!("fetching a certificate from cluster {cluster}"))
        }
        (None, _) => no(format!(
            "no valid certificate: waiting for a member of cluster {cluster} that holds the CA key"
        )),
    }
}

/// Bricks and containers are on the data partition.
fn data(s: &Situation<'_>) -> Result<(), String> {
    let Some(unmounted) = &s.observed.data.unmounted else { return Ok(()) };
    Err(match unmounted.standing {
        DataStanding::Repairing => "the file system of the data partition is being repaired".into(),
        DataStanding::Absent => "this box does not find its data partition".into(),
        _ => format!("the data partition is not mounted: {}", unmounted.why),
    })
}

fn storage(s: &Situation<'_>) -> Stand {
    data(s)?;
    if !s.storage_holds() {
        return Err(storage_lacks(s));
    }
    let name = &s.wanted.volume;
    let crammed = s.crammed();
    if !crammed.is_empty() {
        return no(format!("{name} takes no more files: {}", full(&crammed)));
    }
    let bricks = || s.volume().into_iter().flat_map(Volume::full);
    let (online, all) = (bricks().filter(|b| b.online).count(), bricks().count());
    let sets = s.volume().map_or(0, |v| v.sets().count());
    let mut detail = match (online == all, sets > 1) {
        (true, false) => format!("{name} mounted, {}", copies(online)),
        (true, true) => format!("{name} mounted, {sets} sets of {}", copies(all / sets)),
        (false, false) => format!("{name} mounted, {online} of {} online", copies(all)),
        (false, true) => format!("{name} mounted, {online} of {} online", count(all, "brick")),
    };
    match s.volume().and_then(Volume::arbiter) {
        Some(witness) if witness.online && online == all => detail.push_str(" and a witness"),
        Some(witness) if witness.online => detail.push_str(", and a witness"),
        Some(_) => detail.push_str(", and no word of the witness"),
        None => {}
    }
    if s.is_client() {
        detail.push_str(", none of them here");
    }
    if s.volume().is_some_and(|v| !v.is_spread()) {
        detail.push_str(", files move to the last set");
    }
    if let Some(pending) = s.volume().and_then(|v| v.pending_heals).filter(|n| *n > 0) {
        detail.push_str(&format!(", {pending} entries heal"));
    }
    Ok(detail)
}

/// Who has no room left for files.
pub(crate) fn full(boxes: &[String]) -> String {
    let verb = if boxes.len() == 1 { "has" } else { "have" };
    format!("{} {verb} no room left", boxes.join(" and "))
}

/// What the storage phase still lacks.
fn storage_lacks(s: &Situation<'_>) -> String {
    let Some((me, _)) = s.certified() else { return "waiting for a certificate".into() };
    let Some(storage) = &s.observed.storage else {
        return silence(s, Part::Storage, "waiting for the storage daemon to answer");
    };
    let Some(volume) = &storage.volume else { return no_volume(s, me, storage) };
    let name = &s.wanted.volume;
    if !volume.started {
        let next = if s.authority() {
            "starting it".to_owned()
        } else {
            format!("waiting for {} to start it", authority(s))
        };
        return format!("volume {name} is stopped: {next}");
    }
    if let Some(other) = s.went_on_without_this() {
        return format!(
            "{name} is not mounted here: {other} went on without this box, as a person said; it \
             begins anew as another box"
        );
    }
    if let Some(other) = s.looks_for().filter(|_| !s.yields()) {
        let other = s.name_at(other);
        return format!("{name} is not mounted yet: looking for {other}, which may have gone on");
    }
    if s.yields() {
        return format!("{name} is not mounted here: waiting for {}", s.who_goes_on());
    }
    if !s.mountable() {
        return waiting_for_a_brick(s, volume);
    }
    if !volume.writable() {
        let what = if volume.missed() { "is not whole here" } else { "takes no writes" };
        return format!("{name} {what}: {}", s.unwritable(volume));
    }
    if !s.observed.mounted {
        return silence(s, Part::Mount, &format!("mounting {name}"));
    }
    let silent = s.own_brick().is_some_and(|b| volume.silent.contains(&b.address));
    let lacks = if silent { "runs and does not answer" } else { "does not run" };
    format!("this node's brick of {name} {lacks}")
}

/// Of a part that hangs, how; of one that does not, the other line.
fn silence(s: &Situation<'_>, part: Part, otherwise: &str) -> String {
    match s.hangs(part) {
        Some(silent) => format!("the {part} runs and does not answer: {}", silent.why),
        None => otherwise.into(),
    }
}

fn no_volume(s: &Situation<'_>, me: &Identity, storage: &Storage) -> String {
    if !s.authority() {
        return format!("waiting for {} to bring this node into the volume", authority(s));
    }
    if !may_create(s) {
        return "this node no longer knows the cluster's volume: its storage state was lost".into();
    }
    match awaited(s, me, storage) {
        Some(name) => format!("creating the volume: waiting a moment for {name} to give a brick"),
        None => "creating the volume".into(),
    }
}

fn waiting_for_a_brick(s: &Situation<'_>, volume: &Volume) -> String {
    let who = if s.authority() { "this node".into() } else { authority(s) };
    let down = volume.bricks.iter().filter(|b| !b.online).count();
    let blocked = match volume.pending_heals {
        _ if down > 0 => format!(" ({} offline)", count(down, "brick")),
        Some(n) if n > 0 => format!(" ({n} entries heal first)"),
        _ => String::new(),
    };
    format!("waiting for {who} to add this node's brick{blocked}")
}

/// Who makes the cluster-wide changes, as far as this node can know it:
/// workers are not told who leads.
fn authority(s: &Situation<'_>) -> String {
    let nodes = s.observed.swarm.iter().flat_map(|swarm| swarm.nodes.iter());
    match nodes.filter(|n| n.leader).map(|n| &n.name).min() {
        Some(name) => format!("{name} (leader)"),
        None if s.kin().any(|m| m.swarm.is_some()) => "the leader".into(),
        None => "the founder".into(),
    }
}

fn swarm(s: &Situation<'_>) -> Stand {
    let Some((_, membership)) = s.certified() else { return no("waiting for a certificate") };
    data(s)?;
    let Some(swarm) = &s.observed.swarm else {
        return Err(if membership.swarm && s.wanted.storage && !s.observed.mounted {
            "the container engine starts once the volume is mounted".into()
        } else {
            silence(s, Part::Engine, "waiting for the container engine to answer")
        });
    };
    if let Some(left) = &s.observed.left_behind
        && !(swarm.manager && swarm.leader && !swarm.misplaced)
    {
        return no(format!("going on without {}: taking its part of the Swarm over", left.name));
    }
    match swarm.local {
        SwarmLocal::Active => active(s, swarm),
        SwarmLocal::Pending => no("joining the Swarm"),
        SwarmLocal::Error if s.managers().is_empty() => {
            no("the engine cannot work with what it knows of the Swarm: see `docker info`")
        }
        SwarmLocal::Error => no("the engine is stuck: it leaves the Swarm and joins anew"),
        SwarmLocal::Inactive if !s.storage_holds() => no("waiting for storage"),
        SwarmLocal::Inactive if s.before_any_swarm() => no("starting the Swarm"),
        SwarmLocal::Inactive if s.managers().is_empty() => {
            no("waiting for a manager of the Swarm to be seen in the ring")
        }
        SwarmLocal::Inactive => no("joining the Swarm"),
    }
}

fn active(s: &Situation<'_>, swarm: &Swarm) -> Stand {
    if swarm.disowned_ms > 0 {
        return no("the Swarm takes this node for down: waiting for it to report anew");
    }
    if !swarm.manager {
        return if !s.others_schedule() {
            no(format!("{}: nothing new is scheduled", s.unscheduled()))
        } else if swarm.unheard_ms > 0 {
            no("no manager of the Swarm answers for it: nothing new is scheduled")
        } else {
            Ok("worker".into())
        };
    }
    if swarm.nodes.is_empty() {
        return no("the managers have no quorum: power on the missing ones");
    }
    let role = if swarm.leader { "leader" } else { "manager" };
    let names: BTreeSet<_> = swarm.nodes.iter().map(|n| &n.name).collect();
    let up: BTreeSet<_> = swarm.nodes.iter().filter(|n| n.up).map(|n| &n.name).collect();
    let managers: BTreeSet<_> = swarm.nodes.iter().filter(|n| n.manager).map(|n| &n.name).collect();
    let nodes = if up.len() == names.len() {
        count(names.len(), "node")
    } else {
        format!("{} of {} nodes up", up.len(), names.len())
    };
    let mut detail =
        format!("{role}, {nodes}, {}", count(managers.len(), SwarmRole::Manager.as_str()));
    let whole = |w: &crate::StackFile| {
        swarm.stacks.iter().any(|stack| stack.name == w.name && stack.is(&w.digest))
    };
    let missing = s.wanted.stacks.iter().filter(|w| !whole(w)).count();
    if missing > 0 && swarm.leader {
        detail.push_str(&format!(", {} to deploy", count(missing, "stack")));
    }
    let (running, desired) =
        swarm.stacks.iter().fold((0, 0), |(r, d), stack| (r + stack.running, d + stack.desired));
    if running < desired {
        detail.push_str(&format!(", {running} of {} run", count_u64(desired, "task")));
    }
    Ok(detail)
}

fn copies(n: usize) -> String {
    if n == 1 { "1 copy".into() } else { format!("{n} copies") }
}

fn count_u64(n: u64, noun: &str) -> String {
    count(usize::try_from(n).unwrap_or(usize::MAX), noun)
}

fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}
