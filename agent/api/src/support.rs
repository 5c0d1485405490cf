//! `GET /v1/support`: what somebody needs who is asked what is wrong, without a secret of
//! the site.

use crate::{Client, ClientError, route};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long collecting may take: every command that the box asks has 20 s.
const DEADLINE: Duration = Duration::from_secs(60);

/// The longest answer: journals are cut before that.
pub const MAX_SUPPORT: usize = 8 * 1024 * 1024;

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Support {
    /// Files, in order.
    pub parts: Vec<SupportPart>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SupportPart {
    /// Its name, such as `status.json`.
    pub name: String,
    /// What it says; why it could not be had, if so.
    pub text: String,
}

impl Client {
    /// Everything that helps to find out what is wrong.
    ///
    /// # Errors
    /// As [`Connection::get`](crate::Connection::get); refused to anyone but root.
    pub async fn support(&self) -> Result<Support, ClientError> {
        let mut connection = self.connect().await?.deadline(DEADLINE).longest(MAX_SUPPORT);
        connection.get(route::SUPPORT).await
    }
}
