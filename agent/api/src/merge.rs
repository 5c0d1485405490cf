//! `POST /v1/merge`: this box's cluster dissolves into another one of its site.

use crate::{Client, ClientError, route};
use ashlar_cluster::{ClusterId, Merging};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long all boxes together may take to write it down.
const DEADLINE: Duration = Duration::from_secs(90);

/// The body of `POST /v1/merge`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MergeRequest {
    /// The cluster that goes on: its id, or how that begins.
    pub into: String,
    /// The site's name, typed by a person: without it nothing is done.
    pub site: Option<String>,
    /// Go on without the boxes that cannot be told.
    pub partial: bool,
    /// Say what would be lost, and do nothing.
    pub dry_run: bool,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MergeAnswer {
    /// What changes.
    pub target: Merging,
    /// The other boxes of the cluster, once they were told.
    pub boxes: Vec<MergeBox>,
    /// This box wrote it down as well: the cluster dissolves.
    pub begun: bool,
}

/// Another box of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MergeBox {
    /// Its name.
    pub name: String,
    /// Why it does not know, in words; `None` if it wrote it down.
    pub trouble: Option<String>,
}

/// The body of `POST /v1/merge/box`, which one box of a cluster says to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoxMergeRequest {
    /// The cluster that dissolves.
    pub from: ClusterId,
    /// The one that goes on.
    pub into: ClusterId,
}

/// The answer: it is written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoxMergeAnswer {}

impl Client {
    /// Asks for this node's cluster to dissolve into another one.
    ///
    /// # Errors
    /// As [`Connection::get`](crate::Connection::get); refused to anyone but root, unless
    /// it is only asked what would change.
    pub async fn merge(&self, request: &MergeRequest) -> Result<MergeAnswer, ClientError> {
        let mut connection = self.connect().await?.deadline(DEADLINE);
        connection.post(route::MERGE, request).await
    }
}
