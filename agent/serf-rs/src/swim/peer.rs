//! What is known of a member.

use super::suspicion::Suspicion;
use crate::time::Time;
use crate::wire::swim::{NodeAddr, NodeState, Versions};
use bytes::Bytes;
use std::net::SocketAddr;

/// What a member is believed to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It answers.
    Alive,
    /// It did not answer lately, and may refute that.
    Suspect,
    /// It did not refute.
    Dead,
    /// It said that it leaves.
    Left,
}

impl State {
    /// The number on the wire.
    const fn number(self) -> u8 {
        match self {
            Self::Alive => 0,
            Self::Suspect => 1,
            Self::Dead => 2,
            Self::Left => 3,
        }
    }

    /// From the number on the wire.
    pub(crate) const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Alive),
            1 => Some(Self::Suspect),
            2 => Some(Self::Dead),
            3 => Some(Self::Left),
            _ => None,
        }
    }

    /// Dead or left.
    pub(crate) const fn is_gone(self) -> bool {
        matches!(self, Self::Dead | Self::Left)
    }
}

/// A member.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) addr: NodeAddr,
    pub(crate) port: u16,
    /// Its encoded tags.
    pub(crate) meta: Bytes,
    pub(crate) versions: Option<Versions>,
    pub(crate) incarnation: u32,
    pub(crate) state: State,
    /// When its state changed last.
    pub(crate) changed: Time,
    pub(crate) suspicion: Option<Suspicion>,
}

impl Peer {
    pub(crate) const fn address(&self) -> SocketAddr {
        SocketAddr::new(self.addr.ip(), self.port)
    }

    /// Whether it speaks at least this version of the membership protocol.
    fn speaks(&self, version: u8) -> bool {
        self.versions.is_some_and(|Versions([_, most, ..])| most >= version)
    }

    /// Checksums came with version 5.
    pub(super) fn knows_checksums(&self) -> bool {
        self.speaks(5)
    }

    /// Nacks came with version 4.
    pub(super) fn knows_nacks(&self) -> bool {
        self.speaks(4)
    }

    /// Pings on streams came with version 3.
    pub(super) fn knows_stream_pings(&self) -> bool {
        self.speaks(3)
    }

    /// Versions as they are told on.
    pub(super) fn versions_on_wire(&self) -> Bytes {
        self.versions.unwrap_or_default().write()
    }

    /// For an exchange.
    pub(super) fn on_wire(&self, name: &str) -> NodeState {
        NodeState {
            name: name.to_owned(),
            addr: self.addr.write(),
            port: self.port,
            meta: self.meta.clone(),
            incarnation: self.incarnation,
            state: self.state.number(),
            versions: self.versions_on_wire(),
        }
    }
}
