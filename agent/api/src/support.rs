//! `GET /v1/support`: what somebody needs who is asked what is wrong, without a secret of
//! the site; `POST /v1/support/stick`: the same, as one file on a stick in the box.

use crate::{Client, ClientError, Secret, route};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long collecting may take: every command that the box asks has 20 s.
const DEADLINE: Duration = Duration::from_secs(60);

/// How long a slow stick may take on top of that.
const ONTO_A_STICK: Duration = Duration::from_secs(180);

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

/// The body of `POST /v1/support/stick`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StickRequest {
    /// The volume to write on, by the name that the box gives it; none: say which
    /// there are, and do nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<String>,
    /// The site's PIN, typed at the box's own screen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<Secret>,
}

/// The answer to `POST /v1/support/stick`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StickAnswer {
    /// The volumes that could be written on, the likeliest first.
    pub volumes: Vec<StickVolume>,
    /// What was written, if anything was to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<OnStick>,
}

/// A FAT volume of a stick or card in this box, which nothing of the box uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StickVolume {
    /// What the box calls it, such as `sdb1`.
    pub name: String,
    /// What its owner calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What stands on the stick, about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How large it is.
    pub bytes: u64,
}

/// A file that was written onto a stick, and read back from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OnStick {
    /// The volume that it is on,
    pub volume: String,
    /// its name there,
    pub file: String,
    /// and its length.
    pub bytes: u64,
}

impl Client {
    /// Writes what [`Client::support`] tells onto a stick, or says which there are.
    ///
    /// # Errors
    /// As [`Connection::get`](crate::Connection::get); refused to anyone but root and
    /// whoever stands before the box.
    pub async fn support_stick(&self, request: &StickRequest) -> Result<StickAnswer, ClientError> {
        let patience = DEADLINE + ONTO_A_STICK;
        self.connect().await?.deadline(patience).post(route::SUPPORT_STICK, request).await
    }

    /// Everything that helps to find out what is wrong.
    ///
    /// # Errors
    /// As [`Connection::get`](crate::Connection::get); refused to anyone but root.
    pub async fn support(&self) -> Result<Support, ClientError> {
        let mut connection = self.connect().await?.deadline(DEADLINE).longest(MAX_SUPPORT);
        connection.get(route::SUPPORT).await
    }
}
