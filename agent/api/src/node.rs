//! `POST /v1/node`: a box is taken out of its cluster, struck off, or kept; and `POST
//! /v1/rejoin`: one that is out is let in again.

use crate::{Client, ClientError, route};
use ashlar_cluster::{Decision, TakeOut};
use serde::{Deserialize, Serialize};

/// The body of `POST /v1/node`, and of what one agent passes on to the leader's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NodeRequest {
    /// The box's host name.
    pub name: String,
    /// What is asked of it.
    pub decision: Decision,
    /// Say what would change, and do nothing.
    pub dry_run: bool,
    /// The box's name, typed by the person: strikes it off though its copy may be the
    /// last one that is whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typed: Option<String>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NodeAnswer {
    /// What changes.
    pub target: TakeOut,
    /// It stands in the cluster's record, and is carried out.
    pub decided: bool,
}

/// The body of `POST /v1/rejoin`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RejoinRequest {}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RejoinAnswer {
    /// This box was out, and is not any more.
    pub rejoins: bool,
}

impl Client {
    /// Asks for a box to be taken out of the cluster, or kept.
    ///
    /// # Errors
    /// As [`Connection::get`](crate::Connection::get); refused to anyone but root,
    /// unless it is only asked what would change.
    pub async fn node(&self, request: &NodeRequest) -> Result<NodeAnswer, ClientError> {
        self.connect().await?.post(route::NODE, request).await
    }

    /// Lets this box in again.
    ///
    /// # Errors
    /// As [`Connection::get`](crate::Connection::get); refused to anyone but root.
    pub async fn rejoin(&self) -> Result<RejoinAnswer, ClientError> {
        self.connect().await?.post(route::REJOIN, &RejoinRequest {}).await
    }
}
