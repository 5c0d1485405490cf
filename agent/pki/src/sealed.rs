//! The CA key at rest: useless to someone who has the file but not the site's
//! ring key.

use crate::{CaCertificate, ClusterCa, PkiError, RingKey};
use base64::{Engine, prelude::BASE64_STANDARD};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hkdf};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

const PURPOSE: &[u8] = b"ashlar ca key at rest v1";

/// `ca.key.sealed`: AES-256-GCM over the PKCS #8 key, with the CA certificate
/// as associated data, so that a seal opens for its own CA only.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SealedKey {
    version: u32,
    /// SHA-256 of the CA certificate, so that one can see without the ring key
    /// which CA the seal belongs to.
    ca: String,
    nonce: String,
    sealed: String,
}

impl SealedKey {
    pub(crate) fn seal(ca: &ClusterCa, ring_key: &RingKey) -> Result<Self, PkiError> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new()
            .fill(&mut nonce)
            .map_err(PkiError::unspecified("cannot draw a nonce"))?;
        let mut sealed = ca.key().to_vec();
        cipher(ring_key)?
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(ca.certificate().der().as_ref()),
                &mut sealed,
            )
            .map_err(PkiError::unspecified("cannot seal the CA key"))?;
        Ok(Self {
            version: 1,
            ca: fingerprint(ca.certificate()),
            nonce: BASE64_STANDARD.encode(nonce),
            sealed: BASE64_STANDARD.encode(sealed),
        })
    }

    pub(crate) fn open(
        &self,
        certificate: CaCertificate,
        ring_key: &RingKey,
    ) -> Result<ClusterCa, PkiError> {
        let decode = |text: &str| BASE64_STANDARD.decode(text).map_err(|_| PkiError::Sealed);
        if self.version != 1 || !self.is_of(&certificate) {
            return Err(PkiError::Sealed);
        }
        let nonce = Nonce::try_assume_unique_for_key(&decode(&self.nonce)?)
            .map_err(|_| PkiError::Sealed)?;
        let mut text = Zeroizing::new(decode(&self.sealed)?);
        let key = cipher(ring_key)?
            .open_in_place(nonce, Aad::from(certificate.der().as_ref()), &mut text)
            .map_err(|_| PkiError::Sealed)?;
        ClusterCa::from_parts(certificate, key)
    }

    pub(crate) fn is_of(&self, certificate: &CaCertificate) -> bool {
        self.ca == fingerprint(certificate)
    }
}

fn fingerprint(certificate: &CaCertificate) -> String {
    hex::encode(digest::digest(&digest::SHA256, certificate.der()))
}

fn cipher(ring_key: &RingKey) -> Result<LessSafeKey, PkiError> {
    let key = derive(ring_key, PURPOSE).map_err(PkiError::unspecified("cannot derive a key"))?;
    UnboundKey::new(&AES_256_GCM, &*key)
        .map(LessSafeKey::new)
        .map_err(PkiError::unspecified("cannot derive a key"))
}

/// One key a purpose, from the ring key (HKDF-SHA256, no salt: the ring key is
/// 256 random bits already).
pub(crate) fn derive(
    ring_key: &RingKey,
    purpose: &[u8],
) -> Result<Zeroizing<[u8; 32]>, ring::error::Unspecified> {
    let mut key = Zeroizing::new([0; 32]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
        .extract(ring_key)
        .expand(&[purpose], hkdf::HKDF_SHA256)?
        .fill(&mut *key)?;
    Ok(key)
}
