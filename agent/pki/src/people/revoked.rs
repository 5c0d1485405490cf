//! What was revoked: a list that the people CA signed, so that it does not matter who
//! hands it on.

use super::PeopleCertificate;
use crate::PkiError;
use crate::certificate::parse;
use crate::encoding::to_pem;
use rustls_pki_types::{CertificateRevocationListDer, pem::PemObject};
use std::collections::BTreeSet;
use x509_parser::prelude::{CertificateRevocationList, FromDer};

/// A list whose signature was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedList {
    der: Vec<u8>,
    number: u64,
    serials: BTreeSet<String>,
}

impl RevokedList {
    /// Reads a list and checks that this CA signed it.
    ///
    /// # Errors
    /// [`PkiError::Malformed`] when it is none, or of another site.
    pub fn from_der(der: &[u8], ca: &PeopleCertificate) -> Result<Self, PkiError> {
        const EXPECTED: &str = "a list of revoked certificates of this site";
        let (rest, list) = CertificateRevocationList::from_der(der)
            .map_err(|e| PkiError::malformed(EXPECTED, e))?;
        if !rest.is_empty() {
            return Err(PkiError::malformed(EXPECTED, "something follows it"));
        }
        let issuer = parse(ca.der(), "the certificate of a site's people CA")?;
        list.verify_signature(issuer.public_key())
            .map_err(|_| PkiError::malformed(EXPECTED, "the site's people CA did not sign it"))?;
        let number = list.crl_number().and_then(|number| number.to_u64_digits().first().copied());
        let number = number.ok_or_else(|| PkiError::malformed(EXPECTED, "it has no number"))?;
        let serials =
            list.iter_revoked_certificates().map(|entry| hex::encode(entry.raw_serial())).collect();
        Ok(Self { der: der.to_vec(), number, serials })
    }

    /// Reads a list from PEM.
    ///
    /// # Errors
    /// As [`RevokedList::from_der`].
    pub fn from_pem(text: &[u8], ca: &PeopleCertificate) -> Result<Self, PkiError> {
        let der = CertificateRevocationListDer::from_pem_slice(text)
            .map_err(|e| PkiError::malformed("a PEM list of revoked certificates", e))?;
        Self::from_der(&der, ca)
    }

    /// As PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        to_pem("X509 CRL", &self.der)
    }

    /// As DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Of two lists the one with the greater number counts.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The serial numbers on it, in hex.
    #[must_use]
    pub const fn serials(&self) -> &BTreeSet<String> {
        &self.serials
    }
}
