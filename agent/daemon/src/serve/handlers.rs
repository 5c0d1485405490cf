//! What other agents may ask, and who may ask it. Who a caller is comes from
//! its certificate and its address, never from what it says.

use super::cluster::ClusterApi;
use super::local::refuse;
use super::revoked::taken;
use super::{merging, site_reset};
use crate::swarm::seat;
use crate::trust::print;
use ashlar_api::cluster::{
    CaKeyAnswer, CaKeyRequest, CertificateAnswer, CertificateRequest, CopiesAnswer, CopiesRequest,
    Look, PlacesAnswer, PlacesRequest, RingKeyAnswer, RingKeyRequest, SeatRequest,
    SuccessorRequest, SwarmJoinAnswer, SwarmJoinRequest, SwarmStandingAnswer, SwarmStandingRequest,
};
use ashlar_api::{
    ApiError, BoxMergeAnswer, BoxMergeRequest, BoxResetRequest, Decision, MAX_REQUEST, NodeRequest,
    PkiRequest, Refusal, RevokedRequest, RingRequest, RingVerb, Secret, route,
};
use ashlar_cluster::{
    Caller, ClusterId, NodeId, NotServed, RingMember, current_succession, gives_seat,
    may_be_served, may_enrol, may_have_ring_key, may_hold_ca_key, may_pass_on,
};
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
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

/// One TLS session of another agent.
pub(super) struct Session {
    api: Arc<ClusterApi>,
    remote: IpAddr,
    peer: Option<NodeSubject>,
    channel: Channel,
    enrolment: Mutex<Enrolment>,
}

/// How far an enrolment in this session has come.
enum Enrolment {
    /// No hello was said.
    Awaited,
    /// A hello was answered.
    Challenged(Box<Challenged>),
    /// A proof was taken; there is no second one.
    Over,
}

impl Session {
    pub(super) fn new(
        api: Arc<ClusterApi>,
        remote: IpAddr,
        peer: Option<NodeSubject>,
        channel: Channel,
    ) -> Self {
        Self { api, remote, peer, channel, enrolment: Mutex::new(Enrolment::Awaited) }
    }

    /// The caller, who must have shown a node certificate of this cluster.
    fn peer(&self) -> Result<&NodeSubject, ApiError> {
        self.peer.as_ref().ok_or_else(|| {
            ApiError::new(Refusal::Unauthenticated, "this needs a node certificate")
                .hint("enrol first")
        })
    }

    /// The caller as the cluster's rules see it.
    fn caller<'a>(&self, subject: &'a NodeSubject, struck_off: &BTreeSet<NodeId>) -> Caller<'a> {
        Caller {
            id: subject.id(),
            name: subject.name(),
            address: subject.address(),
            from: self.remote,
            struck_off: struck_off.contains(&NodeId(subject.id().to_owned())),
        }
    }

    /// The caller, if a rule lets it have what it asks: its certificate alone is
    /// not enough, because it outlives its owner's place in the cluster.
    fn member(
        &self,
        rule: fn(&Caller<'_>, &[RingMember], &ClusterId) -> Result<(), NotServed>,
    ) -> Result<&NodeSubject, ApiError> {
        let subject = self.peer()?;
        self.judge(subject, rule)?;
        Ok(subject)
    }

    /// The caller, if a person's decision about other boxes counts that it passes on. What
    /// only asks, or concerns nobody but itself, counts from every member.
    fn passes_on(&self, harmless: bool) -> Result<&NodeSubject, ApiError> {
        if harmless {
            return self.member(may_be_served);
        }
        let subject = self.peer()?;
        let seen = self.api.decider.seen.borrow().clone();
        let seats = seen.swarm.as_ref().map_or(&[][..], |swarm| &swarm.nodes);
        self.judge(subject, |caller, members, cluster| {
            may_pass_on(caller, members, cluster, seats)
        })?;
        Ok(subject)
    }

    /// Whether a rule lets this caller have what it asks.
    fn judge(
        &self,
        subject: &NodeSubject,
        rule: impl Fn(&Caller<'_>, &[RingMember], &ClusterId) -> Result<(), NotServed>,
    ) -> Result<(), ApiError> {
        let ca = self.api.trust.store().ca().map_err(internal)?;
        let cluster = ClusterId(ca.ok_or_else(|| internal("no CA"))?.cluster().to_owned());
        // Who was struck off may be there still: it counts for nothing.
        let struck_off = self.api.trust.struck_off().map_err(internal)?;
        let caller = self.caller(subject, &struck_off);
        let mut members = self.api.members.borrow().clone();
        members.retain(|m| m.id.as_ref().is_none_or(|id| !struck_off.contains(id)));
        rule(&caller, &members, &cluster).map_err(|why| self.refused(subject, why))
    }

    fn refused(&self, subject: &NodeSubject, why: NotServed) -> ApiError {
        tracing::info!("another agent is refused: {why}");
        let id = NodeId(subject.id().to_owned());
        let refusal = match why {
            NotServed::StruckOff { .. } => match self.api.trust.taken_out() {
                Ok(out) if out.contains(&id) => Refusal::TakenOut,
                Ok(_) => Refusal::Retired,
                Err(error) => return internal(error),
            },
            _ => Refusal::Forbidden,
        };
        ApiError::new(refusal, why.to_string())
    }

    /// Does something with the CA's key, off the thread that the loop runs on.
    async fn sign<T: Send + 'static>(
        &self,
        work: impl FnOnce(&ClusterCa, Timestamp) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let trust = self.api.trust.clone();
        let work = tokio::task::spawn_blocking(move || {
            let authority = trust.authority().map_err(internal)?.ok_or_else(no_key)?;
            // Another member may have the right time.
            let now = trust.now().map_err(|error| {
                ApiError::new(Refusal::AskAnother, error.to_string()).hint("set its clock")
            })?;
            work(&authority, now)
        });
        work.await.map_err(internal)?
    }
}

