//! `POST /v1/revoked`: certificates of people are taken back. The list goes to every box
//! that answers; the others learn it from their neighbours.

use super::Decider;
use super::local::refuse;
use super::said::Said;
use crate::people::{self, Admission};
use crate::presence::Peer;
use ashlar_api::{ApiError, Refusal, RevokedAnswer, RevokedRequest, route};
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use futures_util::future::join_all;
use std::sync::Arc;
use tokio::sync::watch;

/// Whom the site lets in; there once this node has a site that lets in anybody.
pub(crate) type People = watch::Receiver<Option<Arc<Admission>>>;

type Asked = (People, watch::Receiver<Option<Decider>>);

/// The route of the local socket.
pub(super) fn router(people: People, decider: watch::Receiver<Option<Decider>>) -> Router {
    Router::new()
        .route(route::REVOKED, post(answer))
        .layer(DefaultBodyLimit::max(ashlar_api::MAX_REQUEST))
        .with_state((people, decider))
}

async fn answer(
    ConnectInfo(peer): ConnectInfo<Peer>,
    State((people, decider)): State<Asked>,
    Said(request): Said<RevokedRequest>,
) -> Response {
    if let Err(error) = peer.must_be_root("take certificates back") {
        return refuse(&error);
    }
    let admission = people.borrow().clone();
    let mut answer = match taken(admission.as_deref(), &request) {
        Ok(answer) => answer,
        Err(error) => return refuse(&error),
    };
    let decider = decider.borrow().clone();
    if let (Some(decider), Some(list)) = (decider, &answer.list) {
        let seen = decider.seen.borrow().clone();
        let members = seen.ring.iter().flat_map(|ring| &ring.members).cloned().collect::<Vec<_>>();
        let request = RevokedRequest { list: Some(list.clone()) };
        let kin = people::kin(&members, &decider.trust);
        let told = kin.iter().map(|(_, address)| decider.trust.share_revoked(*address, &request));
        for ((name, _), told) in kin.iter().zip(join_all(told).await) {
            match told {
                Ok(_) => answer.told += 1,
                Err(error) => {
                    tracing::info!("{name} is not told what was revoked: {error:#}");
                    answer.untold.push(name.clone());
                }
            }
        }
    }
    Json(answer).into_response()
}

/// Takes the list that came, if there is one, and says what is the newest.
pub(super) fn taken(
    admission: Option<&Admission>,
    request: &RevokedRequest,
) -> Result<RevokedAnswer, ApiError> {
    let admission = admission.ok_or_else(|| {
        ApiError::new(Refusal::NotReady, "this box's site lets in nobody from elsewhere")
    })?;
    if let Some(list) = &request.list {
        admission
            .offer(list)
            .map_err(|error| ApiError::new(Refusal::BadRequest, format!("{error:#}")))?;
    }
    let newest = admission.newest();
    Ok(RevokedAnswer {
        number: newest.as_ref().map_or(0, |list| list.number()),
        revoked: newest.as_ref().map_or(0, |list| list.serials().len()),
        list: newest.map(|list| list.to_pem()),
        ..RevokedAnswer::default()
    })
}
