//! `POST /v1/alone`: a person standing at the second of two boxes says that the first is gone
//! for good, and types its name, and the site's PIN at the screen. Written down here; the
//! loop does the rest. Nobody leads who could be asked.

use super::local::refuse;
use super::said::Said;
use super::{Decider, node};
use crate::alone;
use crate::presence::{Peer, Presence};
use ashlar_api::{AloneAnswer, AloneRequest, ApiError, Refusal, route};
use ashlar_cluster::{Observed, going_alone};
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use tokio::sync::watch;

type Asked = (watch::Receiver<Option<Decider>>, Presence);

pub(super) fn router(decider: watch::Receiver<Option<Decider>>, presence: Presence) -> Router {
    Router::new()
        .route(route::ALONE, post(answer))
        .layer(DefaultBodyLimit::max(ashlar_api::MAX_REQUEST))
        .with_state((decider, presence))
}

async fn answer(
    ConnectInfo(peer): ConnectInfo<Peer>,
    State((decider, presence)): State<Asked>,
    Said(request): Said<AloneRequest>,
) -> Response {
    match go_on(peer, &decider, &presence, &request).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => refuse(&error),
    }
}

async fn go_on(
    peer: Peer,
    decider: &watch::Receiver<Option<Decider>>,
    presence: &Presence,
    request: &AloneRequest,
) -> Result<AloneAnswer, ApiError> {
    if !request.dry_run {
        let asker = presence.asker(peer)?;
        presence.admit(asker, request.pin.clone()).await?;
    }
    node::decider(decider)?.goes_on_alone(request)
}

impl Decider {
    fn goes_on_alone(&self, request: &AloneRequest) -> Result<AloneAnswer, ApiError> {
        let seen = Observed::clone(&*self.seen.borrow());
        let target = going_alone(&seen, &self.wanted);
        let (Some(left), Some(me)) = (target.without.clone(), &seen.identity) else {
            return Ok(AloneAnswer { target, begun: false });
        };
        if request.dry_run {
            return Ok(AloneAnswer { target, begun: false });
        }
        if request.typed.as_deref() != Some(left.name.as_str()) {
            let words = format!("that is not {}: nothing is changed", left.name);
            return Err(ApiError::new(Refusal::Forbidden, words));
        }
        alone::take_word(&self.paths, &me.id, &left).map_err(|error| {
            tracing::error!("it cannot be written down that this box goes on alone: {error:#}");
            ApiError::new(Refusal::Internal, format!("{error:#}"))
        })?;
        tracing::warn!("a person says: {} is gone for good, this box goes on alone", left.name);
        self.wake.notify_one();
        Ok(AloneAnswer { target, begun: true })
    }
}
