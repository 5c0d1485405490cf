//! Rules of what ends a box's place in the cluster. They look at the box itself
//! (ring, peer, brick, seat) and not at the record that the planner goes by.

use super::{Case, Verdict, must};
use crate::{
    Brick, Intent, MemberStatus, NodeId, Rebalance, Record, RetiredBox, Scope, Step, Volume,
};
use std::collections::BTreeSet;
use std::net::IpAddr;

fn record<'a>(c: &Case<'a>) -> Result<&'a Intent, String> {
    let record = c.o.swarm.as_ref().map(|swarm| &swarm.record);
    match record {
        Some(Record::Known(intent)) => Ok(intent),
        _ => Err("the cluster's record is not known".into()),
    }
}

fn alive(c: &Case<'_>, id: &NodeId, name: &str) -> bool {
    let alive = c.members().iter().filter(|m| m.status == MemberStatus::Alive);
    alive.into_iter().any(|m| m.id.as_ref() == Some(id) || m.name == name)
}

pub(super) fn only_by_a_record_it_reads(step: &Step, c: &Case<'_>) -> Verdict {
    let record = c.o.swarm.as_ref().map(|swarm| &swarm.record);
    match (step.scope(), record) {
        (Scope::Cluster, Some(Record::Unreadable(why))) => Err(why.clone()),
        _ => Ok(()),
    }
}

pub(super) fn retire_only_the_lost(step: &Step, c: &Case<'_>) -> Verdict {
    let Step::Record { intent } = step else { return Ok(()) };
    let now = record(c)?;
    if let Some(id) = now.retired.keys().find(|id| !intent.retired.contains_key(*id)) {
        return Err(format!("{id} would have its place again"));
    }
    let struck = |i: &Intent, id| i.retired.get(id).is_some_and(|gone: &RetiredBox| gone.revoked);
    if let Some(id) = intent.retired.keys().find(|id| struck(intent, *id) != struck(now, *id)) {
        return Err(format!("no person asked that of {id}"));
    }
    let left =
        |i: &Intent, id: &NodeId| i.retired.get(id).is_some_and(|g: &RetiredBox| g.left_behind);
    let word = c.o.left_behind.as_ref();
    let said = |id: &NodeId| word.is_some_and(|word| word.id == *id);
    let others = |id: &&NodeId| left(intent, id) != left(now, id) && !said(id);
    if let Some(id) = intent.retired.keys().find(others) {
        return Err(format!("no person said that of {id}"));
    }
    let added = intent.retired.iter().filter(|(id, _)| !now.retired.contains_key(*id));
    for (id, gone) in added {
        if gone.left_behind {
            // It may be back: its copy counts no more, and it must hear so.
            must(!gives_brick(c, gone.address), format!("{}'s copy counts still", gone.name))?;
            continue;
        }
        let known = now.boxes.get(id);
        let known = known.ok_or_else(|| format!("{} never had a place", gone.name))?;
        must(known.remove == gone.removed, format!("who ended {}'s place is not so", gone.name))?;
        if known.remove && alive(c, id, &gone.name) {
            continue;
        }
        must(!alive(c, id, &gone.name), format!("{} is alive in the ring", gone.name))?;
        let quiet = c.o.ring.as_ref().map_or(0, |r| r.quiet_ms);
        must(quiet >= c.w.grace_ms.min(c.w.removal_ms), "the ring changed just now")?;
        let mut seats = c.o.swarm.iter().flat_map(|s| &s.nodes).filter(|n| n.name == gone.name);
        must(!seats.any(|n| n.up || n.reachable), format!("{} is up in the Swarm", gone.name))?;
        if c.w.storage && gives_brick(c, gone.address) {
            whole_without(c, gone.address)?;
        }
    }
    Ok(())
}

pub(super) fn take_out_only_the_emptied(step: &Step, c: &Case<'_>) -> Verdict {
    let Step::Record { intent } = step else { return Ok(()) };
    let now = record(c)?;
    for (id, known) in &intent.boxes {
        let asked = now.boxes.get(id).is_some_and(|before| before.remove);
        must(known.remove == asked, format!("no person asked that of {}", known.name))?;
    }
    for (id, gone) in intent.retired.iter().filter(|(id, _)| now.boxes.contains_key(*id)) {
        if !alive(c, id, &gone.name) || gone.left_behind {
            continue;
        }
        must(now.boxes.get(id).is_some_and(|known| known.remove), "no person asked for it")?;
        let nodes = || c.o.swarm.iter().flat_map(|s| &s.nodes);
        let own = || nodes().filter(|n| n.name == gone.name);
        must(!own().any(|n| n.manager), "it manages the Swarm")?;
        let closed = |n: &crate::SwarmNode| n.availability != crate::Availability::Active;
        must(own().all(|n| !n.up || (closed(n) && n.tasks == 0)), "it has tasks")?;
        must(nodes().any(|n| n.manager && n.name != gone.name), "nobody else manages")?;
        if c.w.storage {
            must(!gives_brick(c, gone.address), "it gives a brick")?;
            nothing_to_heal(c)?;
        }
    }
    Ok(())
}

