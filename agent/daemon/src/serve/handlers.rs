//! What other agents may ask, and who may ask it. Who a caller is comes from
//! its certificate and its address, never from what it says.

use super::cluster::ClusterApi;
use super::local::refuse;
use ashlar_api::cluster::{
    CaKeyAnswer, CaKeyRequest, CertificateAnswer, CertificateRequest, SwarmJoinAnswer,
    SwarmJoinRequest, SwarmStandingAnswer, SwarmStandingRequest,
};
use ashlar_api::{ApiError, MAX_REQUEST, Refusal, Secret, route};
use ashlar_cluster::{MemberStatus, RingMember};
use ashlar_pki::enrolment::{Challenged, Channel, Hello, Member, Proof};
use ashlar_pki::{ClusterCa, NodeSubject};
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

/// One TLS session of another agent.
pub(super) struct Session {
    api: Arc<ClusterApi>,
    remote: IpAddr,
    peer: Option<NodeSubject>,
    channel: Channel,
    challenged: Mutex<Option<Challenged>>,
}

impl Session {
    pub(super) fn new(
        api: Arc<ClusterApi>,
        remote: IpAddr,
        peer: Option<NodeSubject>,
        channel: Channel,
    ) -> Self {
        Self { api, remote, peer, channel, challenged: Mutex::new(None) }
    }

    /// The caller, who must have shown a node certificate of this cluster.
    fn peer(&self) -> Result<&NodeSubject, ApiError> {
        self.peer.as_ref().ok_or_else(|| {
            ApiError::new(Refusal::Unauthenticated, "this needs a node certificate")
                .hint("enrol first")
        })
    }

    fn authority(&self) -> Result<ClusterCa, ApiError> {
        self.api.trust.authority().map_err(internal)?.ok_or_else(|| {
            ApiError::new(Refusal::AskAnother, "this node does not hold the CA key")
                .hint("ask a member whose ring tag `ca` is `key`")
        })
    }
}

type Asked = State<Arc<Session>>;
type Answer = Result<Response, Refused>;

/// An [`ApiError`] that axum can send.
struct Refused(ApiError);

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        refuse(&self.0)
    }
}

fn internal(error: impl std::fmt::Display) -> ApiError {
    tracing::warn!("cannot serve another agent: {error}");
    // The cause stays in this node's journal; it may name files and keys.
    ApiError::new(Refusal::Internal, "a fault on this node; its journal has the cause")
}

fn bad(error: impl std::fmt::Display) -> ApiError {
    ApiError::new(Refusal::BadRequest, error.to_string())
}

fn json<T: DeserializeOwned>(body: &Bytes) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(bad)
}

/// Every route of the cluster listener.
pub(super) fn router(session: Arc<Session>) -> Router {
    Router::new()
        .route(route::ENROL_HELLO, post(hello))
        .route(route::ENROL_PROOF, post(proof))
        .route(route::CERTIFICATE, post(certificate))
        .route(route::CA_KEY, post(ca_key))
        .route(route::SWARM_JOIN, post(swarm_join))
        .route(route::SWARM_STANDING, post(swarm_standing))
        .fallback(async || refuse(&ApiError::new(Refusal::NotFound, "no such address")))
        .layer(DefaultBodyLimit::max(MAX_REQUEST))
        .with_state(session)
}

fn message(bytes: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, route::ENROL_TYPE)], bytes).into_response()
}

async fn hello(State(session): Asked, body: Bytes) -> Answer {
    let hello = Hello::decode(&body).map_err(bad)?;
    let trust = &session.api.trust;
    // Only a holder of the CA key can finish what begins here.
    let authority = session.authority()?;
    let (challenged, challenge) =
        Member::challenge(trust.ring_key(), &session.channel, authority.certificate(), &hello)
            .map_err(internal)?;
    if let Ok(mut slot) = session.challenged.lock() {
        *slot = Some(challenged);
    }
    Ok(message(challenge.encode().map_err(internal)?))
}

async fn proof(State(session): Asked, body: Bytes) -> Answer {
    let proof = Proof::decode(&body).map_err(bad)?;
    // Taken, not read: a challenge is answered once.
    let challenged = session.challenged.lock().ok().and_then(|mut slot| slot.take());
    let challenged = challenged.ok_or_else(|| bad("a proof needs a hello first"))?;
    let admission = challenged.admit(&proof).map_err(|error| {
        tracing::warn!(peer = %session.remote, "an enrolment is refused: {error}");
        ApiError::new(Refusal::Unauthenticated, error.to_string())
    })?;
    let subject = admission.subject();
    may_enrol(subject, session.remote, &session.api.members.borrow())?;
    tracing::info!(peer = subject.name(), "{} enrols from {}", subject.name(), session.remote);
    let grant = admission.grant(&session.authority()?, Timestamp::now()).map_err(bad)?;
    Ok(message(grant.encode().map_err(internal)?))
}

