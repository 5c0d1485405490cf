//! Messages of the Serf layer, which travel inside membership messages.
//!
//! Source: hashicorp/serf, `serf/messages.go`, `serf/keymanager.go`,
//! `coordinate/coordinate.go`.

use super::msgpack::{Decoder, Malformed, Value, record};
use super::swim::{NodeAddr, encode};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// The byte that begins each message: what follows it.
pub mod kind {
    #![allow(missing_docs, reason = "the names are the protocol's own")]
    pub const LEAVE: u8 = 0;
    pub const JOIN: u8 = 1;
    pub const PUSH_PULL: u8 = 2;
    pub const USER_EVENT: u8 = 3;
    pub const QUERY: u8 = 4;
    pub const QUERY_RESPONSE: u8 = 5;
    pub const CONFLICT_RESPONSE: u8 = 6;
    pub const KEY_REQUEST: u8 = 7;
    pub const KEY_RESPONSE: u8 = 8;
    pub const RELAY: u8 = 9;
}

/// A query wants an acknowledgement; a response is one.
pub const FLAG_ACK: u32 = 1;
/// A query is not told on.
pub const FLAG_NO_BROADCAST: u32 = 2;

/// The type byte of a filter by node names.
const FILTER_NODES: u8 = 0;
/// The type byte of a filter by a tag.
const FILTER_TAG: u8 = 1;

/// The first byte of encoded tags; without it they are a bare role.
const TAGS: u8 = 0xff;

/// The version of the coordinate in an ack.
const COORDINATE: u8 = 1;

record! {
    /// A node joins.
    Join {
        /// When, on the clock of memberships.
        ltime: u64 = "LTime",
        /// Its name.
        node: String = "Node",
    }

    /// A node is about to leave, or somebody takes a failed one for left.
    Leave {
        /// When, on the clock of memberships.
        ltime: u64 = "LTime",
        /// Its name.
        node: String = "Node",
        /// Whether to forget it at once.
        prune: bool = "Prune",
    }

    /// What two nodes tell each other about the Serf layer.
    PushPull {
        /// The clock of memberships.
        ltime: u64 = "LTime",
        /// When each member's status changed last.
        status_ltimes: BTreeMap<String, u64> = "StatusLTimes",
        /// Who left.
        left: Vec<String> = "LeftMembers",
        /// The clock of events.
        event_ltime: u64 = "EventLTime",
        /// Recent events; Go writes nil for the free places of its buffer.
        events: Vec<EventsAt> = "Events",
        /// The clock of queries.
        query_ltime: u64 = "QueryLTime",
    }

    /// The events of one time.
    EventsAt {
        /// That time.
        ltime: u64 = "LTime",
        /// The events.
        events: Vec<PastEvent> = "Events",
    }

    /// An event of the past.
    PastEvent {
        /// Its name.
        name: String = "Name",
        /// Its payload.
        payload: Bytes = "Payload",
    }

    /// Something that a user tells everybody.
    UserEvent {
        /// When, on the clock of events.
        ltime: u64 = "LTime",
        /// Its name.
        name: String = "Name",
        /// Its payload.
        payload: Bytes = "Payload",
        /// Whether only the last one of this name matters.
        coalesce: bool = "CC",
    }

    /// Something that a user asks everybody.
    Query {
        /// When, on the clock of queries.
        ltime: u64 = "LTime",
        /// Tells it from others of the same time.
        id: u32 = "ID",
        /// Where to answer.
        addr: Bytes = "Addr",
        /// Where to answer.
        port: u16 = "Port",
        /// Who asks.
        source_node: String = "SourceNode",
        /// Who is asked: see [`Filter`].
        filters: Vec<Bytes> = "Filters",
        /// [`FLAG_ACK`], [`FLAG_NO_BROADCAST`].
        flags: u32 = "Flags",
        /// Through how many others each answer is sent as well.
        relay_factor: u8 = "RelayFactor",
        /// How long answers are awaited, in nanoseconds.
        timeout: i64 = "Timeout",
        /// Its name.
        name: String = "Name",
        /// Its payload.
        payload: Bytes = "Payload",
    }

    /// An answer to a query.
    QueryResponse {
        /// The query's.
        ltime: u64 = "LTime",
        /// The query's.
        id: u32 = "ID",
        /// Who answers.
        from: String = "From",
        /// [`FLAG_ACK`].
        flags: u32 = "Flags",
        /// The answer.
        payload: Bytes = "Payload",
    }

    /// Asks a node to pass on the message that follows.
    RelayHeader {
        /// To this address,
        dest: RelayDest = "DestAddr",
        /// and to this node.
        name: String = "DestName",
    }

