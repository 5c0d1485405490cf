//! `POST /v1/network`: a change of the site's network, tried until it is kept or undone.

use super::local::refuse;
use super::said::Said;
use crate::network_change::{self, Asked, Desk, Told};
use crate::paths::Paths;
use crate::presence::{Peer, Presence};
use anyhow::Result;
use ashlar_api::{ApiError, NetworkAnswer, NetworkRequest, NetworkVerb, Refusal, route};
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// Whom it reaches is looked at before a change is tried.
const LONG: Duration = Duration::from_secs(8);

type Tried = (Desk, Paths, Presence);

/// The route, with all that it needs.
pub(super) fn router(changes: Desk, paths: Paths, presence: Presence) -> Router {
    Router::new()
        .route(route::NETWORK, post(answer))
        .layer(DefaultBodyLimit::max(ashlar_api::MAX_REQUEST))
        .with_state((changes, paths, presence))
}

async fn answer(
    ConnectInfo(peer): ConnectInfo<Peer>,
    State((changes, paths, presence)): State<Tried>,
    Said(request): Said<NetworkRequest>,
) -> Response {
    match change(peer, &changes, &presence, request).await {
        Ok(lines) => {
            let change = network_change::stage(&paths);
            let told = Told::clone(&*changes.told.borrow());
            let left_s = told.left_s();
            Json(NetworkAnswer { change, left_s, way_out: told.way_out, lines }).into_response()
        }
        Err(error) => refuse(&error),
    }
}

async fn change(
    peer: Peer,
    changes: &Desk,
    presence: &Presence,
    NetworkRequest { verb, dry_run, pin }: NetworkRequest,
) -> Result<Vec<String>, ApiError> {
    let asks_only = dry_run && matches!(verb, NetworkVerb::WayOut(_));
    let asked = match verb {
        NetworkVerb::Look => return Ok(Vec::new()),
        NetworkVerb::WayOut(way) => Asked::WayOut(way, dry_run),
        NetworkVerb::Set(text) => {
            let text = text.expose_str().map(|text| Zeroizing::new(text.to_owned()));
            let none = || ApiError::new(Refusal::BadRequest, "the new site is no text");
            Asked::Set(text.ok_or_else(none)?)
        }
        NetworkVerb::Confirm => Asked::Confirm,
        NetworkVerb::Revert => Asked::Revert,
    };
    let asker = presence.asker(peer)?;
    if !asks_only {
        presence.admit(asker, pin).await?;
    }
    let (answer, answered) = oneshot::channel();
    let busy = || ApiError::new(Refusal::NotReady, "this box has no network to change yet");
    let said = async {
        changes.asks.send((asked, answer)).await.map_err(|_| busy())?;
        answered.await.map_err(|_| busy())
    };
    let said = timeout(LONG, said).await.map_err(|_| busy())??;
    said.map_err(|error| ApiError::new(Refusal::BadRequest, format!("{error:#}")))
}