fn no_key() -> ApiError {
    ApiError::new(Refusal::AskAnother, "this node does not hold the CA key")
        .hint("ask a member whose ring tag `ca` is `key`")
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
        .route(route::CA_SUCCESSOR, post(successor))
        .route(route::PKI, post(pki))
        .route(route::SWARM_JOIN, post(swarm_join))
        .route(route::SWARM_STANDING, post(swarm_standing))
        .route(route::PLACES, post(places))
        .route(route::LOOK, post(look))
        .route(route::COPIES, post(copies))
        .route(route::SEAT, post(seat))
        .route(route::NODE, post(node))
        .route(route::RING, post(ring))
        .route(route::RING_KEY, post(ring_key))
        .route(route::BOX_RESET, post(reset))
        .route(route::BOX_MERGE, post(merge))
        .route(route::REVOKED, post(revoked))
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
    if !trust.signs() {
        return Err(no_key().into());
    }
    let store = trust.store();
    let bundle = store.bundle().map_err(internal)?.ok_or_else(no_key)?;
    let said = store.endorsement().map_err(internal)?;
    let key = trust.ring_key().map_err(internal)?;
    let (challenged, challenge) =
        Member::challenge(&key, &session.channel, &bundle, said.as_ref(), &hello)
            .map_err(internal)?;
    let mut slot = session.enrolment.lock().map_err(internal)?;
    if !matches!(*slot, Enrolment::Awaited) {
        return Err(bad("a session carries one hello").into());
    }
    *slot = Enrolment::Challenged(Box::new(challenged));
    Ok(message(challenge.encode().map_err(internal)?))
}

async fn proof(State(session): Asked, body: Bytes) -> Answer {
    let proof = Proof::decode(&body).map_err(bad)?;
    // Taken, not read: a challenge is answered once.
    let slot = session.enrolment.lock().ok();
    let taken = slot.map(|mut slot| std::mem::replace(&mut *slot, Enrolment::Over));
    let Some(Enrolment::Challenged(challenged)) = taken else {
        return Err(bad("a proof needs a hello first").into());
    };
    let admission = challenged.admit(&proof).map_err(|error| {
        tracing::warn!(peer = %session.remote, "an enrolment is refused: {error}");
        ApiError::new(Refusal::Unauthenticated, error.to_string())
    })?;
    let subject = admission.subject();
    let struck_off = session.api.trust.struck_off().map_err(internal)?;
    let caller = session.caller(subject, &struck_off);
    let ca = session.api.trust.store().ca().map_err(internal)?.ok_or_else(no_key)?;
    let cluster = ClusterId(ca.cluster().to_owned());
    may_enrol(&caller, &session.api.members.borrow(), &cluster)
        .map_err(|why| session.refused(subject, why))?;
    tracing::info!(peer = subject.name(), "{} enrols from {}", subject.name(), session.remote);
    let grant = session.sign(|ca, now| admission.grant(ca, now).map_err(bad)).await?;
    Ok(message(grant.encode().map_err(internal)?))
}

