//! Rules of the cluster's CA. They look at what the members show, and not at what the
//! planner concluded from it.

use super::rotation::all_follow;
use super::{Case, Verdict, must};
use crate::{Record, RingMember, RotationStage, Step, Succession};

/// The replacement that this node may go by.
fn known<'a>(c: &Case<'a>) -> Option<&'a Succession> {
    match c.o.swarm.as_ref().map(|swarm| &swarm.record) {
        Some(Record::Known(intent)) => intent.ca.as_ref(),
        _ => c.o.pki.told_succession.as_ref(),
    }
}

pub(super) fn by_record(step: &Step, c: &Case<'_>) -> Verdict {
    let (ca, least) = match step {
        Step::TrustCa { ca } | Step::FetchNextCaKey { ca, .. } => (ca, RotationStage::Spread),
        Step::SignByCa { ca } => (ca, RotationStage::Use),
        Step::TrustOnlyCa { ca } => (ca, RotationStage::Only),
        _ => return Ok(()),
    };
    let succession = known(c).ok_or("nobody asked for another CA")?;
    must(succession.ca == *ca, "that is not the CA of the record")?;
    must(succession.stage >= least, "the record has not come so far")?;
    let cas = c.o.pki.cas.as_ref().ok_or("this node's CAs are not known")?;
    let trusted = cas.shows == *ca || cas.also.contains(ca);
    match step {
        Step::SignByCa { .. } => must(trusted, "this node does not trust it"),
        Step::TrustOnlyCa { .. } => must(cas.shows == *ca, "this node has no certificate of it"),
        Step::FetchNextCaKey { via, .. } => {
            must(c.o.pki.ca_key, "this node does not sign")?;
            let has = |m: &&RingMember| m.cas.as_ref().is_some_and(|m| m.next.as_ref() == Some(ca));
            let kin: Vec<_> = c.kin().filter(has).map(|m| m.address).collect();
            must(!via.is_empty() && via.iter().all(|a| kin.contains(a)), "somebody has not the key")
        }
        _ => Ok(()),
    }
}

pub(super) fn only_when_all_follow(step: &Step, c: &Case<'_>) -> Verdict {
    let Step::Record { intent } = step else { return Ok(()) };
    let Some(Record::Known(now)) = c.o.swarm.as_ref().map(|swarm| &swarm.record) else {
        return Ok(());
    };
    if now.ca == intent.ca {
        return Ok(());
    }
    let (Some(was), Some(next)) = (&now.ca, &intent.ca) else {
        return Err("only a person asks for another CA".into());
    };
    let same = Succession { stage: was.stage, ..next.clone() } == *was;
    must(same, "only a person asks for another CA")?;
    let trusts = |m: &RingMember| {
        m.cas.as_ref().is_some_and(|cas| cas.shows == was.ca || cas.also.contains(&was.ca))
    };
    let shows = |m: &RingMember| m.cas.as_ref().is_some_and(|cas| cas.shows == was.ca);
    match (was.stage, next.stage) {
        (RotationStage::Spread, RotationStage::Use) => {
            all_follow(c, trusts, "does not trust the new CA")
        }
        (RotationStage::Use, RotationStage::Only) => {
            all_follow(c, shows, "has no certificate of the new CA")
        }
        _ => Err("no stage is left out or taken back".into()),
    }
}
