//! People who look after a site from elsewhere, and how a box and a person know each
//! other.
//!
//! ```text
//!   site's people CA (key stays where the site was made) ─► a person's certificate
//!   boxes: the CA's certificate in the site, and the list of what was revoked
//!   person: certificate, key, and a proof key that only this site's boxes can derive
//! ```
//!
//! The box asks for the certificate in the handshake ([`people_server`](crate::tls::people_server)).
//! What the box shows there proves nothing: it may have no certificate yet, or one
//! that has ended. It proves itself by an [`IntroductionKey`], bound to the session.

mod authority;
mod introduction;
mod pass;
mod person;
mod revoked;

pub use authority::{PeopleCa, PeopleCertificate};
pub use introduction::{Introduction, IntroductionKey};
pub use pass::{OpenPass, Pass};
pub use person::{Person, PersonCertificate, Role};
pub use revoked::RevokedList;