pub(super) fn stay_out_until_let_in(step: &Step, c: &Case<'_>) -> Verdict {
    // One that lost power on its way out goes on.
    let on_its_way = matches!(step, Step::StayOut) && c.o.retired;
    must(!c.o.out || on_its_way, "a person took this box out")
}

/// Every brick runs, and none lacks anything.
fn nothing_to_heal(c: &Case<'_>) -> Verdict {
    let volume = c.volume().ok_or("no volume is known")?;
    must(volume.started, "the volume is stopped")?;
    must(volume.bricks.iter().all(|b| b.online), "a copy is out of reach")?;
    let heals = volume.pending_heals;
    must(volume.bricks.len() < 2 || heals == Some(0), "not every copy is known to be whole")
}

pub(super) fn gives_brick(c: &Case<'_>, address: IpAddr) -> bool {
    c.volume().is_some_and(|v| v.has_brick_of(address))
}

/// The bricks that hold the same files as the one at this address.
pub(super) fn set_at(volume: &Volume, address: IpAddr) -> &[Brick] {
    let at = volume.bricks.iter().position(|b| b.address == address).unwrap_or(0);
    let copies = usize::from(volume.replicas).max(1);
    let first = at - at % copies;
    volume.bricks.get(first..(first + copies).min(volume.bricks.len())).unwrap_or_default()
}

/// Whether every write is in full on each of the other bricks of its set.
pub(super) fn whole_without(c: &Case<'_>, address: IpAddr) -> Verdict {
    let volume = c.volume().ok_or("no volume is known")?;
    must(volume.started, "the volume is stopped")?;
    let set = set_at(volume, address);
    let others: Vec<_> = set.iter().filter(|b| b.address != address).collect();
    must(!others.is_empty(), "it is the only copy")?;
    must(others.iter().all(|b| b.online), "another copy is out of reach")?;
    match &volume.behind {
        None => Err("whether the other copies are whole is unknown".into()),
        Some(behind) => {
            must(!others.iter().any(|b| behind.contains(&b.address)), "another copy is not whole")
        }
    }
}

pub(super) fn give_up_only_what_is_whole_elsewhere(step: &Step, c: &Case<'_>) -> Verdict {
    let (from, to) = match step {
        Step::ReplaceBrick { from, to } => (*from, Some(*to)),
        Step::DropBrick { brick, .. } => (*brick, None),
        _ => return Ok(()),
    };
    let intent = record(c);
    let retired = intent.iter().flat_map(|i| i.retired.values()).find(|g| g.address == from);
    let asked = c.leaves_at(from);
    let volume = c.volume().ok_or("no volume is known")?;
    let brick = volume.bricks.iter().find(|b| b.address == from);
    let arbiter = brick.is_some_and(|b| b.arbiter);
    if arbiter && to.is_none() && retired.is_none() && !asked {
        // Another rule says when a third copy takes its place.
        if c.w.swarm {
            intent?;
        }
        let one_set = volume.bricks.len() == 3 && volume.replicas == 3;
        return must(one_set, "the volume is not one set of three bricks");
    }
    intent?;
    must(retired.is_some() || asked, format!("{from} is no retired box, and nobody takes it out"))?;
    if asked {
        must(brick.is_some(), format!("{from} has no brick"))?;
        nothing_to_heal(c)?;
    } else {
        let revoked = retired.is_some_and(|gone| gone.revoked) && !c.live_kin_at(from, |_| true);
        let runs = brick.ok_or_else(|| format!("{from} has no brick"))?.online;
        must(revoked || !runs, format!("the brick of {from} runs"))?;
        let mut peers = c.o.storage.iter().flat_map(|s| &s.peers);
        let connected = peers.any(|p| p.address == from && p.connected);
        must(revoked || !connected, format!("{from} is connected"))?;
        if runs { nothing_to_heal(c)? } else { whole_without(c, from)? }
    }
    let (bricks, copies) = (volume.bricks.len(), usize::from(volume.replicas));
    must(copies > 0 && bricks.is_multiple_of(copies), "a set of the volume is short")?;
    must(volume.rebalance != Some(Rebalance::Running), "files move between the sets")?;
    match (step, to) {
        (_, Some(to)) => {
            must(volume.bricks.iter().all(|b| b.address != to), format!("{to} has a brick"))?;
            let full = copies - usize::from(volume.bricks.iter().any(|b| b.arbiter));
            must(full > 2 || arbiter || !asked, "one copy alone would be whole meanwhile")?;
            must(!c.leaves_at(to), format!("{to} is taken out"))
        }
        (Step::DropBrick { replicas, .. }, None) => {
            must(bricks == copies, "every set would lose a copy")?;
            // A witness beside one copy has nothing to tell.
            let with_it = !arbiter && volume.bricks.iter().any(|b| b.arbiter);
            let less = 1 + usize::from(with_it);
            must(usize::from(*replicas) + less == bricks, "not one copy less")?;
            let one_may = asked || retired.is_some_and(|gone| gone.removed);
            must(*replicas >= if one_may { 1 } else { 2 }, "only one copy would be left")
        }
        _ => Ok(()),
    }
}

