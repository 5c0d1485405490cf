//! `POST /v1/alone`: this box, the second of two, goes on without the first.

use crate::{Client, ClientError, Secret, route};
use ashlar_cluster::GoingAlone;
use serde::{Deserialize, Serialize};

/// The body of `POST /v1/alone`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AloneRequest {
    /// The name of the box that is gone for good, typed by a person: without it nothing is
    /// done.
    pub typed: Option<String>,
    /// Say what would change, and do nothing.
    pub dry_run: bool,
    /// The site's PIN, typed at the box's own screen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<Secret>,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AloneAnswer {
    /// What changes.
    pub target: GoingAlone,
    /// It is written down: this box goes on alone.
    pub begun: bool,
}

impl Client {
    /// Asks for this box to go on without the other one of two.
    ///
    /// # Errors
    /// As [`Connection::get`](crate::Connection::get); refused to anyone but root and whoever
    /// stands before the box, unless it is only asked what would change.
    pub async fn alone(&self, request: &AloneRequest) -> Result<AloneAnswer, ClientError> {
        self.connect().await?.post(route::ALONE, request).await
    }
}
