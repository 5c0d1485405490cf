//! Claims about certificates, enrolment and TLS, each against the real
//! libraries (and OpenSSL, which GlusterFS speaks).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod enrolment;
mod openssl;
mod people;
mod site;
mod store;
mod succession;
mod tls;