async fn certificate(State(session): Asked, body: Bytes) -> Answer {
    let subject = session.member(may_be_served)?.clone();
    let request: CertificateRequest = json(&body)?;
    let name = subject.name().to_owned();
    let issue = move |ca: &ClusterCa, now| ca.issue_pem(&request.csr, &subject, now).map_err(bad);
    let certificate = session.sign(issue).await?.to_pem();
    tracing::info!(peer = name, "{name} has a new certificate");
    Ok(Json(CertificateAnswer { certificate }).into_response())
}

async fn ca_key(State(session): Asked, body: Bytes) -> Answer {
    let subject = session.member(may_hold_ca_key)?;
    let CaKeyRequest { next } = json(&body)?;
    let parts = |ca: &ClusterCa| (ca.certificate().to_pem(), Secret::new(ca.key().to_vec()));
    let (certificate, key) = match next {
        None => session.sign(move |ca, _| Ok(parts(ca))).await?,
        Some(next) => {
            let here = session.api.trust.next_authority().map_err(internal)?;
            let here = here.filter(|here| print(here.certificate()) == next);
            parts(&here.ok_or_else(no_key)?)
        }
    };
    tracing::info!(peer = subject.name(), "{} takes the CA key", subject.name());
    Ok(Json(CaKeyAnswer { certificate, key }).into_response())
}

/// Inert until the record names it, which only who leads can have.
async fn successor(State(session): Asked, body: Bytes) -> Answer {
    let subject = session.passes_on(false)?;
    let SuccessorRequest {} = json(&body)?;
    let trust = session.api.trust.clone();
    let told = current_succession(&session.api.decider.seen.borrow()).cloned();
    if let Some(ca) = trust.under_way(told.as_ref()).map_err(internal)? {
        let why = format!("the CA {} is on its way already, and its key is here", ca.0);
        return Err(ApiError::new(Refusal::NotReady, why).hint("ashlarctl pki status").into());
    }
    let mint = tokio::task::spawn_blocking(move || trust.mint_successor());
    let minted = mint.await.map_err(internal)?.map_err(internal)?.ok_or_else(no_key)?;
    tracing::info!(
        peer = subject.name(),
        "a CA that is to follow is minted for {}",
        subject.name()
    );
    Ok(Json(minted).into_response())
}

async fn pki(State(session): Asked, body: Bytes) -> Answer {
    let request: PkiRequest = json(&body)?;
    let subject = session.passes_on(request.dry_run)?;
    let answer = session.api.decider.ca_here(request).await?;
    if answer.decided {
        tracing::info!(peer = subject.name(), "{} passes a decision on", subject.name());
    }
    Ok(Json(answer).into_response())
}

async fn swarm_join(State(session): Asked, body: Bytes) -> Answer {
    let subject = session.member(may_be_served)?;
    let request: SwarmJoinRequest = json(&body)?;
    let api = &session.api;
    let own = api.trust.subject().address();
    let most = api.decider.wanted.managers;
    let invitation = api.engine.invite(request.role, most, own).await?;
    tracing::info!(peer = subject.name(), "{} joins the Swarm", subject.name());
    let token = Secret::new(invitation.token.as_bytes().to_vec());
    Ok(Json(SwarmJoinAnswer { token, address: invitation.manager }).into_response())
}

async fn swarm_standing(State(session): Asked, body: Bytes) -> Answer {
    let subject = session.member(may_be_served)?;
    let SwarmStandingRequest {} = json(&body)?;
    let up = session.api.engine.takes_for_up(subject.name()).await?;
    Ok(Json(SwarmStandingAnswer { up }).into_response())
}

/// Whoever had a place may hear that it has none.
async fn places(State(session): Asked, body: Bytes) -> Answer {
    session.peer()?;
    let PlacesRequest {} = json(&body)?;
    let trust = &session.api.trust;
    let seen = session.api.decider.seen.borrow().clone();
    let record = seen.intent();
    let leaving = record.into_iter().flat_map(|intent| &intent.boxes);
    let ids = |nodes: BTreeSet<NodeId>| nodes.into_iter().map(|id| id.0).collect();
    let answer = PlacesAnswer {
        retired: ids(trust.struck_off().map_err(internal)?),
        removed: ids(trust.taken_out().map_err(internal)?),
        leaving: leaving.filter(|(_, known)| known.remove).map(|(id, _)| id.0.clone()).collect(),
        by_record: record.is_some(),
        rotation: record.and_then(|intent| intent.ring.clone()),
        succession: record.and_then(|intent| intent.ca.clone()),
    };
    Ok(Json(answer).into_response())
}

/// Not believed, only looked into: who says so may have lost its own place since.
async fn look(State(session): Asked, body: Bytes) -> Answer {
    session.member(may_be_served)?;
    let answer: Look = json(&body)?;
    session.api.trust.note_news();
    session.api.decider.wake.notify_one();
    Ok(Json(answer).into_response())
}