    /// Go's `net.UDPAddr`.
    RelayDest {
        /// 4 or 16 bytes.
        ip: Bytes = "IP",
        /// The port.
        port: u16 = "Port",
        /// The zone of a link-local address.
        zone: String = "Zone",
    }

    /// Asks for a change of the keyring.
    KeyRequest {
        /// The key; empty to list.
        key: Bytes = "Key",
    }

    /// What came of it.
    KeyResponse {
        /// Whether it was done.
        result: bool = "Result",
        /// Why not.
        message: String = "Message",
        /// When listing: every key, in base64.
        keys: Vec<String> = "Keys",
        /// When listing: the key that is used to encrypt.
        primary: String = "PrimaryKey",
    }

    /// A member, in answer to a question about a name that two nodes claim.
    Member {
        /// Its name.
        name: String = "Name",
        /// Its address, 4 or 16 bytes.
        addr: Bytes = "Addr",
        /// Its port.
        port: u16 = "Port",
        /// Its tags.
        tags: BTreeMap<String, String> = "Tags",
        /// 0 none, 1 alive, 2 leaving, 3 left, 4 failed.
        status: u8 = "Status",
    }

    /// A place in the network, by round trip times: see [`crate::Coordinate`].
    WireCoordinate {
        /// Eight dimensions, in seconds.
        vec: Vec<f64> = "Vec",
        /// How sure the node is, without unit.
        error: f64 = "Error",
        /// In seconds.
        adjustment: f64 = "Adjustment",
        /// In seconds.
        height: f64 = "Height",
    }

    /// The body of a filter by a tag.
    TagFilter {
        /// The tag.
        tag: String = "Tag",
        /// What its value has to match, as a regular expression.
        expression: String = "Expr",
    }
}

/// Whom a query asks.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// These nodes.
    Nodes(Vec<String>),
    /// Nodes with a tag like this.
    Tag(TagFilter),
}

impl Filter {
    /// For a query.
    pub fn write(&self) -> Bytes {
        match self {
            Self::Nodes(names) => encode(FILTER_NODES, names),
            Self::Tag(filter) => encode(FILTER_TAG, filter),
        }
        .into()
    }

    /// From a query; none if it is of a kind that nobody here knows.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, Malformed> {
        let Some((kind, body)) = bytes.split_first() else { return Err(Malformed::Short(1)) };
        let mut from = Decoder::new(body);
        Ok(match *kind {
            FILTER_NODES => Some(Self::Nodes(Value::unpack(&mut from)?)),
            FILTER_TAG => Some(Self::Tag(Value::unpack(&mut from)?)),
            _ => None,
        })
    }
}

/// Tags as they travel in a node's metadata.
pub fn encode_tags(tags: &BTreeMap<String, String>) -> Bytes {
    encode(TAGS, tags).into()
}

/// The tags in a node's metadata; what cannot be read is no tag.
pub fn decode_tags(meta: &[u8]) -> BTreeMap<String, String> {
    match meta.split_first() {
        Some((&TAGS, body)) => Value::unpack(&mut Decoder::new(body)).unwrap_or_default(),
        // Before Serf 0.4 the metadata was a role and nothing else.
        _ => BTreeMap::from([("role".to_owned(), String::from_utf8_lossy(meta).into_owned())]),
    }
}

/// A coordinate as it travels in an ack.
pub fn encode_coordinate(coordinate: &WireCoordinate) -> Bytes {
    encode(COORDINATE, coordinate).into()
}

/// The coordinate in an ack, if there is one that we understand.
pub fn decode_coordinate(payload: &[u8]) -> Option<WireCoordinate> {
    let body = payload.strip_prefix(&[COORDINATE])?;
    Value::unpack(&mut Decoder::new(body)).ok()
}

/// Wraps `message` so that whoever gets it passes it on to `to`.
pub fn encode_relay(to: SocketAddr, name: &str, message: &[u8]) -> Vec<u8> {
    let dest =
        RelayDest { ip: NodeAddr::new(to.ip()).write(), port: to.port(), zone: String::new() };
    let mut bytes = encode(kind::RELAY, &RelayHeader { dest, name: name.to_owned() });
    bytes.extend_from_slice(message);
    bytes
}

/// To whom a relayed message goes, and the message.
pub fn decode_relay(body: &[u8]) -> Result<(SocketAddr, &[u8]), Malformed> {
    let mut from = Decoder::new(body);
    let header = RelayHeader::unpack(&mut from)?;
    let ip = NodeAddr::read(&header.dest.ip).ok_or(Malformed::Range)?;
    Ok((SocketAddr::new(ip.ip(), header.dest.port), from.rest()))
}
