//! Every address of the API: one line each, so that server and clients cannot
//! disagree. What is on the local socket is also on the people's port, for those
//! whose role lets them (the agent has one table of it).

/// `GET` → [`Status`](crate::Status). Local socket only.
pub const STATUS: &str = "/v1/status";

/// `GET` → [`Network`](crate::Network); `POST` [`NetworkRequest`](crate::NetworkRequest) →
/// [`NetworkAnswer`](crate::NetworkAnswer). Local socket only; to change it takes root, or
/// the screen of the box with the site's PIN, if it has one.
pub const NETWORK: &str = "/v1/network";

/// `GET` → [`Hardware`](crate::Hardware). Local socket only.
pub const HARDWARE: &str = "/v1/hardware";

/// `GET` → [`PkiStatus`](crate::PkiStatus). Local socket only. `POST`
/// [`PkiRequest`](crate::PkiRequest) → [`PkiAnswer`](crate::PkiAnswer); root only, unless it
/// is a dry run. An agent that does not lead passes it on to the cluster listener of one
/// that does.
pub const PKI: &str = "/v1/pki";

/// `POST` [`PowerRequest`](crate::PowerRequest) →
/// [`PowerAnswer`](crate::PowerAnswer). Local socket only: root, and the screen
/// of the box with the site's PIN, if it has one.
pub const POWER: &str = "/v1/power";

/// `POST` [`ResetRequest`](crate::ResetRequest) →
/// [`ResetAnswer`](crate::ResetAnswer). Local socket only: root, and
/// the screen of the box with the node's name and the site's PIN.
pub const RESET: &str = "/v1/reset";

/// `POST` [`SiteResetRequest`](crate::SiteResetRequest) →
/// [`SiteResetAnswer`](crate::SiteResetAnswer). Local socket only, and root only.
pub const SITE_RESET: &str = "/v1/reset/site";

/// `POST` [`BoxResetRequest`](crate::BoxResetRequest) →
/// [`ResetAnswer`](crate::ResetAnswer). Cluster listener, with a node certificate of a
/// live member.
pub const BOX_RESET: &str = "/v1/reset/box";

/// `POST` [`NodeRequest`](crate::NodeRequest) →
/// [`NodeAnswer`](crate::NodeAnswer). On the local socket root only, unless it is a
/// dry run; an agent that does not lead passes it on to the cluster listener of one
/// that does, with its node certificate.
pub const NODE: &str = "/v1/node";

/// `POST` [`MergeRequest`](crate::MergeRequest) → [`MergeAnswer`](crate::MergeAnswer). On the
/// local socket root only, unless it is a dry run.
pub const MERGE: &str = "/v1/merge";

/// `POST` [`AloneRequest`](crate::AloneRequest) → [`AloneAnswer`](crate::AloneAnswer). On the
/// local socket root, and the screen of the box with the site's PIN, if it has one; a dry
/// run whoever may look.
pub const ALONE: &str = "/v1/alone";

/// `POST` [`BoxMergeRequest`](crate::BoxMergeRequest) →
/// [`BoxMergeAnswer`](crate::BoxMergeAnswer). Cluster listener, with a node certificate of
/// a live member.
pub const BOX_MERGE: &str = "/v1/merge/box";

/// `POST` [`RejoinRequest`](crate::RejoinRequest) →
/// [`RejoinAnswer`](crate::RejoinAnswer). Local socket only, and root only.
pub const REJOIN: &str = "/v1/rejoin";

/// `GET` → [`RingAnswer`](crate::RingAnswer), how the ring's keys stand. `POST`
/// [`RingRequest`](crate::RingRequest) → the same; root only, unless it is a dry run. An
/// agent that does not lead passes it on to the cluster listener of one that does.
pub const RING: &str = "/v1/ring";

/// `POST` [`RingSiteRequest`](crate::RingSiteRequest) →
/// [`RingSiteAnswer`](crate::RingSiteAnswer). Root only; from elsewhere once.
pub const RING_SITE: &str = "/v1/ring/site";

/// `POST` [`RingKeyRequest`](crate::cluster::RingKeyRequest) →
/// [`RingKeyAnswer`](crate::cluster::RingKeyAnswer). Cluster listener, with the node
/// certificate of a live member, or of a box that was away and has its place still.
pub const RING_KEY: &str = "/v1/ring/key";

/// `GET` → a list of [`Event`](crate::Event), the oldest first. Local socket
/// only.
pub const HISTORY: &str = "/v1/history";

