//! Two boxes without a witness: the one with the first copy manages as well. With the
//! copy that decides here and the manager there, neither could go on without the other.

use super::because;
use crate::situation::Situation;
use crate::{Planned, Step, Swarm, SwarmRole};
use std::collections::BTreeSet;

/// The step that brings both to one box. All managers are reachable.
pub(super) fn seat(s: &Situation<'_>, swarm: &Swarm) -> Option<Planned> {
    let volume = s.volume().filter(|_| s.wanted.storage)?;
    let first = volume.bricks.first().filter(|_| volume.bricks.len() == 2)?;
    let entries = || swarm.nodes.iter().filter(|n| !s.goes(&n.name));
    let coming = s.live_kin().map(|m| m.name.as_str()).filter(|name| !s.goes(name));
    let boxes: BTreeSet<_> = entries().map(|n| n.name.as_str()).chain(coming).collect();
    let there = entries().filter(|n| n.up && n.address == Some(first.address));
    let decides = there.min_by_key(|n| &n.name).filter(|_| boxes.len() == 2)?;
    let managers: BTreeSet<_> =
        swarm.nodes.iter().filter(|n| n.manager).map(|n| n.name.as_str()).collect();
    let why = "of two boxes the one with the first copy manages";
    if !managers.contains(decides.name.as_str()) {
        let (name, role) = (decides.name.clone(), SwarmRole::Manager);
        return (managers.len() == 1).then(|| because(Step::SetSwarmRole { name, role }, why));
    }
    if managers.len() != 2 {
        return None;
    }
    let other = managers.into_iter().find(|name| *name != decides.name && !s.goes(name))?;
    let (name, role) = (other.to_owned(), SwarmRole::Worker);
    Some(because(Step::SetSwarmRole { name, role }, why))
}
