//! Rules of the ring's key. They look at what the members show, and not at what the
//! planner concluded from it.

use super::{Case, Verdict, must};
use crate::{MemberStatus, Record, RingMember, Rotation, RotationStage, Step};

/// The replacement that this node may go by.
fn known<'a>(c: &Case<'a>) -> Option<&'a Rotation> {
    match c.o.swarm.as_ref().map(|swarm| &swarm.record) {
        Some(Record::Known(intent)) => intent.ring.as_ref(),
        _ => c.o.pki.told_rotation.as_ref().map(|told| &told.rotation),
    }
}

pub(super) fn by_record(step: &Step, c: &Case<'_>) -> Verdict {
    let (key, least) = match step {
        Step::TakeRingKey { key, .. } => (key, RotationStage::Spread),
        Step::UseRingKey { key } => (key, RotationStage::Use),
        Step::DropRingKeys { keep } => (keep, RotationStage::Only),
        _ => return Ok(()),
    };
    let rotation = known(c).ok_or("nobody asked for another key")?;
    must(rotation.key == *key, "that is not the key of the record")?;
    must(rotation.stage >= least, "the record has not come so far")?;
    let keys = c.o.pki.ring_keys.as_ref().ok_or("this node's keys are not known")?;
    let settled = !c.o.pki.ring_key_changed;
    match step {
        Step::UseRingKey { .. } => {
            must(keys.also.contains(key), "this node has it not, or uses it")
        }
        Step::DropRingKeys { .. } => {
            must(settled && keys.uses == *key, "site and seal have not this key yet")
        }
        _ => Ok(()),
    }
}

pub(super) fn only_when_all_follow(step: &Step, c: &Case<'_>) -> Verdict {
    let Step::Record { intent } = step else { return Ok(()) };
    let Some(Record::Known(now)) = c.o.swarm.as_ref().map(|swarm| &swarm.record) else {
        return Ok(());
    };
    if now.ring == intent.ring {
        return Ok(());
    }
    let (Some(was), Some(next)) = (&now.ring, &intent.ring) else {
        return Err("only a person asks for another key".into());
    };
    let same = was.number == next.number && was.key == next.key && was.since == next.since;
    must(same && was.given_out == next.given_out, "only a person asks for another key")?;
    let shows = |m: &RingMember| {
        m.keys.as_ref().is_some_and(|keys| keys.uses == was.key || keys.also.contains(&was.key))
    };
    let uses = |m: &RingMember| m.keys.as_ref().is_some_and(|k| k.uses == was.key);
    match (was.stage, next.stage) {
        (RotationStage::Spread, RotationStage::Use) => {
            all_follow(c, shows, "does not have the new key")
        }
        (RotationStage::Use, RotationStage::Only) => {
            all_follow(c, uses, "does not use the new key")
        }
        _ => Err("no stage is left out or taken back".into()),
    }
}

/// Every box that is seen, this one with them, follows; or why one does not.
pub(super) fn all_follow(
    c: &Case<'_>,
    follows: impl Fn(&RingMember) -> bool,
    why: &str,
) -> Verdict {
    let own = c.o.identity.as_ref().map(|me| &me.id);
    let here = c.members().iter().filter(|m| own.is_some() && m.id.as_ref() == own);
    let mut kin = here.chain(c.kin()).filter(|m| m.status == MemberStatus::Alive).peekable();
    must(kin.peek().is_some(), "nobody is seen in the ring")?;
    match kin.find(|m| !follows(m)) {
        Some(one) => Err(format!("{} {why}", one.name)),
        None => Ok(()),
    }
}
