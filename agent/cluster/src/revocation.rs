//! A box that a person strikes off at once, because it was stolen: it is not emptied, not
//! waited for and not asked. The record says so in one swap; the rest follows from it, as
//! for any box that lost its place (`plan/removal.rs`).

use crate::plan::{spare_for, unhealthy};
use crate::situation::Situation;
use crate::takeout::afterwards;
use crate::{Intent, NodeId, RetiredBox, TakeOut};
use std::net::IpAddr;

/// What would come of it, and the record that carries it out.
pub(crate) fn decide(s: &Situation<'_>, intent: &Intent, name: &str) -> (TakeOut, Option<Intent>) {
    let place = intent.boxes.iter().find(|(_, known)| known.name == name);
    let lost = intent.retired.iter().find(|(_, gone)| gone.name == name);
    let (id, address) = match (place, lost) {
        (Some((id, known)), _) => (id, known.address),
        (None, Some((_, gone))) if gone.revoked => {
            let lines = vec![format!("{name} was struck off already")];
            return (TakeOut { lines, ..TakeOut::default() }, None);
        }
        (None, Some((id, gone))) => (id, gone.address),
        (None, None) => {
            return (TakeOut::refused(format!("the cluster has no box {name}")), None);
        }
    };
    if let Err(why) = others_carry_on(s, id, name) {
        return (TakeOut::refused(why), None);
    }
    let Some(at) = s.observed.clock.unix else {
        let why = "this box's clock cannot be right, and a date belongs to it: set it";
        return (TakeOut::refused(why), None);
    };
    let ca_key = s.members().any(|m| m.ca_key && m.id.as_ref() == Some(id));
    let mut next = intent.clone();
    next.boxes.remove(id);
    let lost = RetiredBox::lost(name.into(), address, at);
    let gone = RetiredBox { removed: true, revoked: true, ca_key, ..lost };
    next.retired.insert(id.clone(), gone);
    let (storage, copies) = storage(s, name, address);
    let mut lines = vec![format!(
        "{name} at {address} is struck off at once: no box serves it any more, whatever \
         certificate it shows"
    )];
    lines.extend(storage);
    let nodes = || s.observed.swarm.iter().flat_map(|swarm| &swarm.nodes);
    if nodes().any(|n| n.name == name) {
        lines.push("the Swarm strikes it off, and its tasks run on other boxes".into());
    }
    lines.push("the Swarm's join tokens are changed".into());
    lines.push(
        "it knows the ring's key: change it, or whoever has the box can join from the \
         cluster's network, and enrol as another one"
            .into(),
    );
    if ca_key {
        lines.push(
            "it holds the CA's key: whoever has the box can make a certificate for any name. \
             Nothing but another CA ends that: set the cluster up anew with a new site"
                .into(),
        );
    }
    lines.push(
        "this is not taken back; `ashlarctl node rejoin` on it lets it in as a new box".into(),
    );
    let target = TakeOut {
        lines,
        afterwards: afterwards(s, intent, name, copies),
        unless_typed: last_copy(s, name, address),
        refused: None,
    };
    (target, Some(next))
}

/// It must be the others who decide this, and go on.
fn others_carry_on(s: &Situation<'_>, id: &NodeId, name: &str) -> Result<(), String> {
    let me = s.observed.identity.as_ref();
    if me.is_some_and(|me| me.id == *id) {
        let other = s.live_kin().next().map(|m| &m.name);
        return Err(match other {
            None => format!("{name} is the last box: `ashlarctl reset factory` ends a cluster"),
            Some(_) => format!(
                "{name} leads the cluster, and does not strike itself off: pull its cable, and \
                 ask again when another box leads"
            ),
        });
    }
    Ok(())
}

/// What becomes of its copy, and how many are left.
fn storage(s: &Situation<'_>, name: &str, address: IpAddr) -> (Vec<String>, usize) {
    let Some(volume) = s.volume().filter(|_| s.wanted.storage) else { return (Vec::new(), 0) };
    let copies = volume.copies();
    let mut lines = Vec::new();
    let mut left = copies;
    if let Some(brick) = volume.bricks.iter().find(|b| b.address == address) {
        if !brick.arbiter {
            let of = &s.wanted.volume;
            lines.push(format!("whoever has the box can read its copy of {of}"));
        }
        let to = s.observed.storage.as_ref().and_then(|st| spare_for(s, st, volume, address));
        let to = to.and_then(|to| s.live().find(|m| m.address == to));
        if let Some(to) = to {
            lines.push(format!("{} takes the place of its brick", to.name));
        } else if !volume.is_one_set() {
            let waits = "its brick waits for another box in its place: switch one on; if it still \
                         runs in the cluster's network, the others write to it until then";
            lines.push(waits.into());
        } else if !brick.arbiter {
            left = copies.saturating_sub(1);
            lines.push(format!("there is no box for another copy: {left} of {copies} go on"));
        }
    }
    lines.push(format!(
        "the volume serves the other boxes by name. {name}'s certificate opens the management \
         of the storage to whoever is on the cluster's network until it ends, in 30 days at most"
    ));
    (lines, left)
}

/// Why its copy may be the last one that is whole.
fn last_copy(s: &Situation<'_>, name: &str, address: IpAddr) -> Option<String> {
    if !s.wanted.storage {
        return None;
    }
    let Some(volume) = s.volume() else {
        return Some("nothing is known of the volume's copies".into());
    };
    let brick = volume.bricks.iter().find(|b| b.address == address).filter(|b| !b.arbiter)?;
    let mut others =
        volume.set_of(address).iter().filter(|b| b.address != address && !b.arbiter && b.online);
    if others.next().is_none() {
        return Some(format!("no other copy runs of what {name} has: its files would be lost"));
    }
    let until = unhealthy(volume).filter(|_| brick.online)?;
    Some(format!("its copy may be the last whole one: wait until {until}"))
}
