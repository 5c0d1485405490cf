//! Mutual enrolment: a newcomer and a member prove to each other that they
//! know the site's ring key, and the newcomer gets a certificate.
//!
//! ```text
//! newcomer (Newcomer)                                   member (Member)
//!   Hello { nonce n }                    ──────────►
//!                        ◄────────── Challenge { nonce m, CA certificate, MAC("challenge") }
//!   checks the MAC, and that the TLS
//!   server certificate is of that CA
//!   Proof { subject, request, MAC("proof") } ──────►
//!                        ◄────────── Grant { certificate, MAC("grant") }
//!   checks the MAC, the CA's signature
//!   and that it is for its own key
//! ```
//!
//! Each MAC is HMAC-SHA256 under HKDF(ring key, "ashlar enrol v1") over the
//! sender's role and *everything said so far*, beginning with the exporter of
//! the TLS 1.3 session ([`Channel`]). So:
//!
//! - someone in between, with another session on each side, fails on both;
//! - an old message fails, because both nonces and the session are fresh;
//! - a message cannot be thrown back at its sender, because roles differ;
//! - a changed byte anywhere, before or after, fails.
//!
//! The newcomer proves itself only to a member that has proved itself first.
//! The states are types that each step consumes: a challenge is answered once,
//! a grant exists only after a proof held.

mod channel;
mod member;
mod message;
mod newcomer;
mod transcript;

pub use channel::Channel;
pub use member::{Admission, Challenged, Member};
pub use message::{Challenge, Grant, Hello, MAX_MESSAGE, Proof};
pub use newcomer::{AwaitingGrant, Enrolled, Newcomer};

use crate::PkiError;

/// Why an enrolment stopped. None of these is worth a retry on the same
/// connection.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// A message that cannot be read.
    #[error("cannot read the enrolment {message}: {reason}")]
    Unreadable {
        /// Which.
        message: &'static str,
        /// Where it stops making sense.
        reason: String,
    },
    /// The other side's MAC does not hold.
    #[error(
        "the {by} did not prove that it knows this site's ring key: it belongs to another site, \
         or someone stands in between"
    )]
    Unproved {
        /// `member` or `newcomer`.
        by: &'static str,
    },
    /// The member is of another cluster than the ring said.
    #[error("the member belongs to cluster {found}, not to {wanted}")]
    OtherCluster {
        /// As the ring's tags said.
        wanted: String,
        /// As its CA says.
        found: String,
    },
    /// The grant is not for what was asked.
    #[error("the member granted a certificate for another node or key")]
    OtherNode,
    /// The TLS session is not one that an enrolment can be bound to.
    #[error("cannot bind the enrolment to the TLS session: {0}")]
    Channel(String),
    /// A key or certificate does not hold.
    #[error(transparent)]
    Pki(#[from] PkiError),
}
