//! The typed API of the agent, shared by daemon, ctl and console.
//!
//! Three listeners speak it: HTTP over the Unix socket [`LOCAL_SOCKET`] for this
//! node's own tools (the kernel says who calls), HTTP over mutual TLS 1.3 on
//! [`CLUSTER_PORT`] between agents, and the same on [`PEOPLE_PORT`] for people from
//! elsewhere, who may ask there what the local socket answers.
//!
//! [`Status`] is what people and tools ask for; [`cluster`] holds what agents
//! say to each other; [`route`] names every address and who may call it;
//! [`ApiError`] is every refusal; [`Client`] asks over the local socket and
//! [`Connection`] over any stream, so the daemon uses it over TLS.

mod alone;
mod book;
#[cfg(feature = "bundle")]
mod bundle;
mod client;
pub mod cluster;
mod error;
mod follow;
mod hardware;
mod logs;
mod merge;
mod network;
mod node;
#[cfg(feature = "schema")]
pub mod openapi;
mod people;
mod pki;
mod power;
mod reset;
mod ring;
pub mod route;
mod secret;
mod site_reset;
mod status;
mod support;
mod words;

pub use alone::{AloneAnswer, AloneRequest};
pub use book::{book, page_of};
#[cfg(feature = "bundle")]
pub use bundle::bundle_name;
pub use client::{Client, ClientError, Connection, Dial, Lines};
pub use error::{ApiError, Refusal};
pub use follow::StatusLines;
pub use hardware::{Drive, Hardware};
pub use logs::{LOGS_FOLLOWED, LogLine, LogLines, LogUnits, LogsRequest, MAX_LOG_LINES};
pub use merge::{BoxMergeAnswer, BoxMergeRequest, MergeAnswer, MergeBox, MergeRequest};
pub use network::{
    LinkAddress, LinkKind, LinkView, Network, NetworkAnswer, NetworkRequest, NetworkVerb, WayOut,
};
pub use node::{NodeAnswer, NodeRequest, RejoinAnswer, RejoinRequest};
pub use people::{IntroductionAnswer, RevokedAnswer, RevokedRequest};
pub use pki::{CaView, CertificateView, MemberCertificate, PkiAnswer, PkiRequest, PkiStatus};
pub use power::{Absence, Power, PowerAnswer, PowerRequest};
pub use reset::{Losses, Reset, ResetAnswer, ResetRequest, SiteAfterReset};
pub use ring::{RingAnswer, RingRequest, RingSiteAnswer, RingSiteRequest, RingVerb};
pub use secret::Secret;
pub use site_reset::{BoxReset, BoxResetRequest, SiteResetAnswer, SiteResetRequest};
pub use status::*;
pub use support::{
    MAX_SUPPORT, OnStick, StickAnswer, StickRequest, StickVolume, Support, SupportPart,
};
pub use words::{bytes, duration};

// The words of `Status` that belong to the planner, so that ctl and console
// need no other crate.
pub use ashlar_cluster::{
    Alert, BoxCas, BoxKeys, Cas, ClusterId, Decision, GoingAlone, Identity, KeyPrint, LeftBehind,
    MemberStatus, Merging, NetworkChange, NodeId, Part, Phase, RingKeys, Rotation, RotationStage,
    RotationTarget, Severity, Succession, SwarmLocal, SwarmRole, TakeOut, Tenure, Wait,
};

/// Where the daemon listens for this node's own tools.
pub const LOCAL_SOCKET: &str = "/run/ashlar/agent.sock";

/// The group of users of a box who may ask what root may,
pub const ADMIN_GROUP: &str = "ashlar-admin";

/// and of those who may look.
pub const VIEW_GROUP: &str = "ashlar-view";

/// Units of ours, as `journalctl` takes them.
pub const OUR_UNITS: &[&str] = &["ashlar-*"];

/// Units that the agent runs.
pub const DAEMONS: &[&str] =
    &["glusterd.service", "srv-cluster.mount", "docker.service", "containerd.service"];

/// TCP port of the cluster API, on the cluster address.
pub const CLUSTER_PORT: u16 = 7944;

/// TCP port on every address of a box, for people from elsewhere; only if the site
/// lets any in.
pub const PEOPLE_PORT: u16 = 7943;

/// UDP and TCP port of the ring.
pub const RING_PORT: u16 = 7945;

/// The longest request body that a server reads. The largest real one is an
/// enrolment proof with its certificate request, under 2 KiB.
pub const MAX_REQUEST: usize = 64 * 1024;

/// The longest response body that a client reads. The largest real one is the
/// status of a node in a ring of hundreds.
pub const MAX_RESPONSE: usize = 1024 * 1024;
