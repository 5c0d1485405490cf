//! Membership and certificates: found or enrol once in a life, then renew, and
//! keep the CA's key on as many nodes as the cluster can lose.

use super::{Joining, because, joining};
use crate::situation::Situation;
use crate::trust::KEY_COPIES;
use crate::{MemberStatus, Planned, RingMember, Step};
use std::collections::BTreeSet;

pub(super) fn plan(s: &Situation<'_>, steps: &mut Vec<Planned>) {
    let pki = &s.observed.pki;
    if pki.ring_key_changed {
        let why = "the ring's key was changed, and new nodes come with the new one";
        steps.push(because(Step::AdoptRingKey, why));
    }
    let Some(membership) = &s.observed.membership else {
        match joining(s) {
            Joining::Found => {
                let why = "no cluster is there and this is the first of the nodes present";
                steps.push(because(Step::Found, why));
            }
            Joining::Enrol { cluster, via } => {
                let why = format!("cluster {cluster} is there and this node belongs to none");
                steps.push(because(Step::Enrol { cluster, via }, why));
            }
            Joining::Wait(_) => {}
        }
        return;
    };

    let signers = s.signers();
    // A clock that cannot be right signs nothing: others can.
    let signs_here = pki.ca_key && !s.observed.clock.cannot_be_right();
    if !(pki.ca && pki.certificate) {
        let why = "this node's certificate is missing or has expired";
        if pki.ca && signs_here {
            steps.push(because(Step::RenewCertificate { via: Vec::new() }, why));
        } else if !signers.is_empty() {
            let cluster = membership.cluster.clone();
            steps.push(because(Step::Enrol { cluster, via: signers }, why));
        }
        return;
    }
    if pki.renewal_due && (signs_here || !signers.is_empty()) {
        let via = if signs_here { Vec::new() } else { signers };
        let why = "the certificate has passed two thirds of its life";
        steps.push(because(Step::RenewCertificate { via }, why));
    }
    steps.extend(spread_ca_key(s));
}

/// The CA's key is on [`KEY_COPIES`] nodes, or on all of a smaller cluster,
/// whatever else they do, and on no other. Those that have it keep it; of the
/// others the ones with the smallest ids fetch what is missing.
fn spread_ca_key(s: &Situation<'_>) -> Option<Planned> {
    let me = s.own_entry()?;
    let ring = s.observed.ring.as_ref()?;
    // One that is away for a moment comes back with its copy.
    let away = ring.quiet_ms < s.wanted.grace_ms;
    let holds = |m: &&RingMember| m.ca_key && (m.status == MemberStatus::Alive || away);
    let smaller = |m: &&RingMember| m.id < me.id;
    if s.observed.pki.ca_key {
        let others = s.live_kin().filter(|m| m.ca_key).filter(smaller);
        let at: BTreeSet<_> = others.map(|m| m.address).collect();
        let via: Vec<_> = at.into_iter().take(KEY_COPIES).collect();
        let why = "enough other nodes hold the CA key";
        return (via.len() == KEY_COPIES).then(|| because(Step::DropCaKey { via }, why));
    }
    let copies = (1 + s.kin().count()).min(KEY_COPIES);
    let missing = copies.saturating_sub(s.kin().filter(holds).count());
    let first = s.live_kin().filter(|m| !m.ca_key).filter(smaller).count();
    let via = s.signers();
    let why = "as many nodes hold the CA key as the cluster may lose";
    (first < missing && !via.is_empty()).then(|| because(Step::FetchCaKey { via }, why))
}
