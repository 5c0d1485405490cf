//! What agents say to each other over mutual TLS.
//!
//! A caller never names itself in a body: who it is comes from its
//! certificate, so a body cannot claim another node's identity.

use crate::Secret;
use ashlar_cluster::{KeyPrint, Rotation, Succession, SwarmRole};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Body of [`CERTIFICATE`](crate::route::CERTIFICATE): a caller that holds a
/// valid certificate asks for its successor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateRequest {
    /// PKCS #10 request, PEM. Only its key counts; the names come from the
    /// certificate that the caller authenticated with.
    pub csr: String,
}

/// The new certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateAnswer {
    /// Node certificate, PEM.
    pub certificate: String,
}

/// Body of [`CA_KEY`](crate::route::CA_KEY).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaKeyRequest {
    /// Not that of the CA that signs, but of this one, which is to follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<KeyPrint>,
}

/// Body of [`CA_SUCCESSOR`](crate::route::CA_SUCCESSOR).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuccessorRequest {}

/// The CA's private key, for a manager that will seal it at once.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaKeyAnswer {
    /// CA certificate, PEM, so that the receiver can check that both belong to
    /// its cluster and to each other.
    pub certificate: String,
    /// PKCS #8 key, DER.
    pub key: Secret,
}

/// Body of [`SWARM_JOIN`](crate::route::SWARM_JOIN).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwarmJoinRequest {
    /// The role that the caller wants to join with.
    pub role: SwarmRole,
}

/// How to join the Swarm.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwarmJoinAnswer {
    /// Join token for the asked role.
    pub token: Secret,
    /// A manager's `ip:port` to join through.
    pub address: String,
}

/// Body of [`PLACES`](crate::route::PLACES).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlacesRequest {}

/// Body of [`LOOK`](crate::route::LOOK), and the answer: somebody lost its place, and
/// who is called asks the others of whom it believes that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {}

/// Who has no place in the cluster any more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacesAnswer {
    /// Ids of nodes whose place was given away: the caller's may be among them.
    pub retired: BTreeSet<String>,
    /// Those of them that a person took out.
    #[serde(default)]
    pub removed: BTreeSet<String>,
    /// Ids of nodes that are being taken out.
    #[serde(default)]
    pub leaving: BTreeSet<String>,
    /// The answering node reads the cluster's record itself.
    #[serde(default)]
    pub by_record: bool,
    /// The last replacement of the ring's key, as that record has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
    /// The last replacement of the cluster's CA, as that record has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succession: Option<Succession>,
}

/// Body of [`RING_KEY`](crate::route::RING_KEY).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RingKeyRequest {
    /// Which key.
    pub key: KeyPrint,
}

/// The ring's new key.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingKeyAnswer {
    /// It, for a box that keeps it in its keyring at once.
    pub key: Secret,
}

/// Body of [`COPIES`](crate::route::COPIES).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CopiesRequest {}

/// What the answering node's copy of the volume holds against the others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiesAnswer {
    /// Nodes whose copy lacks something that this one has.
    pub lacking: BTreeSet<IpAddr>,
}

/// Body of [`SEAT`](crate::route::SEAT).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeatRequest {
    /// A piece of a file, from that byte on; without it the list of files is asked for.
    pub piece: Option<(String, u64)>,
}

/// A file of what the Swarm's manager knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeatFile {
    /// Below the engine's directory of the Swarm.
    pub path: String,
    /// Its length in bytes.
    pub length: u64,
    /// How much of it there is before the zeros at its end.
    pub used: u64,
    /// When it was last written to, in seconds and nanoseconds.
    pub changed: (i64, i64),
}

/// The files, or a piece of one.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatAnswer {
    /// All of them, if they were asked for.
    pub files: Vec<SeatFile>,
    /// The piece.
    pub piece: Option<Secret>,
}

/// Body of [`SWARM_STANDING`](crate::route::SWARM_STANDING): workers are not
/// told what the managers hold of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwarmStandingRequest {}

/// What the Swarm's managers hold of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwarmStandingAnswer {
    /// `Ready` in the engine's words.
    pub up: bool,
}
