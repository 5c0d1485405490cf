//! Reading certificates: the CA's and a node's.

use crate::encoding::to_pem;
use crate::subject::{CLUSTER_URI, NODE_URI, check_id};
use crate::{NodeKey, NodeSubject, PkiError};
use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::server::ParsedCertificate;
use rustls_pki_types::{CertificateDer, UnixTime, pem::PemObject};
use std::net::IpAddr;
use std::time::Duration;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// How long a node certificate holds from the moment it is issued. Long enough
/// that a shop closed for its holidays renews before it ends (two thirds are 20
/// days), short enough that no revocation list is needed.
pub const NODE_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// The certificate of a cluster's CA: the root of all trust between its nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaCertificate {
    der: CertificateDer<'static>,
    cluster: String,
    public_key: Vec<u8>,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl CaCertificate {
    /// Reads a CA certificate.
    ///
    /// # Errors
    /// [`PkiError::Malformed`] when it is no certificate of an Ashlar CA, or
    /// not signed by itself.
    pub fn from_der(der: &[u8]) -> Result<Self, PkiError> {
        const EXPECTED: &str = "a cluster CA's certificate";
        let x509 = parse_ca(der, EXPECTED)?;
        let cluster = uri(&x509, CLUSTER_URI)
            .ok_or_else(|| PkiError::malformed(EXPECTED, "it names no cluster"))?;
        Ok(Self {
            cluster: check_id("cluster id", cluster)?,
            public_key: x509.public_key().raw.to_vec(),
            not_before: time(x509.validity().not_before, EXPECTED)?,
            not_after: not_after(&x509, EXPECTED)?,
            der: CertificateDer::from(der).into_owned(),
        })
    }

    /// Reads a CA certificate from PEM.
    ///
    /// # Errors
    /// As [`CaCertificate::from_der`].
    pub fn from_pem(text: &[u8]) -> Result<Self, PkiError> {
        Self::from_der(&pem_certificate(text)?)
    }

    /// As PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        to_pem("CERTIFICATE", &self.der)
    }

    /// As DER.
    #[must_use]
    pub const fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// The cluster that it is the CA of.
    #[must_use]
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// When it starts, and with it every certificate that it issues.
    #[must_use]
    pub const fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// When it ends.
    #[must_use]
    pub const fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// SHA-256 of its DER form, in hex: what a person compares.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hex::encode(ring::digest::digest(&ring::digest::SHA256, &self.der))
    }

    pub(crate) fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    fn roots(&self) -> Result<RootCertStore, PkiError> {
        roots(&self.der, || self.to_string())
    }
}

impl std::fmt::Display for CaCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the CA of cluster {}", self.cluster)
    }
}

