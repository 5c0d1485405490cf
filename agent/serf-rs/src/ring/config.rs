//! How a node takes part in a ring, and whether it can.

use super::Coalescing;
use crate::keyring::Keyring;
use crate::time::Profile;
use crate::wire::serf::encode_tags;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Most bytes of encoded tags.
const LONGEST_TAGS: usize = 512;

/// How a node takes part in a ring.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its name, unique in the ring.
    pub name: String,
    /// Where others reach it.
    pub address: SocketAddr,
    /// Its tags, 512 bytes at most when encoded.
    pub tags: BTreeMap<String, String>,
    /// The ring's keys; none for a ring in the clear.
    pub keyring: Option<Keyring>,
    /// A label that keeps rings on one network apart; mostly empty.
    pub label: String,
    /// How fast the ring gossips.
    pub profile: Profile,
    /// What a snapshot remembers of earlier: times up to which events and
    /// queries were seen. Zero for a new node.
    pub clocks: Clocks,
    /// Failed members are asked back so often.
    pub reconnect_interval: Duration,
    /// Failed members are forgotten after so long.
    pub reconnect_timeout: Duration,
    /// Members that left are forgotten after so long.
    pub tombstone_timeout: Duration,
    /// Whether events of members that come together are told as few.
    pub coalesce_members: Option<Coalescing>,
    /// Whether of user events that allow it only the last of a name is told.
    pub coalesce_events: Option<Coalescing>,
}

/// The last times seen on a ring's three clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clocks {
    /// Of joining and leaving.
    pub members: u64,
    /// Of events.
    pub events: u64,
    /// Of queries.
    pub queries: u64,
}

impl Config {
    /// What HashiCorp's agent does unless told otherwise, on one local network.
    pub fn new(name: impl Into<String>, address: SocketAddr) -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            name: name.into(),
            address,
            tags: BTreeMap::new(),
            keyring: None,
            label: String::new(),
            profile: Profile::LAN,
            clocks: Clocks::default(),
            reconnect_interval: Duration::from_secs(30),
            reconnect_timeout: DAY,
            tombstone_timeout: DAY,
            coalesce_members: None,
            coalesce_events: None,
        }
    }

    /// Whether a node can be like this.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.name.is_empty() || self.name.len() > 128 {
            return Err(ConfigError::Name(self.name.len()));
        }
        if self.name.contains(char::is_control) {
            return Err(ConfigError::Unprintable(self.name.clone()));
        }
        if self.label.len() > 255 {
            return Err(ConfigError::Label(self.label.len()));
        }
        if self.address.ip().is_unspecified() || self.address.port() == 0 {
            return Err(ConfigError::Address(self.address));
        }
        Ok(())
    }
}

/// Why a node cannot be what it is asked to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The name is empty or too long.
    #[error("a node's name has 1 to 128 bytes, this one {0}")]
    Name(usize),
    /// The name would break the lines of logs.
    #[error("a node's name has no control characters, this one is {0:?}")]
    Unprintable(String),
    /// Too many or too long tags.
    #[error("the tags take {0} bytes when encoded, and at most {LONGEST_TAGS} are carried")]
    Tags(usize),
    /// The label is too long.
    #[error("a label has at most 255 bytes, this one {0}")]
    Label(usize),
    /// The address cannot be told to others.
    #[error("{0} is no address that others could reach")]
    Address(SocketAddr),
}

pub(super) fn checked_tags(tags: &BTreeMap<String, String>) -> Result<Bytes, ConfigError> {
    let meta = encode_tags(tags);
    if meta.len() > LONGEST_TAGS { Err(ConfigError::Tags(meta.len())) } else { Ok(meta) }
}
