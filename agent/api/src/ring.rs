//! `/v1/ring`: how the ring's keys stand, another key for all, and the site that has it.

use crate::{Client, ClientError, Secret, route};
use ashlar_cluster::{BoxKeys, Rotation, RotationTarget};
use serde::{Deserialize, Serialize};

/// What is asked of the ring's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum RingVerb {
    /// How they stand.
    Status,
    /// Replace the key.
    Rotate,
    /// Note that the site with the new key is given out. One box says it to another.
    GiveOut,
}

/// The body of `POST /v1/ring`, and of what one agent passes on to the leader's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RingRequest {
    /// What is asked.
    pub verb: RingVerb,
    /// Say what would change, and do nothing.
    pub dry_run: bool,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RingAnswer {
    /// What changes.
    pub target: RotationTarget,
    /// It stands in the cluster's record, and is carried out.
    pub decided: bool,
    /// The last replacement, if there was one.
    pub rotation: Option<Rotation>,
    /// Every box that has a place.
    pub boxes: Vec<BoxKeys>,
}

/// The body of `POST /v1/ring/site`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RingSiteRequest {}

/// The answer.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RingSiteAnswer {
    /// The site's name.
    pub name: String,
    /// The fingerprint of its ring key.
    pub key: String,
    /// The text of `site.toml`.
    pub site: Secret,
}

impl Client {
    /// How the ring's keys stand, as the leader sees them.
    ///
    /// # Errors
    /// As [`Connection::get`](crate::Connection::get).
    pub async fn ring(&self) -> Result<RingAnswer, ClientError> {
        self.connect().await?.get(route::RING).await
    }

    /// Asks for another ring key.
    ///
    /// # Errors
    /// As [`Connection::get`](crate::Connection::get); refused to anyone but root, unless
    /// it is only asked what would change.
    pub async fn rotate_ring(&self, dry_run: bool) -> Result<RingAnswer, ClientError> {
        let request = RingRequest { verb: RingVerb::Rotate, dry_run };
        self.connect().await?.post(route::RING, &request).await
    }

    /// The site with the ring's new key.
    ///
    /// # Errors
    /// As [`Connection::get`](crate::Connection::get); refused to anyone but root, and
    /// from elsewhere after the first time.
    pub async fn ring_site(&self) -> Result<RingSiteAnswer, ClientError> {
        self.connect().await?.post(route::RING_SITE, &RingSiteRequest {}).await
    }
}
