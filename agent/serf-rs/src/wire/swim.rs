//! Messages of the membership layer.
//!
//! Source: hashicorp/memberlist, `net.go`, types `ping` to `pushNodeState`.

use super::msgpack::{Decoder, Encoder, Malformed, Value, record};
use bytes::Bytes;
use std::net::{IpAddr, Ipv6Addr};

/// The byte that begins each message: what follows it.
pub mod kind {
    #![allow(missing_docs, reason = "the names are the protocol's own")]
    pub const PING: u8 = 0;
    pub const INDIRECT_PING: u8 = 1;
    pub const ACK: u8 = 2;
    pub const SUSPECT: u8 = 3;
    pub const ALIVE: u8 = 4;
    pub const DEAD: u8 = 5;
    pub const PUSH_PULL: u8 = 6;
    pub const COMPOUND: u8 = 7;
    pub const USER: u8 = 8;
    pub const COMPRESS: u8 = 9;
    pub const ENCRYPT: u8 = 10;
    pub const NACK: u8 = 11;
    pub const CRC: u8 = 12;
    pub const ERROR: u8 = 13;
    pub const LABEL: u8 = 244;
}

record! {
    /// Asks a node whether it lives.
    Ping {
        /// Identifies the answer.
        seq: u32 = "SeqNo",
        /// The node that is meant: another one at this address does not answer.
        node: String = "Node",
        /// Where to answer, if not to the packet's source.
        source_addr: Bytes = "SourceAddr",
        /// Where to answer.
        source_port: u16 = "SourcePort",
        /// Who asks.
        source_node: String = "SourceNode",
    }

    /// Asks a node to ask another one whether it lives.
    IndirectPing {
        /// Identifies the answer.
        seq: u32 = "SeqNo",
        /// The address of the node that is doubted.
        target: Bytes = "Target",
        /// Its port.
        port: u16 = "Port",
        /// Its name.
        node: String = "Node",
        /// Whether to say so if it does not answer.
        nack: bool = "Nack",
        /// Where to answer, if not to the packet's source.
        source_addr: Bytes = "SourceAddr",
        /// Where to answer.
        source_port: u16 = "SourcePort",
        /// Who asks.
        source_node: String = "SourceNode",
    }

    /// Answers a ping.
    Ack {
        /// That of the ping.
        seq: u32 = "SeqNo",
        /// Serf's network coordinate.
        payload: Bytes = "Payload",
    }

    /// Says that an indirect ping was not answered.
    Nack {
        /// That of the indirect ping.
        seq: u32 = "SeqNo",
    }

    /// Says that `from` doubts that a node lives.
    Suspect {
        /// The incarnation that is doubted.
        incarnation: u32 = "Incarnation",
        /// The node that is doubted.
        node: String = "Node",
        /// Who doubts.
        from: String = "From",
    }

    /// Says that a node lives, and everything about it.
    Alive {
        /// Grows each time the node refutes or changes something.
        incarnation: u32 = "Incarnation",
        /// Its name.
        node: String = "Node",
        /// Its address, 4 or 16 bytes.
        addr: Bytes = "Addr",
        /// Its port.
        port: u16 = "Port",
        /// Its encoded tags.
        meta: Bytes = "Meta",
        /// What it speaks: see [`Versions`].
        versions: Bytes = "Vsn",
    }

    /// Says that a node is dead, or, if it says so itself, that it left.
    Dead {
        /// The incarnation that is dead.
        incarnation: u32 = "Incarnation",
        /// The node that is dead.
        node: String = "Node",
        /// Who says so.
        from: String = "From",
    }

    /// Begins an exchange of everything known.
    PushPullHeader {
        /// How many [`NodeState`]s follow.
        nodes: i64 = "Nodes",
        /// How many bytes of the layer above follow these.
        user_state_len: i64 = "UserStateLen",
        /// Whether the sender joins.
        join: bool = "Join",
    }

    /// One node in such an exchange.
    NodeState {
        /// Its name.
        name: String = "Name",
        /// Its address, 4 or 16 bytes.
        addr: Bytes = "Addr",
        /// Its port.
        port: u16 = "Port",
        /// Its encoded tags.
        meta: Bytes = "Meta",
        /// Its incarnation.
        incarnation: u32 = "Incarnation",
        /// 0 alive, 1 suspect, 2 dead, 3 left.
        state: u8 = "State",
        /// What it speaks.
        versions: Bytes = "Vsn",
    }

    /// Begins a message of the layer above on a stream.
    UserHeader {
        /// How many bytes follow.
        length: i64 = "UserMsgLen",
    }

    /// A compressed message.
    Compressed {
        /// 0 is LZW, the only one.
        algorithm: u8 = "Algo",
        /// The compressed bytes.
        buffer: Bytes = "Buf",
    }

    /// Says on a stream why it is refused.
    Refusal {
        /// Why.
        error: String = "Error",
    }
}

/// What a node speaks: least, greatest and current version of the membership
/// protocol, and the same of the protocol above.
///
/// Those of others are stored and told on exactly as they came: a node that
/// hears other versions of itself than its own refutes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Versions(pub [u8; 6]);

impl Versions {
    /// Ours: as memberlist 1..5 speaking 2, and Serf 2..5 speaking 5.
    pub const OURS: Self = Self([1, 5, 2, 2, 5, 5]);

    /// The versions in a message, if it has any.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        bytes.first_chunk().copied().map(Self)
    }

    /// Whether a node of these versions understands us, and we it.
    pub fn are_ours(self) -> bool {
        let [theirs, ours] =
            [self, Self::OURS].map(|Self([a, b, c, d, e, f])| [(a, b, c), (d, e, f)]);
        theirs.into_iter().zip(ours).all(|((least, most, now), (our_least, our_most, our_now))| {
            (least..=most).contains(&our_now) && (our_least..=our_most).contains(&now)
        })
    }

    /// For a message.
    pub fn write(self) -> Bytes {
        Bytes::copy_from_slice(&self.0)
    }
}

/// An address exactly as its node writes it: Go tells `10.0.0.1` and
/// `::ffff:10.0.0.1` apart when it compares, so what came is what is told on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeAddr {
    ip: IpAddr,
    mapped: bool,
}

impl NodeAddr {
    /// An address of ours.
    pub fn new(ip: IpAddr) -> Self {
        Self { ip: ip.to_canonical(), mapped: false }
    }

    /// The address in a message: 4 or 16 bytes.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
            return Some(Self { ip: IpAddr::from(v4), mapped: false });
        }
        let v6 = Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?);
        let ip = IpAddr::from(v6).to_canonical();
        Some(Self { ip, mapped: ip.is_ipv4() })
    }

    /// For a message.
    pub fn write(self) -> Bytes {
        match self.ip {
            IpAddr::V4(v4) if self.mapped => Bytes::copy_from_slice(&v4.to_ipv6_mapped().octets()),
            IpAddr::V4(v4) => Bytes::copy_from_slice(&v4.octets()),
            IpAddr::V6(v6) => Bytes::copy_from_slice(&v6.octets()),
        }
    }

    /// The address.
    pub const fn ip(self) -> IpAddr {
        self.ip
    }
}

/// A message with its type byte in front.
pub fn encode(kind: u8, message: &impl Value) -> Vec<u8> {
    let mut to = Encoder::message(kind);
    message.pack(&mut to);
    to.finish()
}

/// The message in `body`, whose type byte was read already.
pub fn decode<T: Value>(body: &[u8]) -> Result<T, Malformed> {
    T::unpack(&mut Decoder::new(body))
}
