//! Rules of a volume of several sets. A set is judged by its bricks alone, counted in
//! threes in the volume's order.

use super::storage::{is_healed, runs, volume};
use super::{Case, Verdict, must};
use crate::{Rebalance, Step, Volume};
use std::collections::BTreeSet;

/// How many bricks lie where the files that belong there are, as the volume notes.
fn settled(volume: &Volume) -> usize {
    3 * usize::from(volume.spread.max(1))
}

fn healthy(volume: &Volume) -> Verdict {
    runs(volume)?;
    is_healed(volume)
}

pub(super) fn sets_of_three(step: &Step, c: &Case<'_>) -> Verdict {
    let Step::AddSet { bricks } = step else { return Ok(()) };
    let volume = volume(c)?;
    must(c.w.replicas >= 3, "fewer than three copies are wanted")?;
    must(volume.replicas == 3, format!("there are {} copies", volume.replicas))?;
    must(volume.bricks.len().is_multiple_of(3), "a set of the volume is short")?;
    must(bricks.len() == 3, format!("{} bricks are no set", bricks.len()))?;
    let mut boxes: BTreeSet<_> = volume.bricks.iter().map(|b| b.address).collect();
    for brick in bricks {
        must(boxes.insert(*brick), format!("{brick} would give two bricks"))?;
    }
    Ok(())
}

pub(super) fn add_only_when_healthy(step: &Step, c: &Case<'_>) -> Verdict {
    let Step::AddSet { .. } = step else { return Ok(()) };
    let volume = volume(c)?;
    healthy(volume)?;
    must(volume.bricks.len() <= settled(volume), "files still go to the last set")?;
    let goes = |b: &&crate::Brick| c.leaves_at(b.address) || c.is_retired(b.address);
    match volume.bricks.iter().find(goes) {
        Some(brick) => Err(format!("the copy on {} needs another place first", brick.address)),
        None => Ok(()),
    }
}

pub(super) fn spread_only_what_is_whole(step: &Step, c: &Case<'_>) -> Verdict {
    let (sets, done) = match step {
        Step::Rebalance { sets } => (*sets, false),
        Step::NoteSpread { sets } => (*sets, true),
        _ => return Ok(()),
    };
    let volume = volume(c)?;
    healthy(volume)?;
    must(volume.bricks.len() == 3 * usize::from(sets), format!("there are not {sets} sets"))?;
    must(volume.bricks.len() > settled(volume), "the files are spread already")?;
    match (&volume.rebalance, done) {
        (None, _) => Err("whether files move is unknown".into()),
        (Some(Rebalance::Running), _) => Err("files move".into()),
        (Some(now), true) => must(*now == Rebalance::Done, "not every box has moved its part"),
        (Some(now), false) => must(*now != Rebalance::Done, "every box has moved its part"),
    }
}
