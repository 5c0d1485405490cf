//! `POST /v1/merge`: a person lets this box's cluster dissolve into another one of its
//! site. Each box of the cluster writes that down, this one last, so that whoever asked can
//! ask again while one of them did not. No leader is needed: one may be what is missing.

use super::local::refuse;
use super::said::Said;
use super::{Decider, node};
use crate::people;
use crate::presence::Peer;
use crate::yielding;
use ashlar_api::{ApiError, BoxMergeRequest, MergeAnswer, MergeBox, MergeRequest, Refusal, route};
use ashlar_cluster::{Merging, Observed, Yielding, merging};
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// How long one box may take to answer.
const PATIENCE: Duration = Duration::from_secs(8);

pub(super) fn router(decider: watch::Receiver<Option<Decider>>) -> Router {
    Router::new()
        .route(route::MERGE, post(answer))
        .layer(DefaultBodyLimit::max(ashlar_api::MAX_REQUEST))
        .with_state(decider)
}

async fn answer(
    ConnectInfo(peer): ConnectInfo<Peer>,
    State(decider): State<watch::Receiver<Option<Decider>>>,
    Said(request): Said<MergeRequest>,
) -> Response {
    let may = peer.must_be_root("let a cluster dissolve into another one");
    if let Some(error) = may.err().filter(|_| !request.dry_run) {
        return refuse(&error);
    }
    let answer = async { node::decider(&decider)?.merge(&request).await };
    match answer.await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => refuse(&error),
    }
}

impl Decider {
    async fn merge(&self, request: &MergeRequest) -> Result<MergeAnswer, ApiError> {
        let seen = Observed::clone(&*self.seen.borrow());
        let target = merging(&seen, &self.wanted, &request.into);
        let mut answer = MergeAnswer { target, boxes: Vec::new(), begun: false };
        let Merging { from: Some(from), into: Some(into), away, .. } = answer.target.clone() else {
            return Ok(answer);
        };
        if request.dry_run {
            return Ok(answer);
        }
        let site = self.status.borrow().site.clone();
        if site.is_none() || request.site != site {
            let words = "that is not the name of this site: nothing is changed";
            return Err(ApiError::new(Refusal::Forbidden, words));
        }
        let whole = away.is_empty() || request.partial;
        let note = BoxMergeRequest { from, into };
        let members = seen.ring.as_ref().map_or(&[][..], |ring| &ring.members);
        for (name, address) in people::kin(members, &self.trust).into_iter().filter(|_| whole) {
            let asked = timeout(PATIENCE, self.trust.merge(address, &note)).await;
            let trouble = match asked {
                Ok(Ok(_)) => None,
                Ok(Err(error)) => Some(format!("{error:#}")),
                Err(_) => Some("it does not answer".into()),
            };
            answer.boxes.push(MergeBox { name, trouble });
        }
        for name in away {
            let trouble = Some("it is not seen: ask again there when it is back".into());
            answer.boxes.push(MergeBox { name, trouble });
        }
        if answer.boxes.iter().all(|one| one.trouble.is_none()) || request.partial {
            of_this_box(self, &note)?;
            answer.begun = true;
        }
        Ok(answer)
    }
}

/// This box writes it down; the loop does the rest.
pub(super) fn of_this_box(decider: &Decider, request: &BoxMergeRequest) -> Result<(), ApiError> {
    let seen = decider.seen.borrow().clone();
    if seen.membership.as_ref().map(|m| &m.cluster) != Some(&request.from) {
        let words = format!("this box is no member of cluster {}", request.from);
        return Err(ApiError::new(Refusal::Forbidden, words));
    }
    let note = Yielding { into: request.into.clone(), asked: true };
    yielding::write(&decider.paths, &note).map_err(|error| {
        tracing::error!("it cannot be written down that this cluster dissolves: {error:#}");
        ApiError::new(Refusal::Internal, format!("{error:#}"))
    })?;
    tracing::warn!("a person decides: cluster {} dissolves into {}", request.from, request.into);
    decider.wake.notify_one();
    Ok(())
}
