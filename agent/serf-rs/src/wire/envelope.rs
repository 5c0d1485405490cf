//! Labels and encryption, for packets and streams alike.
//!
//! Source: hashicorp/memberlist, `security.go`, `label.go`.

use super::msgpack::Malformed;
use super::swim::kind;
use crate::keyring::Keyring;
use rand::RngCore;

/// Format of a sealed message: 0 pads to blocks, 1 does not.
const PADDED: u8 = 0;
const UNPADDED: u8 = 1;
const NONCE: usize = 12;
const TAG: usize = 16;

/// What a checksum adds to a packet.
const CHECKSUM: usize = 5;

/// What sealing adds to a message.
pub const OVERHEAD: usize = 1 + NONCE + TAG;

/// Why bytes from the network are not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// Not the MessagePack that was expected.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Nothing in it.
    #[error("an empty message")]
    Empty,
    /// A label cut short, or none where one is announced.
    #[error("a broken label")]
    BrokenLabel,
    /// From a ring of another label.
    #[error("a message for another label")]
    OtherLabel,
    /// We have keys, and it is not sealed, or with a key that we lack.
    #[error("not sealed with any of our keys")]
    NotSealed,
    /// It is sealed, and we have no keys.
    #[error("sealed, and this ring has no keys")]
    Sealed,
    /// Its checksum is wrong.
    #[error("a wrong checksum")]
    Checksum,
    /// It cannot be decompressed.
    #[error("broken compression")]
    Compression,
    /// Larger than anything a ring sends.
    #[error("a {what} of more than {limit} bytes")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The most that is taken.
        limit: usize,
    },
    /// It ends before it is complete, though its length was right.
    #[error("a message that ends too early")]
    Truncated,
    /// Wrapped more often than anybody does.
    #[error("messages wrapped too deep")]
    Nested,
    /// Of a type that does not belong here.
    #[error("a message of type {0}, which does not belong here")]
    Kind(u8),
}

/// What surrounds every message of a ring.
#[derive(Clone, Debug, Default)]
pub struct Envelope {
    /// The keys, if the ring is encrypted.
    pub keyring: Option<Keyring>,
    /// A name that keeps rings on one network apart; at most 255 bytes, mostly empty.
    pub label: String,
}

impl Envelope {
    /// Bytes that this envelope adds to a packet at most: sealing, or a checksum.
    pub fn overhead(&self) -> usize {
        let label = if self.label.is_empty() { 0 } else { 2 + self.label.len() };
        label + if self.keyring.is_some() { OVERHEAD } else { CHECKSUM }
    }

    /// The label's header, which begins every packet and stream.
    pub(crate) fn label_header(&self) -> Vec<u8> {
        match u8::try_from(self.label.len()) {
            Ok(length @ 1..) => [&[kind::LABEL, length], self.label.as_bytes()].concat(),
            _ => Vec::new(),
        }
    }

    /// Takes the label off, which has to be ours. None: more bytes are needed.
    pub(crate) fn strip_label<'a>(&self, bytes: &'a [u8]) -> Result<Option<&'a [u8]>, WireError> {
        let (label, rest) = match *bytes {
            [] => return Ok(None),
            [kind::LABEL] => return Ok(None),
            [kind::LABEL, 0, ..] => return Err(WireError::BrokenLabel),
            [kind::LABEL, length, ref rest @ ..] => {
                match rest.split_at_checked(usize::from(length)) {
                    Some(split) => split,
                    None => return Ok(None),
                }
            }
            _ => (&[][..], bytes),
        };
        if label == self.label.as_bytes() { Ok(Some(rest)) } else { Err(WireError::OtherLabel) }
    }

    /// Seals `plain`, authenticating `data` besides.
    pub(crate) fn seal(&self, plain: &[u8], data: &[u8], rng: &mut impl RngCore) -> Vec<u8> {
        let Some(keyring) = &self.keyring else { return plain.to_vec() };
        let mut nonce = [0; NONCE];
        rng.fill_bytes(&mut nonce);
        let mut sealed = Vec::with_capacity(plain.len() + OVERHEAD);
        sealed.push(UNPADDED);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let body = sealed.get_mut(1 + NONCE..).unwrap_or_default();
        match keyring.seal(&nonce, data, body) {
            Some(tag) => sealed.extend_from_slice(&tag),
            // AES-GCM refuses 64 GiB and more. Nothing may leave unsealed.
            None => sealed.clear(),
        }
        sealed
    }

    /// Opens what was sealed with one of our keys.
    pub(crate) fn open(&self, sealed: &[u8], data: &[u8]) -> Result<Vec<u8>, WireError> {
        let keyring = self.keyring.as_ref().ok_or(WireError::Sealed)?;
        let (&version, rest) = sealed.split_first().ok_or(WireError::Empty)?;
        if version > UNPADDED {
            return Err(WireError::NotSealed);
        }
        let (nonce, rest) = rest.split_at_checked(NONCE).ok_or(WireError::NotSealed)?;
        let end = rest.len().checked_sub(TAG).ok_or(WireError::NotSealed)?;
        let (body, tag) = rest.split_at(end);
        let mut plain = keyring.open(nonce, data, body, tag).ok_or(WireError::NotSealed)?;
        if version == PADDED {
            let length = unpadded(&plain).ok_or(WireError::NotSealed)?;
            plain.truncate(length);
        }
        Ok(plain)
    }
}

/// How long a message is without its padding to blocks of 16 (PKCS #7). The
/// version is not authenticated, so somebody may have changed it on the way:
/// what ends like no padding is refused rather than cut off.
fn unpadded(plain: &[u8]) -> Option<usize> {
    let &padding = plain.last().filter(|padding| (1..=16).contains(*padding))?;
    let length = plain.len().checked_sub(usize::from(padding))?;
    plain.get(length..)?.iter().all(|byte| *byte == padding).then_some(length)
}
