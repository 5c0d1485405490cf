//! Membership and certificates: found or enrol once in a life, then renew.

use super::{Joining, because, joining};
use crate::situation::Situation;
use crate::{Planned, Step, SwarmLocal};

pub(super) fn plan(s: &Situation<'_>, steps: &mut Vec<Planned>) {
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

    let pki = &s.observed.pki;
    let signers = s.signers();
    if !(pki.ca && pki.certificate) {
        let why = "this node's certificate is missing or has expired";
        if pki.ca && pki.ca_key {
            steps.push(because(Step::RenewCertificate { via: Vec::new() }, why));
        } else if !signers.is_empty() {
            let cluster = membership.cluster.clone();
            steps.push(because(Step::Enrol { cluster, via: signers }, why));
        }
        return;
    }
    if pki.renewal_due && (pki.ca_key || !signers.is_empty()) {
        let via = if pki.ca_key { Vec::new() } else { signers.clone() };
        let why = "the certificate has passed two thirds of its life";
        steps.push(because(Step::RenewCertificate { via }, why));
    }
    let manages =
        s.observed.swarm.as_ref().is_some_and(|w| w.local == SwarmLocal::Active && w.manager);
    if manages && !pki.ca_key && !signers.is_empty() {
        let why = "every manager holds the CA key, so that no single loss ends the CA";
        steps.push(because(Step::FetchCaKey { via: signers }, why));
    }
}
