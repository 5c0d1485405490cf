//! Every refusal of the API, as JSON that a program can act on and a person
//! can read.

use http::StatusCode;
use serde::{Deserialize, Serialize};

/// The body of every answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[error("{error}{}", hint.as_ref().map(|h| format!(" ({h})")).unwrap_or_default())]
pub struct ApiError {
    /// What kind of refusal, for programs.
    pub refusal: Refusal,
    /// What went wrong, one sentence for a person.
    pub error: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl ApiError {
    /// A refusal in words.
    #[must_use]
    pub fn new(refusal: Refusal, error: impl Into<String>) -> Self {
        Self { refusal, error: error.into(), hint: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Why a request was refused. Each has one HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// The request itself is wrong; repeating it will not help.
    BadRequest,
    /// This needs a node certificate, or an enrolment proof did not hold.
    Unauthenticated,
    /// The caller is known, and may not.
    Forbidden,
    /// Whoever stands at the box must type the site's PIN.
    PinNeeded,
    /// That was not the PIN.
    PinWrong,
    /// Too many wrong PINs: ask again later.
    TooSoon,
    /// The caller lost its place in this cluster for good.
    Retired,
    /// The caller was taken out of this cluster by a person.
    TakenOut,
    /// No such address.
    NotFound,
    /// The body is longer than the server reads.
    TooLarge,
    /// This node cannot do it (it holds no CA key, it is no manager): ask
    /// another.
    AskAnother,
    /// This node cannot do it *yet*: ask again later.
    NotReady,
    /// A fault on this side.
    Internal,
    /// A refusal that this release does not know.
    #[serde(other)]
    Unknown,
}

impl Refusal {
    /// The HTTP status that goes with it.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Unauthenticated | Self::PinNeeded => StatusCode::UNAUTHORIZED,
            Self::Forbidden | Self::PinWrong => StatusCode::FORBIDDEN,
            Self::TooSoon => StatusCode::TOO_MANY_REQUESTS,
            Self::Retired | Self::TakenOut => StatusCode::GONE,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::AskAnother => StatusCode::MISDIRECTED_REQUEST,
            Self::NotReady => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal | Self::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_reads_as_words_and_travels_as_json() {
        let error = ApiError::new(Refusal::AskAnother, "this node does not hold the CA key")
            .hint("ask a manager");
        assert_eq!(error.to_string(), "this node does not hold the CA key (ask a manager)");
        let json = serde_json::to_string(&error).unwrap();
        assert_eq!(
            json,
            r#"{"refusal":"ask-another","error":"this node does not hold the CA key","hint":"ask a manager"}"#
        );
        assert_eq!(serde_json::from_str::<ApiError>(&json).unwrap(), error);
    }

    #[test]
    fn a_newer_release_s_refusal_is_still_an_error() {
        let newer = r#"{"refusal":"out-of-cheese","error":"redo from start","extra":1}"#;
        let error: ApiError = serde_json::from_str(newer).unwrap();
        assert_eq!(error.refusal, Refusal::Unknown);
    }
}