/// A node's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeCertificate {
    der: CertificateDer<'static>,
    subject: NodeSubject,
    serial: String,
    public_key: Vec<u8>,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl NodeCertificate {
    /// Reads a node certificate. Whether it can be trusted is another question:
    /// [`NodeCertificate::verify`].
    ///
    /// # Errors
    /// [`PkiError::Malformed`] when it is none.
    pub fn from_der(der: &[u8]) -> Result<Self, PkiError> {
        const EXPECTED: &str = "a node certificate";
        let x509 = parse(der, EXPECTED)?;
        let missing = |what| move || PkiError::malformed(EXPECTED, format!("it has no {what}"));
        let id = uri(&x509, NODE_URI).ok_or_else(missing("node id"))?;
        let name = general_names(&x509)
            .find_map(|n| match n {
                GeneralName::DNSName(name) => Some((*name).to_owned()),
                _ => None,
            })
            .ok_or_else(missing("host name"))?;
        let address = general_names(&x509)
            .find_map(|n| match n {
                GeneralName::IPAddress(bytes) => ip(bytes),
                _ => None,
            })
            .ok_or_else(missing("cluster address"))?;
        Ok(Self {
            subject: NodeSubject::new(id, name, address)?,
            serial: hex::encode(x509.raw_serial()),
            public_key: x509.public_key().raw.to_vec(),
            not_before: time(x509.validity().not_before, EXPECTED)?,
            not_after: not_after(&x509, EXPECTED)?,
            der: CertificateDer::from(der).into_owned(),
        })
    }

    /// Reads a node certificate from PEM; the first block counts.
    ///
    /// # Errors
    /// As [`NodeCertificate::from_der`].
    pub fn from_pem(text: &[u8]) -> Result<Self, PkiError> {
        Self::from_der(&pem_certificate(text)?)
    }

    /// As PEM, as GlusterFS reads it: the certificate alone, since the CA that
    /// signed it is the root itself.
    #[must_use]
    pub fn to_pem(&self) -> String {
        to_pem("CERTIFICATE", &self.der)
    }

    /// As DER.
    #[must_use]
    pub const fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// Whom it names.
    #[must_use]
    pub const fn subject(&self) -> &NodeSubject {
        &self.subject
    }

    /// Its serial number, in hex.
    #[must_use]
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// When it starts.
    #[must_use]
    pub const fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// When it ends.
    #[must_use]
    pub const fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// When it should be renewed: two thirds of [`NODE_LIFE`] after it was
    /// issued, and up to two days before that, so that nodes that formed together
    /// do not all renew in one minute.
    #[must_use]
    pub fn renewal(&self) -> Timestamp {
        let digest = ring::digest::digest(&ring::digest::SHA256, &self.der);
        let number = digest.as_ref().iter().take(4).fold(0, |n: u64, b| (n << 8) | u64::from(*b));
        let early = number % (NODE_LIFE.as_secs() / 15);
        let before_the_end = Duration::from_secs(NODE_LIFE.as_secs() / 3 + early);
        // Out of range only for a date that no certificate has.
        let due = self.not_after.checked_sub(before_the_end).unwrap_or(self.not_after);
        due.max(self.not_before)
    }

    /// It is time to renew it.
    #[must_use]
    pub fn renewal_due(&self, now: Timestamp) -> bool {
        now >= self.renewal()
    }

    /// `now` lies inside its life.
    #[must_use]
    pub fn valid_at(&self, now: Timestamp) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// It certifies this key.
    #[must_use]
    pub fn matches(&self, key: &NodeKey) -> bool {
        self.public_key == key.public()
    }

    /// It was issued by this CA, for a node, and holds `now`.
    ///
    /// # Errors
    /// [`PkiError::Untrusted`] otherwise.
    pub fn verify(&self, ca: &CaCertificate, now: Timestamp) -> Result<(), PkiError> {
        let untrusted =
            |source| PkiError::Untrusted { whose: self.subject.name().to_owned(), source };
        let parsed = ParsedCertificate::try_from(&self.der).map_err(untrusted)?;
        let now = u64::try_from(now.as_second()).unwrap_or(0);
        rustls::client::verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &ca.roots()?,
            &[],
            UnixTime::since_unix_epoch(Duration::from_secs(now)),
            rustls::crypto::ring::default_provider().signature_verification_algorithms.all,
        )
        .map_err(untrusted)
    }
}

pub(crate) fn parse<'a>(
    der: &'a [u8],
    expected: &'static str,
) -> Result<X509Certificate<'a>, PkiError> {
    match X509Certificate::from_der(der) {
        Ok(([], x509)) => Ok(x509),
        Ok(_) => Err(PkiError::malformed(expected, "something follows it")),
        Err(e) => Err(PkiError::malformed(expected, e)),
    }
}

/// A CA's certificate: one that may sign others, and has signed itself.
pub(crate) fn parse_ca<'a>(
    der: &'a [u8],
    expected: &'static str,
) -> Result<X509Certificate<'a>, PkiError> {
    let x509 = parse(der, expected)?;
    if !x509.basic_constraints().ok().flatten().is_some_and(|c| c.value.ca) {
        return Err(PkiError::malformed(expected, "it may not sign certificates"));
    }
    x509.verify_signature(None)
        .map_err(|_| PkiError::malformed(expected, "its own signature does not hold"))?;
    Ok(x509)
}

/// This CA as the only root of trust.
pub(crate) fn roots(
    ca: &CertificateDer<'static>,
    whose: impl FnOnce() -> String,
) -> Result<RootCertStore, PkiError> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.clone()).map_err(|source| PkiError::Untrusted { whose: whose(), source })?;
    Ok(roots)
}

fn time(time: x509_parser::time::ASN1Time, of: &'static str) -> Result<Timestamp, PkiError> {
    Timestamp::from_second(time.timestamp())
        .map_err(|_| PkiError::malformed(of, "a date out of range"))
}

/// When a certificate ends.
pub(crate) fn not_after(
    x509: &X509Certificate<'_>,
    of: &'static str,
) -> Result<Timestamp, PkiError> {
    time(x509.validity().not_after, of)
}

fn general_names<'a>(
    x509: &'a X509Certificate<'a>,
) -> impl Iterator<Item = &'a GeneralName<'a>> + 'a {
    let names = x509.subject_alternative_name().ok().flatten();
    names.into_iter().flat_map(|n| n.value.general_names.iter())
}

pub(crate) fn uri(x509: &X509Certificate<'_>, scheme: &str) -> Option<String> {
    general_names(x509).find_map(|n| match n {
        GeneralName::URI(uri) => uri.strip_prefix(scheme).map(str::to_owned),
        _ => None,
    })
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

pub(crate) fn pem_certificate(text: &[u8]) -> Result<CertificateDer<'static>, PkiError> {
    CertificateDer::from_pem_slice(text).map_err(|e| PkiError::malformed("a PEM certificate", e))
}
