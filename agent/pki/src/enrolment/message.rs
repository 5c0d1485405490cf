//! The four messages as they travel: JSON, with bytes in base64, unknown
//! fields refused.

use super::EnrolError;
use crate::NodeSubject;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};

/// The longest message that is read; real ones are under 2 KiB.
pub const MAX_MESSAGE: usize = 16 * 1024;

/// Both sides' protocol version. Another one is refused, never guessed at.
const VERSION: u32 = 1;

/// A fresh random number of one side.
pub(super) type Random = [u8; 32];

/// Newcomer → member: asks to enrol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    #[serde(deserialize_with = "version")]
    version: u32,
    #[serde(deserialize_with = "nonce")]
    pub(super) nonce: Blob,
}

impl Hello {
    pub(super) fn new(nonce: Random) -> Self {
        Self { version: VERSION, nonce: Blob(nonce.to_vec()) }
    }
}

/// Member → newcomer: shows its CA and proves the ring key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Challenge {
    #[serde(deserialize_with = "nonce")]
    pub(super) nonce: Blob,
    pub(super) ca: Blob,
    /// CAs whose certificates members take besides, while the CA is replaced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) also: Vec<Blob>,
    /// What the CA before signed of this one, for a box that knows that one only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) endorsed: Option<Blob>,
    pub(super) mac: Blob,
}

/// Newcomer → member: names itself, hands in its request, proves the ring key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    pub(super) subject: NodeSubject,
    pub(super) request: Blob,
    pub(super) mac: Blob,
}

/// Member → newcomer: the certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    pub(super) certificate: Blob,
    pub(super) mac: Blob,
}

macro_rules! travels {
    ($($message:ident = $name:literal),*) => {$(
        impl $message {
            /// As it travels.
            ///
            /// # Errors
            /// Never in practice: every field can be written.
            pub fn encode(&self) -> Result<Vec<u8>, EnrolError> {
                serde_json::to_vec(self).map_err(|e| EnrolError::Unreadable {
                    message: $name, reason: e.to_string(),
                })
            }

            /// Reads what came from the network.
            ///
            /// # Errors
            /// [`EnrolError::Unreadable`] for anything but this message.
            pub fn decode(bytes: &[u8]) -> Result<Self, EnrolError> {
                decode($name, bytes)
            }
        }
    )*};
}

travels!(Hello = "hello", Challenge = "challenge", Proof = "proof", Grant = "grant");

fn decode<T: DeserializeOwned>(message: &'static str, bytes: &[u8]) -> Result<T, EnrolError> {
    let unreadable = |reason: String| EnrolError::Unreadable { message, reason };
    if bytes.len() > MAX_MESSAGE {
        return Err(unreadable(format!("{} bytes, more than {MAX_MESSAGE}", bytes.len())));
    }
    serde_json::from_slice(bytes).map_err(|e| unreadable(e.to_string()))
}

fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        VERSION => Ok(VERSION),
        other => Err(serde::de::Error::custom(format!(
            "protocol version {other}; this release speaks {VERSION}: update the older node"
        ))),
    }
}

/// A short nonce would not be fresh.
fn nonce<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Blob, D::Error> {
    let nonce = Blob::deserialize(deserializer)?;
    if nonce.0.len() == size_of::<Random>() {
        Ok(nonce)
    } else {
        Err(serde::de::Error::custom(format!("a nonce of {} bytes, not 32", nonce.0.len())))
    }
}

/// Bytes, in canonical base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Blob(pub(super) Vec<u8>);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64_STANDARD.decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}
