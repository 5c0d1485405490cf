//! `/v1/pki`: the cluster's CA, who holds its key, and whose certificate ends when; and
//! another CA.

use crate::{Client, ClientError, ClusterId, route};
use ashlar_cluster::{BoxCas, RotationTarget, Succession};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::Duration;

/// How long the answer may take: every member is asked for its certificate.
const DEADLINE: Duration = Duration::from_secs(15);

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PkiStatus {
    /// The cluster that this box belongs to.
    pub cluster: Option<ClusterId>,
    /// The CAs whose certificates this box accepts.
    pub authorities: Vec<CaView>,
    /// The CA's key is on this box.
    pub key_here: bool,
    /// This box's own certificate.
    pub own: Option<CertificateView>,
    /// The other boxes of the cluster.
    pub members: Vec<MemberCertificate>,
    /// How many boxes this one serves no more, whatever certificate they show.
    pub struck_off: usize,
    /// The last replacement of the CA, if there was one, as far as this box knows.
    #[serde(default)]
    pub succession: Option<Succession>,
    /// Every box that has a place, and what it lacks of that.
    #[serde(default)]
    pub boxes: Vec<BoxCas>,
}

/// The body of `POST /v1/pki`, and of what one agent passes on to the leader's: replace
/// the cluster's CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PkiRequest {
    /// Say what would change, and do nothing.
    pub dry_run: bool,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PkiAnswer {
    /// What changes.
    pub target: RotationTarget,
    /// It stands in the cluster's record, and is carried out.
    pub decided: bool,
}

/// A CA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CaView {
    /// SHA-256 of its certificate, in hex.
    pub fingerprint: String,
    /// When it starts, as RFC 3339.
    pub not_before: String,
    /// When it ends.
    pub not_after: String,
}

/// A node's certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CertificateView {
    /// Its serial number, in hex.
    pub serial: String,
    /// When it starts, as RFC 3339.
    pub not_before: String,
    /// When it ends.
    pub not_after: String,
    /// When it is due to be renewed.
    pub renewal: String,
    /// That is so now, and was not done yet.
    pub renewal_due: bool,
}

/// Another box of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MemberCertificate {
    /// Its host name.
    pub name: String,
    /// Its cluster address.
    pub address: IpAddr,
    /// It shows that it holds the CA's key.
    pub ca_key: bool,
    /// It lost its place: nobody serves it.
    pub struck_off: bool,
    /// The certificate that it showed when it was called now.
    pub certificate: Option<CertificateView>,
    /// Why none is known.
    pub unknown: Option<String>,
}

impl Client {
    /// The cluster's CA and certificates.
    ///
    /// # Errors
    /// As [`Connection::get`](crate::Connection::get).
    pub async fn pki(&self) -> Result<PkiStatus, ClientError> {
        self.connect().await?.deadline(DEADLINE).get(route::PKI).await
    }

    /// Asks for another CA.
    ///
    /// # Errors
    /// As [`Connection::get`](crate::Connection::get); refused to anyone but root, unless
    /// it is only asked what would change.
    pub async fn rotate_ca(&self, dry_run: bool) -> Result<PkiAnswer, ClientError> {
        let request = PkiRequest { dry_run };
        self.connect().await?.deadline(DEADLINE).post(route::PKI, &request).await
    }
}
