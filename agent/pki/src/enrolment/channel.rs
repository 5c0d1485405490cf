//! What makes one TLS session different from every other.

use super::EnrolError;
use rustls::{ConnectionCommon, ProtocolVersion, SideData};
use zeroize::{Zeroize, ZeroizeOnDrop};

const LABEL: &[u8] = b"EXPORTER-ashlar-enrol-v1";

/// Keying material exported from a TLS 1.3 session (RFC 8446, section 7.5): the
/// same on both ends of one session, and different on any two sessions, so also
/// on the two that someone in between would hold.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Channel(pub(super) [u8; 32]);

impl Channel {
    /// Exports from a finished handshake; `ClientConnection` and
    /// `ServerConnection` both dereference to what this takes.
    ///
    /// # Errors
    /// [`EnrolError::Channel`] before the handshake is done, or below TLS 1.3,
    /// whose exporter does not cover the server's certificate.
    pub fn of<D: SideData>(connection: &ConnectionCommon<D>) -> Result<Self, EnrolError> {
        if connection.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
            return Err(EnrolError::Channel("it is not TLS 1.3, or not open yet".into()));
        }
        connection
            .export_keying_material([0; 32], LABEL, None)
            .map(Self)
            .map_err(|e| EnrolError::Channel(e.to_string()))
    }
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Channel(…)")
    }
}
