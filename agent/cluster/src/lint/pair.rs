//! Rules of two boxes without a witness: one of them goes on alone, and which one changes
//! only while both are whole.

use super::{Case, Verdict, must};
use crate::{Hand, MemberStatus, RingMember, Step, SwarmLocal, SwarmRole, Volume};
use std::net::IpAddr;

/// Both copies and nothing else, as the volume lists them.
fn both(volume: &Volume) -> Result<[IpAddr; 2], String> {
    match volume.bricks.as_slice() {
        [first, second] if !first.arbiter && !second.arbiter => Ok([first.address, second.address]),
        _ => Err("there are not two copies".into()),
    }
}

fn whole(volume: &Volume) -> Verdict {
    let up = volume.started && volume.bricks.iter().all(|b| b.online);
    must(up, "not every brick runs")?;
    must(volume.pending_heals == Some(0), "not every copy is whole")
}

/// The live box at this address, if it is not being switched off.
fn stays<'a>(c: &Case<'a>, address: IpAddr) -> Result<&'a RingMember, String> {
    let alive = |m: &&RingMember| m.status == MemberStatus::Alive && m.address == address;
    let member = c.kin().find(alive).ok_or_else(|| format!("{address} is not seen"))?;
    must(member.hand != Some(Hand::Over), format!("{address} is being switched off"))?;
    Ok(member)
}

pub(super) fn hand_over_what_is_whole(step: &Step, c: &Case<'_>) -> Verdict {
    let Step::HandOver { to, turn } = step else { return Ok(()) };
    must(c.o.goes_down, "this box is not being switched off")?;
    let volume = c.volume().ok_or("there is no volume")?;
    let own = c.o.identity.as_ref().map(|me| me.address);
    let [first, second] = both(volume)?;
    must(Some(first) == own && second == *to, "it is not this box's to give")?;
    must(volume.turn.is_multiple_of(2), "it was given already")?;
    must(*turn == volume.turn + 1, "it is not the next turn")?;
    must(c.o.handed_over.is_none_or(|given| given < volume.turn), "it gave its turn away")?;
    whole(volume)?;
    let other = stays(c, *to)?;
    must(c.kin().count() == 1, "there are more than two boxes")?;
    must(other.swarm == Some(SwarmRole::Manager), "the other one does not manage")?;
    let here = |m: &&RingMember| Some(m.address) == own && m.status == MemberStatus::Alive;
    let shown = || c.members().iter().find(here).and_then(|m| m.swarm);
    let gave = match &c.o.swarm {
        Some(swarm) => swarm.local == SwarmLocal::Active && !swarm.manager,
        // The engine was stopped by a hand-over that was cut.
        None => shown() == Some(SwarmRole::Worker),
    };
    must(gave, "this box manages the Swarm still")
}

pub(super) fn hand_back_what_is_whole(step: &Step, c: &Case<'_>) -> Verdict {
    let Step::HandBack { turn } = step else { return Ok(()) };
    let volume = c.volume().ok_or("there is no volume")?;
    let first = volume.bricks.first().map(|b| b.address).ok_or("there is no copy")?;
    whole(volume)?;
    let box_there = stays(c, first)?;
    let odd = volume.turn % 2 == 1;
    must(odd || box_there.hand == Some(Hand::Back), "it has its turn")?;
    must(turn.is_multiple_of(2) && *turn > volume.turn, "it is no later turn of the first")?;
    // It may have given away the next one, and nobody heard of it.
    must(odd || *turn > volume.turn + 1, "it may have given that turn away")
}

pub(super) fn one_of_two_serves(step: &Step, c: &Case<'_>) -> Verdict {
    match step {
        Step::MountVolume | Step::Remount => {
            let volume = c.volume().ok_or("there is no volume")?;
            let own = c.o.identity.as_ref().map(|me| me.address);
            let turn = volume.turn;
            let given = c.o.handed_over.is_some_and(|given| given >= turn);
            must(!given, "this box handed over, and does not have its turn back")?;
            let [_, second] = volume.bricks.as_slice() else { return Ok(()) };
            must(turn % 2 == 0 || Some(second.address) == own, "it is the other one's turn")
        }
        Step::AddBricks { .. }
        | Step::AddArbiter { .. }
        | Step::AddSet { .. }
        | Step::DropBrick { .. } => {
            let odd = c.volume().is_some_and(|v| v.turn % 2 == 1 && v.bricks.len() == 2);
            must(!odd, "the first copy does not have its turn back")
        }
        _ => Ok(()),
    }
}
