//! The messages.

use crate::coordinate::Coordinate;
use crate::event;
use crate::wire::msgpack::record;
use crate::wire::serf::WireCoordinate;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::net::IpAddr;

record! {
    /// Begins a request.
    RequestHeader {
        /// What is wanted.
        command: String = "Command",
        /// Comes back with the answer.
        seq: u64 = "Seq",
    }
    /// Begins an answer.
    ResponseHeader {
        /// The request's.
        seq: u64 = "Seq",
        /// What went wrong; empty if nothing did.
        error: String = "Error",
    }
    /// Comes first.
    Handshake {
        /// Of the protocol: 1.
        version: i32 = "Version",
    }
    /// Comes second, if there is a key.
    Auth {
        /// The key.
        key: String = "AuthKey",
    }
    /// Tells everybody.
    UserEvent {
        /// Its name.
        name: String = "Name",
        /// Its payload.
        payload: Bytes = "Payload",
        /// Whether only the last of this name matters.
        coalesce: bool = "Coalesce",
    }
    /// Takes a failed member for left.
    ForceLeave {
        /// Its name.
        node: String = "Node",
        /// Whether to forget it.
        prune: bool = "Prune",
    }
    /// Joins.
    Join {
        /// Addresses.
        existing: Vec<String> = "Existing",
        /// Whether past events are wanted.
        replay: bool = "Replay",
    }
    /// How many were joined.
    Joined {
        /// So many.
        num: i32 = "Num",
    }
    /// Asks for some members.
    MembersFilter {
        /// With tags like these.
        tags: BTreeMap<String, String> = "Tags",
        /// With a status like this.
        status: String = "Status",
        /// With a name like this.
        name: String = "Name",
    }
    /// Members.
    Members {
        /// Them.
        members: Vec<Member> = "Members",
    }
    /// A member.
    Member {
        /// Its name.
        name: String = "Name",
        /// Its address.
        addr: Bytes = "Addr",
        /// Its port.
        port: u16 = "Port",
        /// Its tags.
        tags: BTreeMap<String, String> = "Tags",
        /// Its status, as a word.
        status: String = "Status",
        /// Its least version of membership,
        protocol_min: u8 = "ProtocolMin",
        /// greatest,
        protocol_max: u8 = "ProtocolMax",
        /// and current one.
        protocol_cur: u8 = "ProtocolCur",
        /// Its least version of Serf,
        delegate_min: u8 = "DelegateMin",
        /// greatest,
        delegate_max: u8 = "DelegateMax",
        /// and current one.
        delegate_cur: u8 = "DelegateCur",
    }
    /// A key to install, use or remove.
    Key {
        /// In base64.
        key: String = "Key",
    }
    /// What came of it.
    KeyResult {
        /// What members said.
        messages: BTreeMap<String, String> = "Messages",
        /// How many have each key.
        keys: BTreeMap<String, i64> = "Keys",
        /// How many use each key.
        primary: BTreeMap<String, i64> = "PrimaryKeys",
        /// How many members there are.
        nodes: i64 = "NumNodes",
        /// How many could not.
        errors: i64 = "NumErr",
        /// How many answered.
        answered: i64 = "NumResp",
    }
    /// Asks for log lines.
    Monitor {
        /// From this level on.
        level: String = "LogLevel",
    }
    /// Asks for events.
    Stream {
        /// Of these types.
        kind: String = "Type",
    }
    /// Ends lines or events.
    Stop {
        /// Those of this request.
        stop: u64 = "Stop",
    }
    /// Changes tags.
    Tags {
        /// These are set,
        tags: BTreeMap<String, String> = "Tags",
        /// and these deleted.
        delete: Vec<String> = "DeleteTags",
    }
    /// Asks everybody.
    Query {
        /// Only these nodes.
        nodes: Vec<String> = "FilterNodes",
        /// Only nodes with tags like these.
        tags: BTreeMap<String, String> = "FilterTags",
        /// Whether they confirm.
        ack: bool = "RequestAck",
        /// Through how many others answers come as well.
        relay_factor: u8 = "RelayFactor",
        /// In nanoseconds.
        timeout: i64 = "Timeout",
        /// Its name.
        name: String = "Name",
        /// Its payload.
        payload: Bytes = "Payload",
    }
    /// Answers a query.
    Respond {
        /// Which.
        id: u64 = "ID",
        /// The answer.
        payload: Bytes = "Payload",
    }
    /// Something about a query of the client's.
    QueryRecord {
        /// `ack`, `response` or `done`.
        kind: String = "Type",
        /// Which node.
        from: String = "From",
        /// What it answers.
        payload: Bytes = "Payload",
    }
    /// A log line.
    LogRecord {
        /// It.
        log: String = "Log",
    }
    /// A user's event.
    UserRecord {
        /// `user`.
        event: String = "Event",
        /// When.
        ltime: u64 = "LTime",
        /// Its name.
        name: String = "Name",
        /// Its payload.
        payload: Bytes = "Payload",
        /// Whether only the last of this name matters.
        coalesce: bool = "Coalesce",
    }
    /// A query that this node is asked.
    QueryEventRecord {
        /// `query`.
        event: String = "Event",
        /// For the answer.
        id: u64 = "ID",
        /// When.
        ltime: u64 = "LTime",
        /// Its name.
        name: String = "Name",
        /// Its payload.
        payload: Bytes = "Payload",
    }
    /// Something about members.
    MembersRecord {
        /// What.
        event: String = "Event",
        /// Whom.
        members: Vec<Member> = "Members",
    }
    /// Asks where a node is.
    WhereIs {
        /// Its name.
        node: String = "Node",
    }
    /// Where it is.
    Whereabouts {
        /// There.
        coordinate: WireCoordinate = "Coord",
        /// Whether that is known.
        known: bool = "Ok",
    }
}

impl From<&event::Member> for Member {
    fn from(member: &event::Member) -> Self {
        let [protocol_min, protocol_max, protocol_cur, delegate_min, delegate_max, delegate_cur] =
            member.versions;
        Self {
            name: member.name.to_string(),
            addr: match member.address.ip() {
                IpAddr::V4(v4) => Bytes::copy_from_slice(&v4.octets()),
                IpAddr::V6(v6) => Bytes::copy_from_slice(&v6.octets()),
            },
            port: member.address.port(),
            tags: (*member.tags).clone(),
            status: member.status.as_str().to_owned(),
            protocol_min,
            protocol_max,
            protocol_cur,
            delegate_min,
            delegate_max,
            delegate_cur,
        }
    }
}

impl From<Option<Coordinate>> for Whereabouts {
    fn from(coordinate: Option<Coordinate>) -> Self {
        Self {
            known: coordinate.is_some(),
            coordinate: coordinate.map(Coordinate::to_wire).unwrap_or_default(),
        }
    }
}
