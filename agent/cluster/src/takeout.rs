//! A box that a person takes out of the cluster, or keeps after all: what that would
//! change, whether the cluster can bear it, and what it makes of the record. The rest
//! follows from the record, step by step (`plan/leaving.rs`).

use crate::plan::{spare_for, unhealthy};
use crate::revocation;
use crate::situation::{Situation, manager_count};
use crate::{Intent, KnownBox, NodeId, Observed, Roster, Tenure, Wanted};
use serde::{Deserialize, Serialize};

/// What a person asks of a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Take it out.
    Remove,
    /// Keep it: it was to be taken out.
    Keep,
    /// Strike it off at once: it is not emptied, and not asked.
    Revoke,
}

/// What would come of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TakeOut {
    /// What changes, a line each.
    pub lines: Vec<String>,
    /// What the cluster can bear afterwards.
    pub afterwards: String,
    /// Why it is refused, and nothing is done.
    pub refused: Option<String>,
    /// Why it is done only for a person who typed the box's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unless_typed: Option<String>,
}

impl TakeOut {
    pub(crate) fn refused(why: impl Into<String>) -> Self {
        Self { refused: Some(why.into()), ..Self::default() }
    }
}

/// What the decision about the box of that name would change, as the leader sees it;
/// and the record that carries it out, unless it is refused or already so.
#[must_use]
pub fn decide(
    observed: &Observed,
    wanted: &Wanted,
    name: &str,
    decision: Decision,
) -> (TakeOut, Option<Intent>) {
    let Some(intent) = observed.intent_as_leader() else {
        return (TakeOut::refused("this box does not lead the cluster"), None);
    };
    if decision == Decision::Revoke {
        return revocation::decide(&Situation::new(observed, wanted), intent, name);
    }
    if intent.retired.values().any(|gone| gone.name == name) {
        let why = format!("{name} has lost its place already: that is not taken back");
        return (TakeOut::refused(why), None);
    }
    let found = intent.boxes.iter().find(|(_, known)| known.name == name);
    let Some((id, known)) = found else {
        return (TakeOut::refused(format!("the cluster has no box {name}")), None);
    };
    let s = Situation::new(observed, wanted);
    let target = match decision {
        Decision::Remove => removal(&s, intent, id, known),
        Decision::Keep if known.remove => TakeOut {
            lines: vec![format!("{name} stays: it gets tasks, a copy and a seat again as needed")],
            ..TakeOut::default()
        },
        Decision::Keep | Decision::Revoke => {
            TakeOut::refused(format!("nobody asked to take {name} out"))
        }
    };
    let remove = decision == Decision::Remove;
    let next = (target.refused.is_none() && known.remove != remove).then(|| {
        let mut next = intent.clone();
        next.boxes.insert(id.clone(), KnownBox { remove, ..known.clone() });
        next
    });
    (target, next)
}

fn removal(s: &Situation<'_>, intent: &Intent, id: &NodeId, known: &KnownBox) -> TakeOut {
    if let Err(why) = bears(s, intent, known) {
        return TakeOut::refused(why);
    }
    let (observed, name) = (s.observed, &known.name);
    let alive = s.live().any(|m| m.id.as_ref() == Some(id));
    let mut lines = vec![if alive {
        format!("{name} at {} is emptied, and leaves the cluster", known.address)
    } else {
        format!("{name} at {}, which is not seen, loses its place", known.address)
    }];
    let mut copies = 0;
    if let Some(volume) = s.volume() {
        copies = volume.copies();
        let arbiter = volume.arbiter().is_some_and(|b| b.address == known.address);
        let volume_name = &s.wanted.volume;
        let to = observed.storage.as_ref().and_then(|st| spare_for(s, st, volume, known.address));
        let holds = volume.has_brick_of(known.address);
        let name_at = |address| {
            let at = s.live().find(|m| m.address == address).map(|m| m.name.as_str());
            at.unwrap_or("another box").to_owned()
        };
        lines.push(match to {
            _ if !holds => format!("it holds no copy of {volume_name}"),
            Some(to) if arbiter => format!("{} is the witness of {volume_name}", name_at(to)),
            None if arbiter => {
                format!("{volume_name} has no witness any more: of two copies the first decides")
            }
            Some(to) => format!("its copy of {volume_name} moves to {}", name_at(to)),
            None => {
                copies -= 1;
                format!("its copy of {volume_name} is given up: {copies} of {} go on", copies + 1)
            }
        });
        if let Some(until) = unhealthy(volume).filter(|_| holds && alive) {
            lines.push(format!("that waits until {until}"));
        }
    }
    let nodes = || observed.swarm.iter().flat_map(|swarm| &swarm.nodes);
    let own = || nodes().filter(|n| n.name == *name);
    if own().any(|n| n.up) {
        lines.push("its tasks run on other boxes".into());
    }
    if own().any(|n| n.manager) {
        lines.push("it manages the Swarm no more; another box does, if one is missing".into());
    }
    lines.push("nobody serves its certificate any more".into());
    lines.push(format!(
        "its own files stay on its disk, set aside; it stays out until `ashlarctl node rejoin` \
         or a factory reset{}",
        if alive { "" } else { ", should it be switched on again" }
    ));
    TakeOut { lines, afterwards: afterwards(s, intent, &known.name, copies), ..TakeOut::default() }
}