/// `GET` → [`IntroductionAnswer`](crate::IntroductionAnswer). People's port only; asked
/// before anything else in a session.
pub const INTRODUCTION: &str = "/v1/introduction";

/// `GET` with the query that [`LogsRequest`](crate::LogsRequest) says → a stream of
/// [`LogLine`](crate::LogLine), one a line. On the local socket root only.
pub const LOGS: &str = "/v1/logs";

/// What such a stream is.
pub const LOGS_TYPE: &str = "application/x-ndjson";

/// `GET` → [`Support`](crate::Support). On the local socket root only.
pub const SUPPORT: &str = "/v1/support";

/// `POST` [`StickRequest`](crate::StickRequest) → [`StickAnswer`](crate::StickAnswer). Local
/// socket only: root, and the screen of the box with the site's PIN, if it has one.
pub const SUPPORT_STICK: &str = "/v1/support/stick";

/// `POST` [`RevokedRequest`](crate::RevokedRequest) →
/// [`RevokedAnswer`](crate::RevokedAnswer). On the local socket root only; on the cluster
/// listener with a node certificate. Nobody is believed: the list is signed.
pub const REVOKED: &str = "/v1/revoked";

/// `POST` an enrolment *hello*, answered by a *challenge*. Cluster listener,
/// without a client certificate.
///
/// Both enrolment bodies are messages of the pki crate and travel as it
/// encoded them ([`ENROL_TYPE`]): this crate must not know what they mean. The
/// two steps must come over the same TLS connection, because their proofs are
/// bound to it.
pub const ENROL_HELLO: &str = "/v1/enrol/hello";

/// `POST` an enrolment *proof*, answered by a *grant* (the certificate).
/// Second step of [`ENROL_HELLO`], over the same connection.
pub const ENROL_PROOF: &str = "/v1/enrol/proof";

/// Media type of the enrolment bodies.
pub const ENROL_TYPE: &str = "application/vnd.ashlar.enrol+json";

/// `POST` [`CertificateRequest`](crate::cluster::CertificateRequest) →
/// [`CertificateAnswer`](crate::cluster::CertificateAnswer). Cluster listener,
/// with a node certificate.
pub const CERTIFICATE: &str = "/v1/certificate";

/// `POST` [`CaKeyRequest`](crate::cluster::CaKeyRequest) →
/// [`CaKeyAnswer`](crate::cluster::CaKeyAnswer). Cluster listener, with a node
/// certificate of a manager.
pub const CA_KEY: &str = "/v1/ca-key";

/// `POST` [`SuccessorRequest`](crate::cluster::SuccessorRequest) → a
/// [`Successor`](ashlar_cluster::Successor). Cluster listener, with the node certificate of
/// a box that manages the Swarm.
pub const CA_SUCCESSOR: &str = "/v1/ca-key/successor";

/// `POST` [`SwarmJoinRequest`](crate::cluster::SwarmJoinRequest) →
/// [`SwarmJoinAnswer`](crate::cluster::SwarmJoinAnswer). Cluster listener, with
/// a node certificate.
pub const SWARM_JOIN: &str = "/v1/swarm/join";

/// `POST` [`PlacesRequest`](crate::cluster::PlacesRequest) →
/// [`PlacesAnswer`](crate::cluster::PlacesAnswer). Cluster listener, with a node
/// certificate, that of a node without a place included.
pub const PLACES: &str = "/v1/places";

/// `POST` [`Look`](crate::cluster::Look) → the same. Cluster listener, with a node
/// certificate.
pub const LOOK: &str = "/v1/look";

/// `POST` [`CopiesRequest`](crate::cluster::CopiesRequest) →
/// [`CopiesAnswer`](crate::cluster::CopiesAnswer). Cluster listener, with a node
/// certificate.
pub const COPIES: &str = "/v1/copies";

/// `POST` [`SeatRequest`](crate::cluster::SeatRequest) →
/// [`SeatAnswer`](crate::cluster::SeatAnswer). Cluster listener, with the node certificate of
/// the second of two boxes.
pub const SEAT: &str = "/v1/swarm/seat";

/// `POST` [`SwarmStandingRequest`](crate::cluster::SwarmStandingRequest) →
/// [`SwarmStandingAnswer`](crate::cluster::SwarmStandingAnswer). Cluster
/// listener, with a node certificate.
pub const SWARM_STANDING: &str = "/v1/swarm/standing";
