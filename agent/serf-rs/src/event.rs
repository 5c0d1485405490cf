//! What happens in a ring, as a program hears of it.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// A member, as the Serf layer knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name, unique in the ring.
    pub name: Arc<str>,
    /// Where it is.
    pub address: SocketAddr,
    /// Its tags.
    pub tags: Arc<BTreeMap<String, String>>,
    /// Whether it lives.
    pub status: Status,
    /// Least, greatest and current version of the membership protocol, then
    /// the same of Serf's.
    pub versions: [u8; 6],
}

/// Whether a member lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// It lives.
    Alive,
    /// It said that it leaves.
    Leaving,
    /// It left.
    Left,
    /// It does not answer.
    Failed,
}

impl Status {
    /// Serf's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Leaving => "leaving",
            Self::Left => "left",
            Self::Failed => "failed",
        }
    }

    /// Serf's number.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Alive => 1,
            Self::Leaving => 2,
            Self::Left => 3,
            Self::Failed => 4,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What happened to members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// They are there.
    Join,
    /// They left.
    Leave,
    /// They do not answer.
    Failed,
    /// They have other tags, or moved.
    Update,
    /// They are forgotten.
    Reap,
}

impl Change {
    /// Serf's word, as in its event streams.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Join => "member-join",
            Self::Leave => "member-leave",
            Self::Failed => "member-failed",
            Self::Update => "member-update",
            Self::Reap => "member-reap",
        }
    }
}

/// Something that a user told everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserEvent {
    /// When, on the ring's clock of events.
    pub ltime: u64,
    /// Its name.
    pub name: String,
    /// Its payload.
    pub payload: Bytes,
    /// Whether only the last one of this name matters.
    pub coalesce: bool,
}

/// Names a query that this node was asked, for [`crate::Node::respond`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(pub(crate) u64);

/// Something that a user asks everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryEvent {
    /// For the answer.
    pub id: QueryId,
    /// When, on the ring's clock of queries.
    pub ltime: u64,
    /// Its name.
    pub name: String,
    /// Its payload.
    pub payload: Bytes,
    /// Who asks; empty if it does not say.
    pub from: String,
    /// How long an answer is awaited.
    pub timeout: std::time::Duration,
}

/// Something that happened in the ring.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Something happened to members.
    Members {
        /// What.
        change: Change,
        /// To whom.
        members: Vec<Member>,
    },
    /// A user told everybody something.
    User(UserEvent),
    /// A user asks everybody something.
    Query(QueryEvent),
}

impl Event {
    /// Something happened to one member.
    pub(crate) fn about(change: Change, member: Member) -> Self {
        Self::Members { change, members: vec![member] }
    }
}
