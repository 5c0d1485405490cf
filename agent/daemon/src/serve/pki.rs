//! `GET /v1/pki`: what this box knows of the cluster's CA and certificates. The others'
//! are those that they show in a handshake, so nobody is asked for more than that.

use super::local::refuse;
use super::{Decider, node};
use anyhow::Result;
use ashlar_api::{
    ApiError, CaView, CertificateView, ClusterId, MemberCertificate, PkiStatus, Refusal, Tenure,
    route,
};
use ashlar_cluster::{MemberStatus, Roster, RosterBox};
use ashlar_pki::{CaCertificate, NodeCertificate};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::sync::watch;

type Asked = watch::Receiver<Option<Decider>>;

/// The route of the local socket.
pub(super) fn router(decider: Asked) -> Router {
    Router::new().route(route::PKI, get(answer)).with_state(decider)
}

async fn answer(State(decider): State<Asked>) -> Response {
    let decider = match node::decider(&decider) {
        Ok(decider) => decider,
        Err(error) => return refuse(&error),
    };
    match status(&decider).await {
        Ok(status) => Json(status).into_response(),
        Err(error) => refuse(&ApiError::new(Refusal::Internal, format!("{error:#}"))),
    }
}

async fn status(decider: &Decider) -> Result<PkiStatus> {
    let (trust, seen) = (&decider.trust, decider.seen.borrow().clone());
    let now = Timestamp::now();
    let own = trust.subject().id();
    let ca = trust.store().ca()?;
    let others = Roster::of(&seen).boxes.into_iter().filter(|b| b.id.0 != own);
    let alive = |b: &RosterBox| {
        let mut members = seen.ring.iter().flat_map(|ring| &ring.members);
        members.any(|m| m.id.as_ref() == Some(&b.id) && m.status == MemberStatus::Alive)
    };
    let told = others.map(async |b| {
        let struck_off = b.tenure == Tenure::Retired;
        let shown = match (alive(&b), struck_off) {
            (true, false) => trust.shown_by(b.address).await.map_err(|error| format!("{error:#}")),
            (true, true) => Err("it lost its place, and is not called".into()),
            (false, _) => Err("it is not alive in the ring".into()),
        };
        MemberCertificate {
            ca_key: b.ca_key && !struck_off,
            struck_off,
            unknown: shown.as_ref().err().cloned(),
            certificate: shown.ok().map(|certificate| view(&certificate, now)),
            name: b.name,
            address: b.address,
        }
    });
    let members = join_all(told).await;
    Ok(PkiStatus {
        cluster: ca.as_ref().map(|ca| ClusterId(ca.cluster().to_owned())),
        authorities: ca.iter().map(authority).collect(),
        key_here: seen.pki.ca_key,
        own: trust.store().credentials()?.map(|c| view(&c.certificate, now)),
        members,
        struck_off: trust.struck_off()?.len(),
    })
}

fn authority(ca: &CaCertificate) -> CaView {
    CaView {
        fingerprint: ca.fingerprint(),
        not_before: ca.not_before().to_string(),
        not_after: ca.not_after().to_string(),
    }
}

fn view(certificate: &NodeCertificate, now: Timestamp) -> CertificateView {
    CertificateView {
        serial: certificate.serial().to_owned(),
        not_before: certificate.not_before().to_string(),
        not_after: certificate.not_after().to_string(),
        renewal: certificate.renewal().to_string(),
        renewal_due: certificate.renewal_due(now),
    }
}
