//! What people ask from elsewhere besides what a box's own tools ask: that the box
//! proves itself, and that somebody is let in no more.

use crate::{Client, ClientError, route};
use serde::{Deserialize, Serialize};

/// The answer to `GET /v1/introduction`: proofs that this box is of the caller's site,
/// one for each ring key that it knows. They are messages of the pki crate, in base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IntroductionAnswer {
    /// The proofs.
    pub proofs: Vec<String>,
}

/// The body of `POST /v1/revoked`: of a person, and between agents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RevokedRequest {
    /// The list, PEM, as the site's people CA signed it; none asks for the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RevokedAnswer {
    /// The newest list that the answering box knows, PEM.
    #[serde(default)]
    pub list: Option<String>,
    /// Its number.
    #[serde(default)]
    pub number: u64,
    /// How many certificates are on it.
    #[serde(default)]
    pub revoked: usize,
    /// Other boxes that took it at once.
    #[serde(default)]
    pub told: usize,
    /// Other boxes that did not answer: they learn it from the others when they can.
    #[serde(default)]
    pub untold: Vec<String>,
}

impl Client {
    /// Hands over a list of revoked certificates, or asks for the newest.
    ///
    /// # Errors
    /// As [`Connection::get`](crate::Connection::get).
    pub async fn revoked(&self, request: &RevokedRequest) -> Result<RevokedAnswer, ClientError> {
        self.connect().await?.post(route::REVOKED, request).await
    }
}
