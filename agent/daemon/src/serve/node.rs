//! `POST /v1/node`: a person takes a box out of the cluster, strikes it off, or keeps it. Decided by
//! the leader alone, on what it sees, and written by compare-and-swap: whatever
//! changes meanwhile refuses it. `POST /v1/rejoin` lets a box in that is out.

use super::local::refuse;
use super::said::Said;
use crate::paths::Paths;
use crate::people;
use crate::presence::Peer;
use crate::state;
use crate::swarm::{Engine, Swarm};
use crate::trust::Trust;
use ashlar_api::{
    ApiError, ClientError, Decision, NodeAnswer, NodeRequest, Refusal, RejoinAnswer, RejoinRequest,
    Status, route,
};
use ashlar_cluster::{Intent, MemberStatus, Observed, SwarmRole, Wanted, decide};
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::{Serialize, de::DeserializeOwned};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::{Notify, watch};

/// What deciding takes; there once the node has an identity.
#[derive(Clone)]
pub(crate) struct Decider {
    pub(crate) trust: Arc<Trust>,
    pub(crate) engine: Engine,
    pub(crate) wanted: Wanted,
    /// What the loop saw last.
    pub(crate) seen: watch::Receiver<Arc<Observed>>,
    pub(crate) wake: Arc<Notify>,
    /// Where this node stands.
    pub(crate) status: watch::Receiver<Status>,
    /// Its files.
    pub(crate) paths: Paths,
}

impl Decider {
    /// What is seen now, with the version of the record; refused unless this node leads.
    pub(super) async fn as_leader(&self) -> Result<(Observed, Option<u64>), ApiError> {
        let not_here = |why: String| ApiError::new(Refusal::AskAnother, why);
        let mut seen = Observed::clone(&*self.seen.borrow());
        if !seen.swarm.as_ref().is_some_and(|swarm| swarm.manager) {
            return Err(not_here("this node does not manage the Swarm".into()));
        }
        // The record as it is now: the last look may be some seconds old.
        let now = self.engine.observe().await.map_err(|error| not_here(format!("{error:#}")))?;
        if !now.leader {
            return Err(not_here("this node does not lead the cluster".into()));
        }
        let index = now.index;
        seen.swarm = Some(now);
        Ok((seen, index))
    }

    /// Writes the record, if it is still the one that was decided on.
    pub(super) async fn write(&self, intent: &Intent, index: Option<u64>) -> Result<(), ApiError> {
        let written = self.engine.write_record(intent, index).await;
        written.map_err(|error| {
            ApiError::new(Refusal::NotReady, format!("{error:#}")).hint("ask again")
        })
    }

    /// The other live managers of the Swarm.
    fn managers(&self) -> Vec<IpAddr> {
        let seen = self.seen.borrow();
        let members = seen.ring.iter().flat_map(|ring| &ring.members);
        let cluster = seen.membership.as_ref().map(|m| &m.cluster);
        let own = seen.identity.as_ref().map(|me| me.address);
        members
            .filter(|m| m.status == MemberStatus::Alive && m.cluster.as_ref() == cluster)
            .filter(|m| m.swarm == Some(SwarmRole::Manager) && Some(m.address) != own)
            .map(|m| m.address)
            .collect()
    }

    /// Decides here, if this node leads.
    pub(super) async fn here(&self, request: &NodeRequest) -> Result<NodeAnswer, ApiError> {
        let (seen, index) = self.as_leader().await?;
        let NodeRequest { name, decision, dry_run, typed } = request;
        let (mut target, next) = decide(&seen, &self.wanted, name, *decision);
        if !dry_run && typed.as_ref() != Some(name) && target.refused.is_none() {
            target.refused = target.unless_typed.clone();
        }
        let accepted = target.refused.is_none() && !dry_run;
        if let Some(intent) = next.filter(|_| accepted) {
            self.write(&intent, index).await?;
            let what = match decision {
                Decision::Remove => "is to be taken out",
                Decision::Keep => "is kept",
                Decision::Revoke => "is struck off",
            };
            tracing::warn!("a person decides: {name} {what}");
            self.wake.notify_one();
            if *decision == Decision::Revoke {
                self.tell_everybody(&seen);
            }
        }
        Ok(NodeAnswer { target, decided: accepted })
    }

