//! `GET /v1/pki`: what this box knows of the cluster's CA and certificates. The others'
//! are those that they show in a handshake, so nobody is asked for more than that. `POST`:
//! another CA, decided by the leader as in `node.rs`.

use super::local::refuse;
use super::said::Said;
use super::{Decider, node};
use crate::presence::Peer;
use anyhow::Result;
use ashlar_api::{
    ApiError, CaView, CertificateView, ClusterId, MemberCertificate, PkiAnswer, PkiRequest,
    PkiStatus, Refusal, Tenure, route,
};
use ashlar_cluster::{
    MemberStatus, Observed, Roster, RosterBox, Successor, boxes_and_cas, current_succession,
    succeed,
};
use ashlar_pki::{CaCertificate, NodeCertificate};
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::sync::watch;

type Asked = watch::Receiver<Option<Decider>>;

/// The route of the local socket.
pub(super) fn router(decider: Asked) -> Router {
    Router::new()
        .route(route::PKI, get(answer).post(ask))
        .layer(DefaultBodyLimit::max(ashlar_api::MAX_REQUEST))
        .with_state(decider)
}

impl Decider {
    /// Decides about the cluster's CA here, if this node leads. The new one is minted, and
    /// kept by whoever minted it, before the record names it; a dry run mints none.
    pub(super) async fn ca_here(&self, request: PkiRequest) -> Result<PkiAnswer, ApiError> {
        let (seen, index) = self.as_leader().await?;
        let (target, _) = succeed(&seen, &self.wanted, &Successor::default());
        let mut answer = PkiAnswer { target, decided: false };
        if request.dry_run || answer.target.refused.is_some() {
            return Ok(answer);
        }
        let minted = self.successor(&seen).await.map_err(|error| {
            tracing::error!("no CA can be minted: {error:#}");
            ApiError::new(Refusal::NotReady, format!("no CA can be minted: {error:#}"))
        })?;
        let (target, next) = succeed(&seen, &self.wanted, &minted);
        answer.target = target;
        let Some(intent) = next else { return Ok(answer) };
        self.write(&intent, index).await?;
        answer.decided = true;
        tracing::warn!("a person decides: the cluster's CA is replaced");
        self.wake.notify_one();
        Ok(answer)
    }

    async fn successor(&self, seen: &Observed) -> Result<Successor> {
        let trust = self.trust.clone();
        if let Some(minted) = tokio::task::spawn_blocking(move || trust.mint_successor()).await?? {
            return Ok(minted);
        }
        let cluster = seen.membership.as_ref().map(|own| &own.cluster);
        let members = seen.ring.iter().flat_map(|ring| &ring.members);
        let signs = members.filter(|m| {
            m.status == MemberStatus::Alive && m.ca_key && m.cluster.as_ref() == cluster
        });
        self.trust.successor_from(&signs.map(|m| m.address).collect::<Vec<_>>()).await
    }
}

async fn ask(
    ConnectInfo(peer): ConnectInfo<Peer>,
    State(asked): State<Asked>,
    Said(request): Said<PkiRequest>,
) -> Response {
    let may = peer.must_be_root("replace the cluster's CA").err().filter(|_| !request.dry_run);
    let answer = async {
        may.map_or(Ok(()), Err)?;
        let decider = node::decider(&asked)?;
        decider.or_whoever_leads(decider.ca_here(request).await, route::PKI, &request).await
    };
    let answer: Result<PkiAnswer, ApiError> = answer.await;
    answer.map_or_else(|error| refuse(&error), |answer| Json(answer).into_response())
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
    let bundle = trust.store().bundle()?;
    let credentials = trust.store().credentials()?;
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
        cluster: bundle.as_ref().map(|all| ClusterId(all.first().cluster().to_owned())),
        authorities: bundle.iter().flat_map(|all| all.iter()).map(authority).collect(),
        key_here: seen.pki.ca_key,
        own: credentials.map(|c| view(&c.certificate, now)),
        members,
        succession: current_succession(&seen).cloned(),
        boxes: boxes_and_cas(&seen, &decider.wanted),
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
