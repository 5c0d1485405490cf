//! Who may belong to a cluster, and how a node proves that it does.
//!
//! ```text
//!   site's ring key ──┬─ seals ─► CA key at rest        (authority, store)
//!                     └─ proves ► enrolment             (enrolment)
//!   founder: ClusterCa::mint ─► issues ─► node certificate ─► mTLS, GlusterFS
//! ```
//!
//! Each cluster has one CA ([`ClusterCa`]), minted by its founder, and for a while two
//! when it is replaced ([`Bundle`]). A newcomer
//! and a member prove to each other that they know the site's ring key, bound
//! to the TLS channel between them ([`enrolment`]); the newcomer then holds a
//! short-lived [`NodeCertificate`]. [`Store`] keeps all of it on disk through
//! power cuts, and [`tls`] turns it into rustls configurations.
//!
//! No sockets, and no clock but the one that rustls reads to check a peer:
//! callers pass `now`.
//!
//! [`people`] is another trust: who may look after a site from elsewhere.
//!
//! There is no revocation list for nodes: members serve only whom the ring
//! shows alive, so a certificate outlives its owner by at most [`NODE_LIFE`].

mod authority;
mod bundle;
mod certificate;
mod encoding;
pub mod enrolment;
mod error;
mod key;
pub mod people;
mod sealed;
mod store;
mod subject;
pub mod tls;

pub use authority::{BACKDATE, CA_LIFE, ClusterCa};
pub use bundle::{Bundle, Endorsement};
pub use certificate::{CaCertificate, NODE_LIFE, NodeCertificate};
pub use error::PkiError;
pub use key::NodeKey;
pub use store::{Credentials, Holdings, Store};
pub use subject::NodeSubject;

/// The site's ring key, from which every proof and seal is derived.
pub type RingKey = [u8; 32];