    /// Lets every other box look now who has a place, and not at its next turn.
    fn tell_everybody(&self, seen: &Observed) {
        let members = seen.ring.as_ref().map_or(&[][..], |ring| &ring.members);
        for (name, address) in people::kin(members, &self.trust) {
            let trust = self.trust.clone();
            tokio::spawn(async move {
                if let Err(error) = trust.let_look(address).await {
                    tracing::info!("{name} hears later who was struck off: {error:#}");
                }
            });
        }
    }

    /// Decides here, or passes it on to whoever leads.
    async fn anywhere(&self, request: &NodeRequest) -> Result<NodeAnswer, ApiError> {
        self.or_whoever_leads(self.here(request).await, route::NODE, request).await
    }

    /// What was decided here, or what whoever leads makes of the same request.
    pub(super) async fn or_whoever_leads<Q: Serialize + Sync, A: DeserializeOwned>(
        &self,
        here: Result<A, ApiError>,
        route: &str,
        request: &Q,
    ) -> Result<A, ApiError> {
        match here {
            Err(error) if error.refusal == Refusal::AskAnother => {}
            answer => return answer,
        }
        self.trust.decide(&self.managers(), route, request).await.map_err(|error| {
            // Whoever leads answered, and takes no such word from this box.
            if let Some(ClientError::Refused(refused)) = error.downcast_ref()
                && refused.refusal == Refusal::Forbidden
            {
                return refused.clone();
            }
            ApiError::new(Refusal::NotReady, format!("nobody leads the cluster: {error:#}"))
                .hint("`ashlarctl status` says what it lacks")
        })
    }
}

/// What decides, once this box belongs to a cluster.
pub(super) fn decider(asked: &watch::Receiver<Option<Decider>>) -> Result<Decider, ApiError> {
    let decider = asked.borrow().clone();
    decider.ok_or_else(|| ApiError::new(Refusal::NotReady, "this box belongs to no cluster yet"))
}

type Asked = (watch::Receiver<Option<Decider>>, Paths);

/// The routes of the local socket.
pub(super) fn router(decider: watch::Receiver<Option<Decider>>, paths: Paths) -> Router {
    Router::new()
        .route(route::NODE, post(node))
        .route(route::REJOIN, post(rejoin))
        .layer(DefaultBodyLimit::max(ashlar_api::MAX_REQUEST))
        .with_state((decider, paths))
}

async fn node(
    ConnectInfo(peer): ConnectInfo<Peer>,
    State((decider, _)): State<Asked>,
    Said(request): Said<NodeRequest>,
) -> Response {
    let may = peer.must_be_root("take a box out of the cluster, strike it off, or keep it");
    if let Some(error) = may.err().filter(|_| !request.dry_run) {
        return refuse(&error);
    }
    let answer = async { self::decider(&decider)?.anywhere(&request).await };
    match answer.await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => refuse(&error),
    }
}

async fn rejoin(
    ConnectInfo(peer): ConnectInfo<Peer>,
    State((_, paths)): State<Asked>,
    Said(RejoinRequest {}): Said<RejoinRequest>,
) -> Response {
    if let Err(error) = peer.must_be_root("let this box in again") {
        return refuse(&error);
    }
    let rejoins = paths.out().exists();
    if let Err(error) = state::remove(&paths.out()) {
        tracing::error!("this box cannot be let in again: {error:#}");
        return refuse(&ApiError::new(Refusal::Internal, format!("{error:#}")));
    }
    Json(RejoinAnswer { rejoins }).into_response()
}