/// Whoever may have this asked for typed the site's name at another box of it.
async fn reset(State(session): Asked, body: Bytes) -> Answer {
    let request: BoxResetRequest = json(&body)?;
    let subject = session.passes_on(request.dry_run)?;
    let answer = site_reset::of_this_box(&session.api.decider, &request)?;
    if answer.begun {
        tracing::warn!(peer = subject.name(), "{} resets the whole site", subject.name());
    }
    Ok(Json(answer).into_response())
}

/// Whoever passes this on typed the site's name at another box of this cluster.
async fn merge(State(session): Asked, body: Bytes) -> Answer {
    let request: BoxMergeRequest = json(&body)?;
    let subject = session.passes_on(false)?;
    merging::of_this_box(&session.api.decider, &request)?;
    tracing::warn!(peer = subject.name(), "{} lets this cluster dissolve", subject.name());
    Ok(Json(BoxMergeAnswer {}).into_response())
}

async fn node(State(session): Asked, body: Bytes) -> Answer {
    let request: NodeRequest = json(&body)?;
    let goes = matches!(request.decision, Decision::Remove | Decision::Revoke);
    let itself = goes && session.peer()?.name() == request.name;
    let subject = session.passes_on(request.dry_run || itself)?;
    let answer = session.api.decider.here(&request).await?;
    if answer.decided {
        tracing::info!(peer = subject.name(), "{} passes a decision on", subject.name());
    }
    Ok(Json(answer).into_response())
}

async fn ring(State(session): Asked, body: Bytes) -> Answer {
    let request: RingRequest = json(&body)?;
    let subject = session.passes_on(request.dry_run || request.verb != RingVerb::Rotate)?;
    let answer = session.api.decider.ring_here(request).await?;
    if answer.decided {
        tracing::info!(peer = subject.name(), "{} passes a decision on", subject.name());
    }
    Ok(Json(answer).into_response())
}

/// Nobody is given a key that the ring does not come to: the record says which one that
/// is, where it can be read.
async fn ring_key(State(session): Asked, body: Bytes) -> Answer {
    let RingKeyRequest { key } = json(&body)?;
    let seen = session.api.decider.seen.borrow().clone();
    let record = seen.intent();
    let subject = session.peer()?;
    session.judge(subject, |caller, members, cluster| {
        may_have_ring_key(caller, members, cluster, record)
    })?;
    let other = record.is_some_and(|intent| intent.ring.as_ref().is_none_or(|r| r.key != key));
    let given = session.api.trust.ring_key_called(&key).map_err(internal)?;
    let given = given.filter(|_| !other).ok_or_else(|| {
        ApiError::new(Refusal::AskAnother, "this node does not have that ring key")
    })?;
    tracing::info!(peer = subject.name(), "{} takes the ring's new key", subject.name());
    Ok(Json(RingKeyAnswer { key: Secret::new(given.to_vec()) }).into_response())
}

async fn revoked(State(session): Asked, body: Bytes) -> Answer {
    session.member(may_be_served)?;
    let request: RevokedRequest = json(&body)?;
    Ok(Json(taken(session.api.people.as_deref(), &request)?).into_response())
}

/// What the Swarm knows, secrets and all: to the second of two boxes, and nobody else.
async fn seat(State(session): Asked, body: Bytes) -> Answer {
    let subject = session.member(may_be_served)?;
    let request: SeatRequest = json(&body)?;
    let decider = &session.api.decider;
    let seen = decider.seen.borrow().clone();
    if !gives_seat(&seen, &decider.wanted, subject.address()) {
        let words = "this box keeps no seat for that one";
        return Err(ApiError::new(Refusal::AskAnother, words).into());
    }
    let paths = decider.paths.clone();
    let given = tokio::task::spawn_blocking(move || seat::give(&paths, &request));
    let given = given.await.map_err(internal)?;
    Ok(Json(given.map_err(|error| internal(format!("{error:#}")))?).into_response())
}

async fn copies(State(session): Asked, body: Bytes) -> Answer {
    session.member(may_be_served)?;
    let CopiesRequest {} = json(&body)?;
    let trust = session.api.trust.clone();
    let look = tokio::task::spawn_blocking(move || trust.lacking());
    let lacking = look.await.map_err(internal)?.map_err(|error| {
        ApiError::new(Refusal::NotReady, format!("{error:#}")).hint("ask again later")
    })?;
    Ok(Json(CopiesAnswer { lacking }).into_response())
}
