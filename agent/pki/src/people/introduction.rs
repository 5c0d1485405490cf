//! How a box proves to a person that it is of the site, whatever certificate it shows.
//!
//! Both sides derive a key from the ring's key and the person's certificate: the box
//! when the person calls, and whoever made the certificate then. So each person has
//! a key of one's own, by which nobody can enrol, nor pose as a box to anyone else.

use super::PersonCertificate;
use crate::sealed::derive;
use crate::{PkiError, RingKey};
use base64::{Engine, prelude::BASE64_STANDARD};
use ring::hmac;
use rustls::{ConnectionCommon, ProtocolVersion, SideData};
use zeroize::Zeroizing;

const PURPOSE: &[u8] = b"ashlar introduction v1";
const LABEL: &[u8] = b"EXPORTER-ashlar-introduction-v1";

/// What makes a TLS 1.3 session different from every other: someone in between has
/// another one on each side.
#[derive(Clone, PartialEq, Eq)]
pub struct Introduction(Zeroizing<[u8; 32]>);

impl Introduction {
    /// Exports it from a finished handshake.
    ///
    /// # Errors
    /// [`PkiError::Mismatch`] below TLS 1.3, or before the handshake is done.
    pub fn of<D: SideData>(connection: &ConnectionCommon<D>) -> Result<Self, PkiError> {
        let unfit = || PkiError::Mismatch("the session is not TLS 1.3, or not open yet".into());
        if connection.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
            return Err(unfit());
        }
        let exported =
            connection.export_keying_material([0; 32], LABEL, None).map_err(|_| unfit())?;
        Ok(Self(Zeroizing::new(exported)))
    }
}

/// The key of one person and one ring key.
#[derive(Clone)]
pub struct IntroductionKey(Zeroizing<[u8; 32]>);

impl IntroductionKey {
    /// Derives it.
    ///
    /// # Errors
    /// [`PkiError::Crypto`] when the cryptographic library fails.
    pub fn of(ring_key: &RingKey, person: &PersonCertificate) -> Result<Self, PkiError> {
        let purpose = [PURPOSE, person.der().as_ref()].concat();
        derive(ring_key, &purpose)
            .map(Self)
            .map_err(PkiError::unspecified("cannot derive the introduction's key"))
    }

    /// Reads it as [`IntroductionKey::to_base64`] wrote it.
    ///
    /// # Errors
    /// [`PkiError::Malformed`] when it is none.
    pub fn from_base64(text: &str) -> Result<Self, PkiError> {
        const EXPECTED: &str = "an introduction's key";
        let bytes = BASE64_STANDARD.decode(text).map(Zeroizing::new);
        // Not the decoder's words: they quote what they cannot read.
        let bytes = bytes.map_err(|_| PkiError::malformed(EXPECTED, "it is no base64"))?;
        let key = <[u8; 32]>::try_from(bytes.as_slice());
        key.map(|key| Self(Zeroizing::new(key)))
            .map_err(|_| PkiError::malformed(EXPECTED, "it has not 32 bytes"))
    }

    /// As base64.
    #[must_use]
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64_STANDARD.encode(*self.0))
    }

    /// What a box of the site says in this session.
    #[must_use]
    pub fn sign(&self, session: &Introduction) -> Vec<u8> {
        hmac::sign(&self.key(), &*session.0).as_ref().to_vec()
    }

    /// Whether a box of the site said this, in this session.
    #[must_use]
    pub fn holds(&self, session: &Introduction, said: &[u8]) -> bool {
        hmac::verify(&self.key(), &*session.0, said).is_ok()
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &*self.0)
    }
}