pub(super) fn detach_only_the_retired(step: &Step, c: &Case<'_>) -> Verdict {
    let Step::DetachPeer { address } = step else { return Ok(()) };
    let mut retired = record(c)?.retired.values().filter(|gone| gone.address == *address);
    let gone = retired.next().ok_or_else(|| format!("{address} is no retired box"))?;
    let struck = gone.revoked || retired.any(|gone| gone.revoked);
    let revoked = struck && !c.live_kin_at(*address, |_| true);
    must(!gives_brick(c, *address), format!("{address} gives a brick"))?;
    let mut peers = c.o.storage.iter().flat_map(|s| &s.peers);
    let connected = peers.any(|p| p.address == *address && p.connected);
    must(revoked || !connected, format!("{address} is connected"))
}

pub(super) fn admit_every_box(step: &Step, c: &Case<'_>) -> Verdict {
    let Step::AdmitToVolume { names } = step else { return Ok(()) };
    let record = record(c)?;
    let Some(names) = names else {
        let now = c.o.clock.unix.ok_or("the time is not known")?;
        let ended = |gone: &RetiredBox| !gone.revoked || now > gone.at + RetiredBox::OUTLIVED - 1;
        return must(record.retired.values().all(ended), "one that was struck off would be let in");
    };
    for known in record.boxes.values() {
        must(names.contains(&known.name), format!("{} would be shut out", known.name))?;
    }
    let own = c.o.identity.as_ref().map(|me| &me.name);
    must(own.is_some_and(|own| names.contains(own)), "this box would be shut out")?;
    let revoked = record.retired.values().filter(|gone| gone.revoked);
    match revoked.map(|gone| &gone.name).find(|name| names.contains(*name)) {
        Some(name) => Err(format!("{name} was struck off")),
        None => Ok(()),
    }
}

pub(super) fn forget_only_the_retired(step: &Step, c: &Case<'_>) -> Verdict {
    let Step::ForgetMember { name } = step else { return Ok(()) };
    let intent = record(c)?;
    let mut named = c.members().iter().filter(|m| m.name == *name).peekable();
    must(named.peek().is_some(), format!("the ring knows no {name}"))?;
    for member in named {
        must(member.status != MemberStatus::Alive, format!("{name} is alive"))?;
        let retired = member.id.as_ref().is_some_and(|id| intent.retired.contains_key(id));
        must(retired, format!("{name} is no retired box"))?;
    }
    Ok(())
}

pub(super) fn strike_off_only_the_retired(step: &Step, c: &Case<'_>) -> Verdict {
    let Step::StrikeOff { nodes } = step else { return Ok(()) };
    let swarm = c.o.swarm.as_ref();
    let told = swarm.into_iter().flat_map(|s| &s.told_retired);
    let noted = record(c).ok().into_iter().flat_map(|intent| intent.retired.keys());
    let known: BTreeSet<_> = told.chain(noted).chain(&c.o.pki.struck_off).collect();
    match nodes.iter().find(|id| !known.contains(id)) {
        Some(id) => Err(format!("nobody said that {id} lost its place")),
        None => Ok(()),
    }
}

pub(super) fn start_anew_only_when_told(step: &Step, c: &Case<'_>) -> Verdict {
    let right = match step {
        Step::StartAnew => c.o.retired && !c.o.removed,
        Step::StayOut => c.o.retired && c.o.removed,
        _ => return must(!c.o.retired, "it has no place"),
    };
    must(right, "nobody said that of its place")
}
