//! Rules of the second of two boxes that goes on alone, and of the first that comes back.

use super::{Case, Verdict, must};
use crate::{MemberStatus, Step};

pub(super) fn by_a_persons_word(step: &Step, c: &Case<'_>) -> Verdict {
    if !matches!(step, Step::GoOnAlone { .. } | Step::LeadAlone | Step::ForgetWord) {
        return Ok(());
    }
    let word = c.o.left_behind.as_ref().ok_or("no person said so")?;
    let own = c.o.identity.as_ref().map(|me| me.address);
    let alive =
        |m: &&crate::RingMember| m.status == MemberStatus::Alive && m.id.as_ref() == Some(&word.id);
    let seen = c.members().iter().any(|m| alive(&m));
    let storage = c.o.storage.as_ref();
    let volume = c.volume();
    let brick = volume.is_some_and(|v| v.has_brick_of(word.address));
    match step {
        Step::GoOnAlone { without } => {
            must(*without == word.address && Some(*without) != own, "it is about another box")?;
            let volume = volume.ok_or("there is no volume")?;
            must(volume.started, "the volume is stopped")?;
            must(volume.bricks.iter().all(|b| !b.arbiter), "there is a witness")?;
            let here = volume.bricks.iter().any(|b| Some(b.address) == own && b.online);
            must(here, "the copy here does not run")?;
            let ours = |b: &&crate::Brick| Some(b.address) == own || b.address == *without;
            must(volume.bricks.iter().all(|b| ours(&b)), "there is another copy")?;
            let peers = || storage.into_iter().flat_map(|s| &s.peers);
            must(peers().all(|p| p.address == *without), "there are more boxes")?;
            if !brick {
                return Ok(());
            }
            must(!seen, "it is alive")?;
            must(c.o.said_since_boot, "that was said before this box was switched on")?;
            must(peers().all(|p| !p.connected), "its storage answers")?;
            let down = |b: &crate::Brick| b.address != *without || !b.online;
            must(volume.bricks.iter().all(down), "its copy runs")?;
            must(volume.turn.is_multiple_of(2), "a hand-over is not over")?;
            let second = volume.bricks.last().map(|b| b.address) == own;
            must(second, "this is the first of the two")?;
            let known = c.o.both_seen.as_ref().filter(|both| both.other.id == word.id);
            must(known.is_some_and(|both| both.whole), "the copy here is behind")
        }
        Step::LeadAlone => {
            must(volume.is_some() && !brick, "its copy counts still")?;
            must(c.o.mounted, "the volume is not mounted")?;
            let manages = c.o.swarm.as_ref().is_some_and(|swarm| swarm.manager);
            must(manages || c.o.seat.is_some(), "what the Swarm knows is not here")
        }
        _ => {
            let noted = c.intent().is_some_and(|i| i.retired.contains_key(&word.id));
            must(noted || brick && (seen || !c.o.said_since_boot), "it is not done yet")
        }
    }
}

pub(super) fn yield_to_who_went_on(step: &Step, c: &Case<'_>) -> Verdict {
    if !matches!(step, Step::MountVolume | Step::Remount) {
        return Ok(());
    }
    let own = c.o.identity.as_ref();
    let kin = || c.kin().filter(|m| m.status == MemberStatus::Alive);
    let went_on = kin().find(|m| m.left.is_some() && m.left.as_ref() == own.map(|me| &me.id));
    if let Some(other) = went_on {
        return Err(format!("{} went on without this box", other.name));
    }
    let swarm = c.o.membership.as_ref().is_some_and(|m| m.swarm);
    let (Some(volume), false, true) = (c.volume(), c.o.mounted, swarm) else { return Ok(()) };
    let [first, second] = volume.bricks.as_slice() else { return Ok(()) };
    if first.arbiter || second.arbiter || Some(first.address) != own.map(|me| me.address) {
        return Ok(());
    }
    let peers = c.o.storage.iter().flat_map(|s| &s.peers);
    let connected = peers.clone().any(|p| p.address == second.address && p.connected);
    if connected || kin().any(|m| m.address == second.address) {
        return Ok(());
    }
    let quiet = c.o.ring.as_ref().map_or(0, |ring| ring.quiet_ms);
    let cable = c.o.place.carrier_ms.unwrap_or(u64::MAX);
    must(quiet.min(cable) >= c.w.settle_ms, "it did not look for the other one yet")
}