/// A newcomer has proved the ring key, not its name: it must call from the
/// address that it claims, and nobody else alive may have its name, id or
/// address.
fn may_enrol(
    subject: &NodeSubject,
    remote: IpAddr,
    members: &[RingMember],
) -> Result<(), ApiError> {
    if subject.address() != remote {
        return Err(ApiError::new(
            Refusal::Forbidden,
            format!("{} calls from {remote}, not from {}", subject.name(), subject.address()),
        ));
    }
    let alive = members.iter().filter(|m| m.status == MemberStatus::Alive);
    let other = alive.into_iter().find(|m| {
        let same_id = m.id.as_ref().map(|id| id.0 == subject.id());
        let (name, address) = (m.name == subject.name(), m.address == subject.address());
        let itself = name && address && same_id != Some(false);
        (name || address || same_id == Some(true)) && !itself
    });
    match other {
        None => Ok(()),
        Some(other) => Err(ApiError::new(
            Refusal::Forbidden,
            format!("{} has the name, id or address of {}", other.name, subject.name()),
        )
        .hint("reset one of the two nodes")),
    }
}

async fn certificate(State(session): Asked, body: Bytes) -> Answer {
    let subject = session.peer()?;
    let request: CertificateRequest = json(&body)?;
    let authority = session.authority()?;
    let certificate =
        authority.issue_pem(&request.csr, subject, Timestamp::now()).map_err(bad)?.to_pem();
    tracing::info!(peer = subject.name(), "{} has a new certificate", subject.name());
    Ok(Json(CertificateAnswer { certificate }).into_response())
}

async fn ca_key(State(session): Asked, body: Bytes) -> Answer {
    let subject = session.peer()?;
    let CaKeyRequest {} = json(&body)?;
    let authority = session.authority()?;
    if !session.api.engine.manages(subject.name()).await? {
        return Err(ApiError::new(Refusal::Forbidden, "only managers hold the CA key").into());
    }
    tracing::info!(peer = subject.name(), "{} takes the CA key", subject.name());
    let certificate = authority.certificate().to_pem();
    let key = Secret::new(authority.key().to_vec());
    Ok(Json(CaKeyAnswer { certificate, key }).into_response())
}

async fn swarm_join(State(session): Asked, body: Bytes) -> Answer {
    let subject = session.peer()?;
    let request: SwarmJoinRequest = json(&body)?;
    let api = &session.api;
    let own = api.trust.subject().address();
    let invitation = api.engine.invite(request.role, api.managers, own).await?;
    tracing::info!(peer = subject.name(), "{} joins the Swarm", subject.name());
    let token = Secret::new(invitation.token.as_bytes().to_vec());
    Ok(Json(SwarmJoinAnswer { token, address: invitation.manager }).into_response())
}

async fn swarm_standing(State(session): Asked, body: Bytes) -> Answer {
    let subject = session.peer()?;
    let SwarmStandingRequest {} = json(&body)?;
    let up = session.api.engine.takes_for_up(subject.name()).await?;
    Ok(Json(SwarmStandingAnswer { up }).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ashlar_cluster::NodeId;

    fn subject() -> NodeSubject {
        NodeSubject::new("ab12", "ashlar-ab12", IpAddr::from([10, 83, 0, 1])).unwrap()
    }

    fn member(id: &str, name: &str, last: u8) -> RingMember {
        RingMember {
            id: Some(NodeId(id.into())),
            name: name.into(),
            address: IpAddr::from([10, 83, 0, last]),
            status: MemberStatus::Alive,
            cluster: None,
            storage_open: false,
            ca_key: false,
            swarm: None,
        }
    }

    #[test]
    fn a_newcomer_that_is_itself_in_the_ring_may_enrol() {
        let ring = [member("ab12", "ashlar-ab12", 1), member("cd34", "ashlar-cd34", 2)];
        assert!(may_enrol(&subject(), subject().address(), &ring).is_ok());
        assert!(may_enrol(&subject(), subject().address(), &[]).is_ok());
    }

    #[test]
    fn a_newcomer_that_claims_another_s_name_or_address_is_refused() {
        let other = IpAddr::from([10, 83, 0, 9]);
        assert!(may_enrol(&subject(), other, &[]).is_err(), "another address");
        for taken in [member("ef56", "ashlar-ab12", 9), member("ef56", "ashlar-ef56", 1)] {
            let refused = may_enrol(&subject(), subject().address(), &[taken]).unwrap_err();
            assert_eq!(refused.refusal, Refusal::Forbidden);
        }
    }
}
