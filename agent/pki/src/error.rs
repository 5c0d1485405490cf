//! What can go wrong with keys and certificates.

use std::path::PathBuf;

/// A key or certificate that cannot be made, read or trusted.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file holds something else than it should.
    #[error("{}: {problem}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        problem: Box<PkiError>,
    },
    /// Not the certificate, key or request that was expected.
    #[error("not {expected}: {reason}")]
    Malformed {
        /// What was expected.
        expected: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A node's id, name or address that no certificate can carry.
    #[error("{field} {value:?} of a node: expected {expected}")]
    Subject {
        /// `id`, `name` or `cluster id`.
        field: &'static str,
        /// As given.
        value: String,
        /// What it should look like.
        expected: &'static str,
    },
    /// Two things that should belong together do not.
    #[error("{0}")]
    Mismatch(String),
    /// A certificate does not verify.
    #[error("the certificate of {whose} does not hold: {source}{}", clock_hint(source))]
    Untrusted {
        /// Node or CA.
        whose: String,
        /// What rustls said.
        source: rustls::Error,
    },
    /// The sealed CA key cannot be opened.
    #[error(
        "the sealed CA key cannot be opened: it was sealed under another ring key or for another \
         CA, or the file was changed; fetch the key again from another member"
    )]
    Sealed,
    /// This node holds a CA certificate without its key, so it joined a
    /// cluster and cannot found one.
    #[error("this node already belongs to cluster {cluster}, whose CA key it does not hold")]
    AlreadyEnrolled {
        /// Which.
        cluster: String,
    },
    /// The cryptographic library failed: out of random numbers or memory.
    #[error("{doing}: {reason}")]
    Crypto {
        /// During what.
        doing: &'static str,
        /// What it said.
        reason: String,
    },
}

impl PkiError {
    pub(crate) fn malformed(expected: &'static str, reason: impl ToString) -> Self {
        Self::Malformed { expected, reason: reason.to_string() }
    }

    pub(crate) fn crypto(doing: &'static str) -> impl FnOnce(rcgen::Error) -> Self {
        move |e| Self::Crypto { doing, reason: e.to_string() }
    }

    pub(crate) fn unspecified(
        doing: &'static str,
    ) -> impl FnOnce(ring::error::Unspecified) -> Self {
        move |_| Self::Crypto { doing, reason: "the cryptographic library failed".into() }
    }
}

/// Most certificates that do not hold yet, or no more, are right and the clock
/// is wrong; say so.
fn clock_hint(error: &rustls::Error) -> &'static str {
    use rustls::CertificateError as E;
    match error {
        rustls::Error::InvalidCertificate(
            E::NotValidYet | E::NotValidYetContext { .. } | E::Expired | E::ExpiredContext { .. },
        ) => "; check the clocks of both nodes",
        _ => "",
    }
}
