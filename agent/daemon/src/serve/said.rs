//! The body of a request, read so that whoever sent a wrong one is told in the API's
//! own words what is wrong with it.

use super::local::refuse;
use ashlar_api::{ApiError, Refusal};
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::response::Response;
use http::StatusCode;
use serde::de::DeserializeOwned;

/// What the tools of another release may lack here, or this box may lack for them.
pub(super) const OF_ONE_IMAGE: &str =
    "a tool of another release may ask for what this box does not know: use those of one image";

/// The body of a request.
pub(super) struct Said<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Said<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        match Json::from_request(request, state).await {
            Ok(Json(said)) => Ok(Self(said)),
            Err(error) => Err(refuse(&refusal(&error))),
        }
    }
}

fn refusal(error: &JsonRejection) -> ApiError {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let words = format!("the request is longer than {} bytes", ashlar_api::MAX_REQUEST);
        return ApiError::new(Refusal::TooLarge, words);
    }
    ApiError::new(Refusal::BadRequest, error.body_text()).hint(OF_ONE_IMAGE)
}