/// How many are left, and what they can lose.
pub(crate) fn afterwards(s: &Situation<'_>, intent: &Intent, gone: &str, copies: usize) -> String {
    let boxes = intent.boxes.values().filter(|b| !b.remove && b.name != gone).count();
    let managers = manager_count(boxes, s.wanted.managers);
    let many = |n: usize, one: &str, more: &str| format!("{n} {}", if n == 1 { one } else { more });
    let mut words = many(boxes, "box", "boxes");
    if s.wanted.storage {
        words += &format!(", {} of {}", many(copies, "copy", "copies"), s.wanted.volume);
        let sets = s.volume().map_or(0, |v| v.sets().count());
        if sets > 1 {
            words += &format!(" in {sets} sets");
        }
    }
    words += &format!(", {}", many(managers, "manager", "managers"));
    words += match boxes {
        2 if s.wanted.storage && copies == 1 => {
            ": when the box with the copy fails everything stops, and no other has its files"
        }
        1 => ": when it fails everything stops, and no other box has its files",
        2 => ": when the box with the first copy fails, the volume stops until it is back",
        _ => ": any one may fail",
    };
    words
}

/// Whether the others can do without it.
fn bears(s: &Situation<'_>, intent: &Intent, known: &KnownBox) -> Result<(), String> {
    let name = &known.name;
    if let Some(other) = intent.boxes.values().find(|b| b.remove && b.name != *name) {
        let other = &other.name;
        return Err(format!("{other} is being taken out: wait for it, or keep it"));
    }
    let here = s.observed.identity.as_ref().map(|me| me.name.as_str());
    let other = s.live_kin().map(|m| m.name.as_str()).chain(here).find(|n| n != name);
    if other.is_none() {
        return Err(format!("{name} is the last box: `ashlarctl reset factory` ends a cluster"));
    }
    let swarm = s.observed.swarm.as_ref().ok_or("the container engine does not answer")?;
    let managers = || swarm.nodes.iter().filter(|n| n.manager && n.name != *name);
    if let Some(away) = managers().find(|n| !n.reachable) {
        let away = &away.name;
        return Err(format!("{away} manages the Swarm and is not reachable: mend that first"));
    }
    if !s.wanted.storage {
        return Ok(());
    }
    let storage = s.observed.storage.as_ref().ok_or("the storage does not answer")?;
    let volume = storage.volume.as_ref().ok_or("the volume is not known")?;
    let others = || volume.bricks.iter().filter(|b| b.address != known.address);
    if let Some(down) = others().find(|b| !b.online) {
        let down = down.address;
        return Err(format!("the copy on {down} is out of reach: mend that first"));
    }
    let holds = volume.has_brick_of(known.address);
    let spare = spare_for(s, storage, volume, known.address);
    if holds && !volume.is_one_set() && spare.is_none() {
        return Err(format!(
            "{name} holds a copy of files of which the other sets have none, and no box is free \
             to take it: switch one more box on first; the volume does not shrink by a set"
        ));
    }
    let alone = volume.full().all(|b| b.address == known.address);
    if alone && spare.is_none() {
        return Err(format!("{name} has the only copy, and no other box can take it"));
    }
    let lost =
        matches!(Roster::of(s.observed).named(name).map(|b| b.tenure), Some(Tenure::Lost { .. }));
    if alone && lost {
        return Err(format!("{name} has the only copy, and is not seen"));
    }
    Ok(())
}
