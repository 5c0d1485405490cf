//! The cluster's CA is replaced. Each node trusts, shows and forgets CAs by itself, as the
//! record says; the leader moves the record on when all that are seen have followed. Who
//! is away is not waited for: it takes the CA when it is back, from the record if it
//! reads that, or by an enrolment, and either way only because its own CA vouches for it.

use super::rotation::{behind, move_on, unrest};
use super::{because, waits};
use crate::situation::Situation;
use crate::succession::{current_succession, lacks};
use crate::{Cas, Intent, Plan, RotationStage, Step, Succession};
use std::net::IpAddr;

/// The rule by which the record is moved on.
const RULE: &str = "ca-only-when-all-follow";

pub(super) fn plan(s: &Situation<'_>, plan: &mut Plan) {
    if s.certified().is_none() || s.observed.ring.is_none() {
        return;
    }
    if let Some(cas) = &s.observed.pki.cas {
        follow(s, current_succession(s.observed), cas, plan);
    }
    advance(s, plan);
}

/// What this node has still to do.
fn follow(s: &Situation<'_>, succession: Option<&Succession>, cas: &Cas, plan: &mut Plan) {
    let Some(succession) = succession.filter(|succession| !is_left_behind(s, succession, cas))
    else {
        return catch_up(s, cas, plan);
    };
    let (ca, pki) = (&succession.ca, &s.observed.pki);
    if !cas.trusts(ca) {
        let why = "the cluster's CA is replaced, and this node does not trust the new one";
        return plan.steps.push(because(Step::TrustCa { ca: ca.clone() }, why));
    }
    if succession.stage == RotationStage::Spread {
        if pki.ca_key && cas.next.as_ref() != Some(ca) {
            fetch_key(s, succession, plan);
        }
        return;
    }
    if pki.signs_by.as_ref() != Some(ca) {
        let why = "every box that is seen trusts the cluster's new CA";
        return plan.steps.push(because(Step::SignByCa { ca: ca.clone() }, why));
    }
    if cas.shows != *ca {
        return certify(s, cas, ca, plan);
    }
    if succession.stage == RotationStage::Only && !cas.also.is_empty() {
        let why = "every box that is seen has a certificate of the cluster's new CA";
        plan.steps.push(because(Step::TrustOnlyCa { ca: ca.clone() }, why));
    }
}

/// Whether the others show a CA that this replacement does not lead to: this node missed
/// a later one.
fn is_left_behind(s: &Situation<'_>, succession: &Succession, cas: &Cas) -> bool {
    let reads = s.observed.intent().is_some();
    !reads && cas.trusts(&succession.ca) && !estranged_signers(s, cas).is_empty()
}

/// Live members that hold the CA's key and could not be asked for anything: this node does
/// not take their certificates, or they do not take its own.
fn estranged_signers(s: &Situation<'_>, cas: &Cas) -> Vec<IpAddr> {
    let signers = s.live_kin().filter(|m| m.ca_key);
    let refuses = |its: &Cas| !cas.trusts(&its.shows) || !its.trusts(&cas.shows);
    let estranged = signers.filter(|m| m.cas.as_ref().is_some_and(refuses));
    estranged.map(|m| m.address).collect()
}

/// A node that nobody told anything, and that cannot ask: it does not take the
/// certificates of those that it would ask. The ring's key is what they have in common.
fn catch_up(s: &Situation<'_>, cas: &Cas, plan: &mut Plan) {
    let via = estranged_signers(s, cas);
    let Some((_, membership)) = s.certified().filter(|_| !via.is_empty()) else { return };
    let cluster = membership.cluster.clone();
    let why = "the others have another CA by now, and this node cannot ask them";
    plan.steps.push(because(Step::Enrol { cluster, via }, why));
}

/// Whoever signs must be able to go on signing.
fn fetch_key(s: &Situation<'_>, succession: &Succession, plan: &mut Plan) {
    let ca = &succession.ca;
    let has = s.live_kin().filter(|m| m.cas.as_ref().is_some_and(|c| c.next.as_ref() == Some(ca)));
    let via: Vec<_> = has.map(|m| m.address).collect();
    if via.is_empty() {
        let until = "a box that has it answers";
        return plan.waits.push(waits("the key of the cluster's new CA", until, "ca-by-record"));
    }
    let why = "this node signs, and has not the key of the cluster's new CA";
    plan.steps.push(because(Step::FetchNextCaKey { ca: ca.clone(), via }, why));
}

/// A certificate of the new CA: one box after another, because each restarts its storage
/// daemon. Of whom does not take this node's certificate any more it is had by an
/// enrolment.
fn certify(s: &Situation<'_>, cas: &Cas, ca: &crate::KeyPrint, plan: &mut Plan) {
    let Some((me, membership)) = s.certified() else { return };
    let behind = |m: &crate::RingMember| m.cas.as_ref().is_some_and(|its| its.shows != *ca);
    let before = s.live_kin().filter(|m| m.id.as_ref() < Some(&me.id)).find(|m| behind(m));
    if let Some(before) = before {
        let until = format!("{} has its own", before.name);
        return plan.waits.push(waits("a certificate of the new CA", until, "one-after-another"));
    }
    let why = "this node's certificate is of the CA before";
    if s.observed.pki.ca_key && !s.observed.clock.cannot_be_right() {
        return plan.steps.push(because(Step::RenewCertificate { via: Vec::new() }, why));
    }
    let signers = || s.live_kin().filter(|m| m.ca_key);
    let takes = |m: &&crate::RingMember| m.cas.as_ref().is_some_and(|its| its.trusts(&cas.shows));
    let via: Vec<_> = signers().filter(takes).map(|m| m.address).collect();
    if !via.is_empty() {
        return plan.steps.push(because(Step::RenewCertificate { via }, why));
    }
    let via: Vec<_> = signers().map(|m| m.address).collect();
    if via.is_empty() {
        let until = "a box that holds the CA's key is seen";
        return plan.waits.push(waits("a certificate of the new CA", until, "ask-only-signers"));
    }
    let cluster = membership.cluster.clone();
    plan.steps.push(because(Step::Enrol { cluster, via }, why));
}

/// The leader moves the record on.
fn advance(s: &Situation<'_>, plan: &mut Plan) {
    let intent = s.observed.intent_as_leader().filter(|_| s.wanted.swarm);
    let Some(intent) = intent else { return };
    let Some(succession) = &intent.ca else { return };
    let (stage, wanted) = match succession.stage {
        RotationStage::Spread => (RotationStage::Use, "certificates of the cluster's new CA"),
        RotationStage::Use => (RotationStage::Only, "the end of the cluster's CA before"),
        RotationStage::Only => return,
    };
    let next = Succession { stage, ..succession.clone() };
    let intent = Intent { ca: Some(next), ..intent.clone() };
    let held_back = behind(s, |m| lacks(m, succession)).or_else(|| away(s)).or_else(|| unrest(s));
    move_on(plan, wanted, intent, held_back.map(|until| (until, RULE)));
}

/// Whoever was away for a moment is waited for as long as it may come back as it was.
fn away(s: &Situation<'_>) -> Option<String> {
    let away = s.kin().find(|m| m.status != crate::MemberStatus::Alive)?;
    let quiet_ms = s.observed.ring.as_ref().map_or(0, |ring| ring.quiet_ms);
    let grace = s.wanted.grace_ms / 1000;
    (quiet_ms < s.wanted.grace_ms)
        .then(|| format!("{} is back, or nobody has come or gone for {grace} s", away.name))
}
