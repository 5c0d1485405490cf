//! `GET /v1/support`.

use super::local::refuse;
use crate::paths::Paths;
use crate::presence::Peer;
use crate::support;
use ashlar_api::{ApiError, Refusal, Status, route};
use axum::extract::State;
use axum::extract::connect_info::ConnectInfo;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};

/// One at a time: it reads whole journals.
type Asked = (watch::Receiver<Status>, Paths, Arc<Semaphore>);

/// The route.
pub(super) fn router(status: watch::Receiver<Status>, paths: Paths) -> Router {
    Router::new().route(route::SUPPORT, get(answer)).with_state((
        status,
        paths,
        Arc::new(Semaphore::new(1)),
    ))
}

async fn answer(
    ConnectInfo(peer): ConnectInfo<Peer>,
    State((status, paths, one)): State<Asked>,
) -> Response {
    if let Err(error) = peer.must_be_root("have what the journals say") {
        return refuse(&error);
    }
    let Ok(_only) = one.try_acquire() else {
        let words = "somebody else has this collected just now";
        return refuse(&ApiError::new(Refusal::NotReady, words).hint("ask again"));
    };
    let status = status.borrow().clone();
    match support::collect(&paths, &status).await {
        Ok(support) => Json(support).into_response(),
        Err(error) => refuse(&ApiError::new(Refusal::Internal, format!("{error:#}"))),
    }
}
