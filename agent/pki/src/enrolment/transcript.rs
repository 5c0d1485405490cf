//! Everything said so far, and the MACs over it.

use super::{Channel, EnrolError};
use crate::{PkiError, RingKey, sealed::derive};
use ring::hmac;

const PURPOSE: &[u8] = b"ashlar enrol v1";

/// What a MAC asserts: who speaks, and at which step.
#[derive(Clone, Copy)]
pub(super) enum Role {
    /// The member, answering the hello.
    Challenge,
    /// The newcomer, answering the challenge.
    Proof,
    /// The member, answering the proof.
    Grant,
}

impl Role {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Challenge => b"challenge",
            Self::Proof => b"proof",
            Self::Grant => b"grant",
        }
    }

    const fn speaker(self) -> &'static str {
        match self {
            Self::Challenge | Self::Grant => "member",
            Self::Proof => "newcomer",
        }
    }
}

pub(super) struct Transcript {
    key: hmac::Key,
    said: Vec<u8>,
}

impl Transcript {
    pub(super) fn open(ring_key: &RingKey, channel: &Channel) -> Result<Self, EnrolError> {
        let key = derive(ring_key, PURPOSE)
            .map_err(PkiError::unspecified("cannot derive the enrolment key"))?;
        let mut transcript =
            Self { key: hmac::Key::new(hmac::HMAC_SHA256, &*key), said: Vec::new() };
        transcript.say(&channel.0);
        Ok(transcript)
    }

    /// Adds a field, with its length, so that no two different lists of fields
    /// give the same bytes.
    pub(super) fn say(&mut self, field: &[u8]) {
        append(&mut self.said, field);
    }

    pub(super) fn mac(&self, role: Role) -> Vec<u8> {
        hmac::sign(&self.key, &self.spoken_as(role)).as_ref().to_vec()
    }

    /// Checks a MAC in constant time.
    pub(super) fn check(&self, role: Role, mac: &[u8]) -> Result<(), EnrolError> {
        hmac::verify(&self.key, &self.spoken_as(role), mac)
            .map_err(|_| EnrolError::Unproved { by: role.speaker() })
    }

    fn spoken_as(&self, role: Role) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.said.len() + 32);
        append(&mut bytes, role.label());
        bytes.extend_from_slice(&self.said);
        bytes
    }
}

fn append(bytes: &mut Vec<u8>, field: &[u8]) {
    bytes.extend_from_slice(&(field.len() as u64).to_be_bytes());
    bytes.extend_from_slice(field);
}
