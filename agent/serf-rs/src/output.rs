//! What a node wants its caller to do.

use crate::event::Event;
use crate::keyring::Keyring;
use crate::ring::{KeyResult, QueryKey, SaveId};
use crate::swim::{JoinId, StreamId};
use bytes::Bytes;
use std::net::SocketAddr;

/// Something for the caller to do or to know.
#[derive(Debug)]
#[non_exhaustive]
pub enum Output {
    /// Send this datagram.
    Packet {
        /// To whom.
        to: SocketAddr,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// Connect, send these bytes, and hand over what comes back
    /// ([`crate::Node::stream_data`], [`crate::Node::stream_closed`]).
    StreamOpen {
        /// Its name from now on.
        stream: StreamId,
        /// To whom.
        to: SocketAddr,
        /// What to send.
        bytes: Vec<u8>,
    },
    /// Send these bytes on a stream.
    StreamSend {
        /// Which.
        stream: StreamId,
        /// What to send.
        bytes: Vec<u8>,
    },
    /// Close a stream once everything is sent.
    StreamClose {
        /// Which.
        stream: StreamId,
    },
    /// Bytes from the network that were not used, for the log.
    Refused {
        /// From whom.
        from: SocketAddr,
        /// Why.
        why: String,
    },
    /// Something happened in the ring.
    Event(Event),
    /// A join is over.
    Joined {
        /// Which.
        join: JoinId,
        /// With how many of the addresses,
        reached: usize,
        /// and what the others failed with.
        errors: Vec<(SocketAddr, String)>,
    },
    /// A node confirms that a query of ours arrived.
    QueryAck {
        /// Which query.
        query: QueryKey,
        /// Which node.
        from: String,
    },
    /// A node answers a query of ours.
    QueryAnswer {
        /// Which query.
        query: QueryKey,
        /// Which node.
        from: String,
        /// Its answer.
        payload: Bytes,
    },
    /// The time of a query of ours is over.
    QueryDone {
        /// Which query.
        query: QueryKey,
    },
    /// What came of a change of the ring's keys.
    KeysDone {
        /// Which.
        query: QueryKey,
        /// What the members answered.
        result: KeyResult,
    },
    /// Keep this keyring where it survives a power cut, then call
    /// [`crate::Node::keyring_saved`]: the node answers only then.
    SaveKeyring {
        /// To be given back.
        save: SaveId,
        /// What to keep.
        keyring: Keyring,
    },
    /// This node has left: nobody expects it to answer any more.
    Left,
    /// Another node has this node's name, and the ring sides with the other:
    /// this one should stop.
    NameLost {
        /// How many members named our address,
        matching: usize,
        /// of so many that answered.
        answered: usize,
    },
}

/// What a node has counted since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Datagrams received.
    pub packets_received: u64,
    /// Datagrams sent.
    pub packets_sent: u64,
    /// Messages, packets and streams that were not used.
    pub refused: u64,
    /// How often this node had to refute what others told of it.
    pub refutations: u64,
    /// How often this node told somebody that what it said of a member was
    /// refuted already.
    pub corrections: u64,
}
