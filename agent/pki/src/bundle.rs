//! The CAs whose certificates a node takes: one, or two while the cluster's CA is
//! replaced; and how a CA vouches for the one that comes after it.

use crate::certificate::roots;
use crate::{CaCertificate, NodeCertificate, PkiError};
use base64::{Engine, prelude::BASE64_STANDARD};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, pem::PemObject};

const PURPOSE: &[u8] = b"ashlar ca succession v1";

/// An uncompressed point of P-256: the end of a `SubjectPublicKeyInfo`.
const POINT: usize = 65;

/// At least one CA of one cluster. The first is the one by which new certificates are
/// signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    first: CaCertificate,
    also: Vec<CaCertificate>,
}

impl Bundle {
    /// One CA and no other.
    #[must_use]
    pub const fn of(ca: CaCertificate) -> Self {
        Self { first: ca, also: Vec::new() }
    }

    /// These, in this order, each once.
    ///
    /// # Errors
    /// [`PkiError::Mismatch`] when they are of several clusters.
    pub fn with(
        first: CaCertificate,
        also: impl IntoIterator<Item = CaCertificate>,
    ) -> Result<Self, PkiError> {
        let mut bundle = Self::of(first);
        for ca in also {
            if ca.cluster() != bundle.first.cluster() {
                return Err(PkiError::Mismatch(format!("{ca} beside {}", bundle.first)));
            }
            if !bundle.contains(&ca) {
                bundle.also.push(ca);
            }
        }
        Ok(bundle)
    }

    /// Reads the file that OpenSSL reads as well: one PEM block a CA.
    ///
    /// # Errors
    /// [`PkiError::Malformed`] when one is no CA's certificate or there is none,
    /// [`PkiError::Mismatch`] when they are of several clusters.
    pub fn from_pem(text: &[u8]) -> Result<Self, PkiError> {
        const EXPECTED: &str = "the certificates of a cluster's CAs";
        let mut all = Vec::new();
        for der in CertificateDer::pem_slice_iter(text) {
            let der = der.map_err(|e| PkiError::malformed(EXPECTED, e))?;
            all.push(CaCertificate::from_der(&der)?);
        }
        let mut all = all.into_iter();
        let first = all.next().ok_or_else(|| PkiError::malformed(EXPECTED, "there is none"))?;
        Self::with(first, all)
    }

    /// As PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.iter().map(CaCertificate::to_pem).collect()
    }

    /// The one by which new certificates are signed.
    #[must_use]
    pub const fn first(&self) -> &CaCertificate {
        &self.first
    }

    /// The others.
    #[must_use]
    pub fn also(&self) -> &[CaCertificate] {
        &self.also
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &CaCertificate> {
        std::iter::once(&self.first).chain(&self.also)
    }

    /// Whether it is among them.
    #[must_use]
    pub fn contains(&self, ca: &CaCertificate) -> bool {
        self.iter().any(|own| own == ca)
    }

    /// The one that issued this certificate, if one of them did.
    #[must_use]
    pub fn issuer_of(&self, certificate: &NodeCertificate) -> Option<&CaCertificate> {
        // Whether it belongs here, not whether it still holds: so at a moment inside its
        // life.
        let within = certificate.renewal();
        self.iter().find(|ca| certificate.verify(ca, within).is_ok())
    }

    /// All of them for rustls.
    pub(crate) fn roots(&self) -> Result<RootCertStore, PkiError> {
        let mut all = RootCertStore::empty();
        for ca in self.iter() {
            all.extend(roots(ca.der(), || ca.to_string())?.roots);
        }
        Ok(all)
    }
}

/// A CA's signature under the certificate of the one that comes after it: a box that
/// trusts the one may trust the other, whoever told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endorsement(pub(crate) Vec<u8>);

impl Endorsement {
    /// Reads what [`Endorsement::encode`] wrote.
    ///
    /// # Errors
    /// [`PkiError::Malformed`] when it is no base64.
    pub fn decode(text: &str) -> Result<Self, PkiError> {
        let bytes = BASE64_STANDARD.decode(text);
        bytes.map(Self).map_err(|e| PkiError::malformed("an endorsement of a CA", e))
    }

    /// As base64.
    #[must_use]
    pub fn encode(&self) -> String {
        BASE64_STANDARD.encode(&self.0)
    }

    /// That a CA vouches for this one, in the words that are signed.
    pub(crate) fn words(of: &CaCertificate) -> Vec<u8> {
        [PURPOSE, &[0], of.der().as_ref()].concat()
    }

    /// Whether `by` has signed it, and said so of `of`.
    ///
    /// # Errors
    /// [`PkiError::Mismatch`] when not.
    pub fn check(&self, of: &CaCertificate, by: &CaCertificate) -> Result<(), PkiError> {
        let key = by.public_key();
        let point = key.get(key.len().saturating_sub(POINT)..).unwrap_or_default();
        let same = of.cluster() == by.cluster();
        let signed = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point)
            .verify(&Self::words(of), &self.0)
            .is_ok();
        if same && signed {
            return Ok(());
        }
        Err(PkiError::Mismatch(format!("{by} does not vouch for the CA that is to follow it")))
    }
}
