//! Private keys: ECDSA P-256, which rustls, GlusterFS's OpenSSL and ring all
//! speak.

use crate::encoding::to_pem;
use crate::{NodeSubject, PkiError};
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use rustls_pki_types::{
    CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject,
};
use zeroize::{Zeroize, Zeroizing};

/// A P-256 key pair whose PKCS #8 form is wiped from memory when dropped.
/// (The scalar inside ring's own key type is beyond our reach.)
pub(crate) struct PrivateKey(KeyPair);

impl Drop for PrivateKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl PrivateKey {
    pub(crate) fn generate() -> Result<Self, PkiError> {
        KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
            .map(Self)
            .map_err(PkiError::crypto("cannot generate a key"))
    }

    /// Reads a PKCS #8 key, refusing any other kind than P-256.
    pub(crate) fn from_pkcs8(der: &[u8]) -> Result<Self, PkiError> {
        let der = PrivatePkcs8KeyDer::from(der);
        KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_ECDSA_P256_SHA256)
            .map(Self)
            // Not the parser's words: nothing of a private key belongs in a log.
            .map_err(|_| PkiError::malformed("a P-256 private key in PKCS #8", "cannot be read"))
    }

    pub(crate) fn pkcs8(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.0.serialized_der().to_vec())
    }

    pub(crate) const fn pair(&self) -> &KeyPair {
        &self.0
    }

    /// `SubjectPublicKeyInfo`, as a certificate carries it.
    pub(crate) fn public(&self) -> Vec<u8> {
        self.0.subject_public_key_info()
    }
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PrivateKey(…)")
    }
}

/// A node's own key. It is made once, before the first certificate request,
/// and kept over renewals: GlusterFS reads key and certificate from two files,
/// which cannot both be replaced in one step.
#[derive(Debug)]
pub struct NodeKey(PrivateKey);

impl NodeKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// [`PkiError::Crypto`] when the system gives no random numbers.
    pub fn generate() -> Result<Self, PkiError> {
        PrivateKey::generate().map(Self)
    }

    /// Reads a key that [`NodeKey::to_pem`] wrote.
    ///
    /// # Errors
    /// [`PkiError::Malformed`] when it is no P-256 key.
    pub fn from_pem(text: &[u8]) -> Result<Self, PkiError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(text)
            .map_err(|_| PkiError::malformed("a PEM private key", "no PRIVATE KEY block"))?;
        let der = Zeroizing::new(der.secret_pkcs8_der().to_vec());
        PrivateKey::from_pkcs8(&der).map(Self)
    }

    /// PKCS #8 PEM, as OpenSSL and rustls read it.
    #[must_use]
    pub fn to_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.pair().serialize_pem())
    }

    /// A request for a certificate of this key. It carries the subject for the
    /// eyes of a person only: the authority takes the names from what was
    /// proved, never from here.
    ///
    /// # Errors
    /// [`PkiError::Crypto`] when signing fails.
    pub fn request(
        &self,
        subject: &NodeSubject,
    ) -> Result<CertificateSigningRequestDer<'static>, PkiError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, subject.name());
        let request = params
            .serialize_request(self.0.pair())
            .map_err(PkiError::crypto("cannot sign a certificate request"))?;
        Ok(request.into())
    }

    /// [`NodeKey::request`] as PEM, as the API carries it.
    ///
    /// # Errors
    /// As [`NodeKey::request`].
    pub fn request_pem(&self, subject: &NodeSubject) -> Result<String, PkiError> {
        self.request(subject).map(|der| to_pem("CERTIFICATE REQUEST", &der))
    }

    /// `SubjectPublicKeyInfo`, as a certificate carries it.
    pub(crate) fn public(&self) -> Vec<u8> {
        self.0.public()
    }

    pub(crate) const fn pair(&self) -> &KeyPair {
        self.0.pair()
    }

    pub(crate) const fn from_private(key: PrivateKey) -> Self {
        Self(key)
    }

    pub(crate) fn into_private(self) -> PrivateKey {
        self.0
    }

    /// For rustls.
    pub(crate) fn to_rustls(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.0.pkcs8().to_vec()).into()
    }
}
