//! A node with sockets, files and tasks, on tokio.
//!
//! [`Agent::start`] opens the sockets and starts one task, the `driver`, that
//! owns the [`Node`](crate::Node) and is the only one to touch it. An [`Agent`]
//! is a handle to it: cheap to clone, and the node ends with the last one.
//!
//! - `driver` moves bytes and time between the world and the node,
//! - `commands` are what handles want of it,
//! - `streams` are the connections,
//! - `files` keep keyring and snapshot over a power cut,
//! - `rejoin` asks known addresses until somebody answers,
//! - `discover` finds nodes by mDNS,
//! - `announce` is what they say there besides,
//! - `rpc` answers the stock `serf` command.

mod announce;
mod commands;
mod discover;
mod driver;
pub(crate) mod files;
mod handle;
mod journal;
mod rejoin;
pub mod rpc;
mod streams;

pub use announce::{Announcements, Words};
pub use discover::Discover;
pub use files::read_keyring;
pub use handle::{Agent, Asking, Events, Occurred, QueryReply};

use crate::ring::{Config, ConfigError, EventError};
use std::net::SocketAddr;
use std::path::PathBuf;

/// How an agent runs its node.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// The node.
    pub node: Config,
    /// Where to listen; the node's own address if not given.
    pub bind: Option<SocketAddr>,
    /// Where the keyring is kept when the ring changes it; mode 0600.
    pub keyring_file: Option<PathBuf>,
    /// Where to remember members and clocks.
    pub snapshot: Option<PathBuf>,
    /// Whether to rejoin the remembered members even after leaving.
    pub rejoin_after_leave: bool,
    /// Addresses to ask until one of them answers, for as long as it takes.
    pub retry_join: Vec<String>,
    /// Whether past events are wanted when joining.
    pub replay: bool,
    /// How to find nodes without knowing an address.
    pub discover: Option<Discover>,
    /// Where the `serf` command connects, and the key that it has to know.
    pub rpc: Option<(SocketAddr, Option<String>)>,
}

impl AgentConfig {
    /// A node that only listens.
    pub const fn new(node: Config) -> Self {
        Self {
            node,
            bind: None,
            keyring_file: None,
            snapshot: None,
            rejoin_after_leave: false,
            retry_join: Vec::new(),
            replay: false,
            discover: None,
            rpc: None,
        }
    }
}

/// Why an agent does not start, or cannot do as it is told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// The node cannot be like this.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An address cannot be listened at.
    #[error("cannot listen at {address} ({what})")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// For what.
        what: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// A file cannot be read or written.
    #[error("cannot use {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The keyring file holds no keys.
    #[error("{} is no keyring: {why} (expected a JSON list of base64 keys, the primary one first)", path.display())]
    Keyring {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A new keyring is not taken, because it is not safe.
    #[error("{0}")]
    Save(String),
    /// mDNS cannot be used.
    #[error("cannot announce this node by mDNS: {0}")]
    Discovery(String),
    /// The operating system gives no random numbers.
    #[error("the operating system gives no random numbers: {0}")]
    Random(String),
    /// The ring does not carry it.
    #[error(transparent)]
    Event(#[from] EventError),
    /// No address answered.
    #[error("nobody could be joined: {0}")]
    Join(String),
    /// The agent has ended.
    #[error("the agent has ended")]
    Ended,
}
