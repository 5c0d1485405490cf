//! Every address of the API: one line each, so that server and clients cannot
//! disagree. What is on the local socket is also on the people's port, for those
//! whose role lets them (the agent has one table of it). *Admins* are people with a pass of
//! that role, and on the box itself root and the users of the group `ashlar-admin`; *who may
//! look* has a pass of the role `view`, or is of the group `ashlar-view`.

/// `GET` → [`Status`](crate::Status). Who may look.
pub const STATUS: &str = "/v1/status";

/// `GET` → a stream of [`Status`](crate::Status), one a line: at once, whenever it is
/// another one, and every five seconds. Who may look.
pub const STATUS_FOLLOW: &str = "/v1/status/follow";

/// `GET` → [`Network`](crate::Network); `POST` [`NetworkRequest`](crate::NetworkRequest) →
/// [`NetworkAnswer`](crate::NetworkAnswer). Who may look; to change it takes an admin, or
/// the screen of the box with the site's PIN, if it has one.
pub const NETWORK: &str = "/v1/network";

/// `GET` → [`Hardware`](crate::Hardware). Who may look.
pub const HARDWARE: &str = "/v1/hardware";

/// `GET` → [`PkiStatus`](crate::PkiStatus). Who may look. `POST`
/// [`PkiRequest`](crate::PkiRequest) → [`PkiAnswer`](crate::PkiAnswer); admins only, unless it
/// is a dry run on the box. An agent that does not lead passes it on to the cluster listener of one
/// that does.
pub const PKI: &str = "/v1/pki";

/// `POST` [`PowerRequest`](crate::PowerRequest) →
/// [`PowerAnswer`](crate::PowerAnswer). Admins, and the screen
/// of the box with the site's PIN, if it has one.
pub const POWER: &str = "/v1/power";

/// `POST` [`ResetRequest`](crate::ResetRequest) →
/// [`ResetAnswer`](crate::ResetAnswer). Admins, and
/// the screen of the box with the node's name and the site's PIN.
pub const RESET: &str = "/v1/reset";

/// `POST` [`SiteResetRequest`](crate::SiteResetRequest) →
/// [`SiteResetAnswer`](crate::SiteResetAnswer). Admins.
pub const SITE_RESET: &str = "/v1/reset/site";

/// `POST` [`BoxResetRequest`](crate::BoxResetRequest) →
/// [`ResetAnswer`](crate::ResetAnswer). Cluster listener, with a node certificate of a
/// live member.
pub const BOX_RESET: &str = "/v1/reset/box";

/// `POST` [`NodeRequest`](crate::NodeRequest) →
/// [`NodeAnswer`](crate::NodeAnswer). Admins only, unless it is a
/// dry run on the box; an agent that does not lead passes it on to the cluster listener of one
/// that does, with its node certificate.
pub const NODE: &str = "/v1/node";

/// `POST` [`MergeRequest`](crate::MergeRequest) → [`MergeAnswer`](crate::MergeAnswer).
/// Admins only, unless it is a dry run on the box.
pub const MERGE: &str = "/v1/merge";

/// `POST` [`AloneRequest`](crate::AloneRequest) → [`AloneAnswer`](crate::AloneAnswer).
/// Admins, and the screen of the box with the site's PIN, if it has one; a dry
/// run whoever may look on the box.
pub const ALONE: &str = "/v1/alone";

/// `POST` [`BoxMergeRequest`](crate::BoxMergeRequest) →
/// [`BoxMergeAnswer`](crate::BoxMergeAnswer). Cluster listener, with a node certificate of
/// a live member.
pub const BOX_MERGE: &str = "/v1/merge/box";

/// `POST` [`RejoinRequest`](crate::RejoinRequest) →
/// [`RejoinAnswer`](crate::RejoinAnswer). Admins.
pub const REJOIN: &str = "/v1/rejoin";

/// `GET` → [`RingAnswer`](crate::RingAnswer), how the ring's keys stand. `POST`
/// [`RingRequest`](crate::RingRequest) → the same; admins only, unless it is a dry run. An
/// agent that does not lead passes it on to the cluster listener of one that does.
pub const RING: &str = "/v1/ring";

/// `POST` [`RingSiteRequest`](crate::RingSiteRequest) →
/// [`RingSiteAnswer`](crate::RingSiteAnswer). Root; other admins once for each key.
pub const RING_SITE: &str = "/v1/ring/site";

/// `POST` [`RingKeyRequest`](crate::cluster::RingKeyRequest) →
/// [`RingKeyAnswer`](crate::cluster::RingKeyAnswer). Cluster listener, with the node
/// certificate of a live member, or of a box that was away and has its place still.
pub const RING_KEY: &str = "/v1/ring/key";

/// `GET` → a list of [`Event`](crate::Event), the oldest first. Who may look.
pub const HISTORY: &str = "/v1/history";

/// `GET` → [`IntroductionAnswer`](crate::IntroductionAnswer). People's port only; asked
/// before anything else in a session.
pub const INTRODUCTION: &str = "/v1/introduction";

/// `GET` with the query that [`LogsRequest`](crate::LogsRequest) says → a stream of
/// [`LogLine`](crate::LogLine), one a line. Admins.
pub const LOGS: &str = "/v1/logs";

/// What such a stream is.
pub const LINES_TYPE: &str = "application/x-ndjson";

/// `GET` → [`Support`](crate::Support). Admins.
pub const SUPPORT: &str = "/v1/support";

/// `POST` [`StickRequest`](crate::StickRequest) → [`StickAnswer`](crate::StickAnswer).
/// Admins, and the screen of the box with the site's PIN, if it has one.
pub const SUPPORT_STICK: &str = "/v1/support/stick";

/// `POST` [`RevokedRequest`](crate::RevokedRequest) →
/// [`RevokedAnswer`](crate::RevokedAnswer). Admins; on the cluster listener with a node certificate. Nobody is believed: the list is signed.
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
