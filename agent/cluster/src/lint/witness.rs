//! Rules of the witness.

use super::{Case, Verdict, must};
use crate::{Availability, Brick, MemberStatus, RingMember, Step};
use std::net::IpAddr;

/// Whether the live box at this address shows that it is a witness.
fn is_witness(c: &Case<'_>, address: IpAddr) -> bool {
    let own = c.o.identity.as_ref().map(|me| me.address);
    let shows = |m: &&RingMember| m.status == MemberStatus::Alive && m.address == address;
    if own == Some(address) { c.o.witness } else { c.kin().filter(shows).any(|m| m.witness) }
}

fn bricks<'a>(c: &Case<'a>) -> &'a [Brick] {
    c.volume().map_or(&[], |volume| &volume.bricks)
}

pub(super) fn carries_no_data(step: &Step, c: &Case<'_>) -> Verdict {
    let (to, arbiter): (&[IpAddr], _) = match step {
        Step::Found => return must(!(c.w.storage && c.o.witness), "this box is a witness"),
        Step::CreateVolume { bricks } => (bricks, false),
        Step::AddBricks { bricks: new, .. } | Step::AddSet { bricks: new } => {
            must(bricks(c).iter().all(|b| !b.arbiter), "a witness stands in its place")?;
            (new, false)
        }
        Step::AddArbiter { brick } => (std::slice::from_ref(brick), true),
        Step::ReplaceBrick { from, to } => {
            let old = bricks(c).iter().find(|b| b.address == *from);
            (std::slice::from_ref(to), old.is_some_and(|b| b.arbiter))
        }
        _ => return Ok(()),
    };
    match to.iter().find(|address| is_witness(c, **address) != arbiter) {
        Some(address) if arbiter => Err(format!("{address} is no witness")),
        Some(address) => Err(format!("{address} is a witness")),
        None => Ok(()),
    }
}

pub(super) fn beside_two(step: &Step, c: &Case<'_>) -> Verdict {
    let bricks = bricks(c);
    let volume = c.volume();
    let whole = || {
        let up = bricks.iter().all(|b| b.online) && volume.is_some_and(|v| v.started);
        must(up, "not every brick runs")?;
        must(volume.and_then(|v| v.pending_heals) == Some(0), "not every copy is whole")
    };
    match step {
        Step::AddArbiter { brick } => {
            let two = bricks.len() == 2 && volume.is_some_and(|v| v.replicas == 2);
            must(two, "there are not two copies")?;
            must(bricks.iter().all(|b| b.address != *brick), format!("{brick} has a brick"))?;
            whole()
        }
        Step::DropBrick { brick, .. }
            if bricks.iter().any(|b| b.arbiter && b.address == *brick) =>
        {
            if c.leaves_at(*brick) || c.is_retired(*brick) {
                return Ok(());
            }
            let free = |a: IpAddr| bricks.iter().all(|b| b.address != a) && !c.leaves_at(a);
            let third = |m: &RingMember| m.status == MemberStatus::Alive && m.storage_open;
            let third = c.kin().any(|m| third(m) && free(m.address) && !m.witness);
            let own = c.o.identity.as_ref().is_some_and(|me| free(me.address) && !c.o.witness);
            must(third || own, "nobody could hold a copy in its place")?;
            whole()
        }
        _ => Ok(()),
    }
}

pub(super) fn only_votes(step: &Step, c: &Case<'_>) -> Verdict {
    let Step::SetVoting { name, voting } = step else { return Ok(()) };
    let shows = |m: &&RingMember| m.status == MemberStatus::Alive && m.name == *name;
    let mut shown = c.members().iter().filter(shows).map(|m| m.witness && c.w.storage);
    let witness = shown.next().ok_or_else(|| format!("{name} is not alive"))?;
    must(shown.all(|other| other == witness), format!("there are two of {name}"))?;
    must(witness == *voting, if witness { "it is a witness" } else { "it is no witness" })?;
    let nodes = c.o.swarm.iter().flat_map(|s| &s.nodes);
    let mut own = nodes.filter(|n| n.name == *name);
    must(*voting || own.any(|n| n.availability == Availability::Voting), "it gets tasks")
}
