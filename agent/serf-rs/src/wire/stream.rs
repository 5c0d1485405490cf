//! Streams: what one TCP connection carries, in each direction one message.
//!
//! Source: hashicorp/memberlist, `net.go` (`readStream`, `sendLocalState`,
//! `readRemoteState`, `encryptLocalState`).

use super::envelope::{Envelope, WireError};
use super::lzw;
use super::msgpack::{Decoder, Malformed, Value};
use super::packet::decompress;
use super::swim::{self, Compressed, NodeState, PushPullHeader, UserHeader, kind};
use bytes::Bytes;
use rand::RngCore;

/// Most bytes of a message on a stream, and of each part of it.
pub const SIZE: usize = 20 * 1024 * 1024;

/// Most elements of one part of a message: a header, a ping, a node.
const PART: usize = 64;

/// Most nodes in an exchange: four times as many as are taken in.
const MOST_NODES: usize = 64 * 1024;

/// Smaller messages are sent as they are: packing them costs more than it saves.
const WORTH_PACKING: usize = 512;

/// A message on a stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// Everything that a node knows.
    PushPull {
        /// Whether the sender joins.
        join: bool,
        /// The nodes.
        nodes: Vec<NodeState>,
        /// What the Serf layer adds.
        user_state: Bytes,
    },
    /// A message for the Serf layer.
    User(Bytes),
    /// A ping, where packets do not get through.
    Ping(swim::Ping),
    /// Its answer.
    Ack(swim::Ack),
    /// The other side refuses.
    Refusal(String),
}

/// The bytes of `frame` on the wire.
pub fn write(frame: &Frame, envelope: &Envelope, rng: &mut impl RngCore) -> Vec<u8> {
    let mut plain = plain(frame);
    if plain.len() > WORTH_PACKING
        && let Some(packed) = lzw::compress(&plain)
        && packed.len() < plain.len()
    {
        plain = swim::encode(kind::COMPRESS, &Compressed { algorithm: 0, buffer: packed.into() });
    }
    let mut bytes = envelope.label_header();
    if envelope.keyring.is_none() {
        bytes.append(&mut plain);
        return bytes;
    }
    let sealed = u32::try_from(plain.len() + super::envelope::OVERHEAD).unwrap_or(u32::MAX);
    let mut data = vec![kind::ENCRYPT];
    data.extend_from_slice(&sealed.to_be_bytes());
    bytes.extend_from_slice(&data);
    data.extend_from_slice(envelope.label.as_bytes());
    bytes.append(&mut envelope.seal(&plain, &data, rng));
    bytes
}

fn plain(frame: &Frame) -> Vec<u8> {
    let length = |bytes: &Bytes| i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    match frame {
        Frame::PushPull { join, nodes, user_state } => {
            let mut to = super::msgpack::Encoder::message(kind::PUSH_PULL);
            let header = PushPullHeader {
                nodes: i64::try_from(nodes.len()).unwrap_or(i64::MAX),
                user_state_len: length(user_state),
                join: *join,
            };
            header.pack(&mut to);
            for node in nodes {
                node.pack(&mut to);
            }
            let mut bytes = to.finish();
            bytes.extend_from_slice(user_state);
            bytes
        }
        Frame::User(message) => {
            let mut bytes = swim::encode(kind::USER, &UserHeader { length: length(message) });
            bytes.extend_from_slice(message);
            bytes
        }
        Frame::Ping(ping) => swim::encode(kind::PING, ping),
        Frame::Ack(ack) => swim::encode(kind::ACK, ack),
        Frame::Refusal(error) => swim::encode(kind::ERROR, &swim::Refusal { error: error.clone() }),
    }
}

/// Collects the bytes of one message. The sender keeps the connection open to
/// hear the answer, so the end has to be found in the bytes themselves.
#[derive(Debug, Default)]
pub struct Collector {
    bytes: Vec<u8>,
    /// How many bytes there have to be before looking again makes sense.
    needed: usize,
    /// How far a plain exchange of states was read, so that a large one is not
    /// read again from its start with every piece.
    progress: Progress,
}

#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    offset: usize,
    /// Nodes still to come, and the length of what follows them.
    states: Option<(usize, usize)>,
}

impl Collector {
    /// Adds bytes from the connection; returns the message once it is whole.
    pub fn feed(&mut self, more: &[u8], envelope: &Envelope) -> Result<Option<Frame>, WireError> {
        if self.bytes.len() + more.len() > SIZE + 1024 {
            return Err(WireError::TooLarge { what: "message on a stream", limit: SIZE });
        }
        self.bytes.extend_from_slice(more);
        if self.bytes.len() < self.needed {
            return Ok(None);
        }
        let found = self.read(envelope);
        match found {
            Err(WireError::Malformed(Malformed::Short(missing))) => {
                self.needed = self.bytes.len() + missing;
                if self.needed > SIZE + 1024 {
                    return Err(WireError::TooLarge { what: "message on a stream", limit: SIZE });
                }
                Ok(None)
            }
            Err(error) => Err(error),
            Ok(frame) => Ok(Some(frame)),
        }
    }

    fn read(&mut self, envelope: &Envelope) -> Result<Frame, WireError> {
        let short = |missing| WireError::Malformed(Malformed::Short(missing));
        let message = envelope.strip_label(&self.bytes)?.ok_or_else(|| short(1))?;
        let (&first, body) = message.split_first().ok_or_else(|| short(1))?;
        if first == kind::ENCRYPT {
            let mut from = Decoder::new(body);
            let length = from.take(4)?.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            if length > SIZE {
                return Err(WireError::TooLarge { what: "sealed message", limit: SIZE });
            }
            let sealed = from.take(length)?;
            let mut data = message.get(..5).unwrap_or_default().to_vec();
            data.extend_from_slice(envelope.label.as_bytes());
            let plain = envelope.open(sealed, &data)?;
            return whole(&plain).map_err(final_word);
        }
        if envelope.keyring.is_some() {
            return Err(WireError::NotSealed);
        }
        match first {
            kind::COMPRESS => {
                // Only to learn whether it is whole: large pieces come once.
                Compressed::unpack(&mut Decoder::limited(body, PART))?;
                whole(message).map_err(final_word)
            }
            kind::PUSH_PULL => {
                self.progress.advance(body)?;
                whole(message)
            }
            _ => whole(message),
        }
    }
}

/// No further byte would complete a message whose length was known.
fn final_word(error: WireError) -> WireError {
    match error {
        WireError::Malformed(Malformed::Short(_)) => WireError::Truncated,
        other => other,
    }
}

impl Progress {
    fn advance(&mut self, body: &[u8]) -> Result<(), WireError> {
        let mut rest = body.get(self.offset..).unwrap_or_default();
        if self.states.is_none() {
            let mut from = Decoder::limited(rest, PART);
            let header = PushPullHeader::unpack(&mut from)?;
            self.states = Some(lengths(&header)?);
            rest = from.rest();
            self.offset = body.len() - rest.len();
        }
        let Some((left, user)) = &mut self.states else { return Ok(()) };
        while *left > 0 {
            let mut from = Decoder::limited(rest, PART);
            from.skip()?;
            *left -= 1;
            rest = from.rest();
            self.offset = body.len() - rest.len();
        }
        Decoder::new(rest).take(*user)?;
        Ok(())
    }
}

/// How many nodes, and how many bytes of the layer above.
fn lengths(header: &PushPullHeader) -> Result<(usize, usize), WireError> {
    let too_large = |what| WireError::TooLarge { what, limit: SIZE };
    let nodes = usize::try_from(header.nodes).map_err(|_| Malformed::Range)?;
    let user = usize::try_from(header.user_state_len).map_err(|_| Malformed::Range)?;
    if nodes > MOST_NODES {
        return Err(Malformed::Many.into());
    }
    if user > SIZE {
        return Err(too_large("state of the layer above"));
    }
    Ok((nodes, user))
}

/// Reads a message that is there to its end.
fn whole(message: &[u8]) -> Result<Frame, WireError> {
    let (&first, body) = message.split_first().ok_or(WireError::Empty)?;
    if first == kind::COMPRESS {
        let plain = decompress(body, SIZE)?;
        let (&first, body) = plain.split_first().ok_or(WireError::Empty)?;
        return frame(first, body);
    }
    frame(first, body)
}

fn frame(kind: u8, body: &[u8]) -> Result<Frame, WireError> {
    let mut from = Decoder::limited(body, PART);
    Ok(match kind {
        kind::PUSH_PULL => {
            let header = PushPullHeader::unpack(&mut from)?;
            let (count, user) = lengths(&header)?;
            // Room is made as nodes are read: a count alone takes none.
            let mut nodes = Vec::new();
            for _ in 0..count {
                from = Decoder::limited(from.rest(), PART);
                nodes.push(NodeState::unpack(&mut from)?);
            }
            let user_state = Bytes::copy_from_slice(from.take(user)?);
            Frame::PushPull { join: header.join, nodes, user_state }
        }
        kind::USER => {
            let header = UserHeader::unpack(&mut from)?;
            let length = usize::try_from(header.length).map_err(|_| Malformed::Range)?;
            if length > SIZE {
                return Err(WireError::TooLarge {
                    what: "message of the layer above",
                    limit: SIZE,
                });
            }
            Frame::User(Bytes::copy_from_slice(from.take(length)?))
        }
        kind::PING => Frame::Ping(Value::unpack(&mut from)?),
        kind::ACK => Frame::Ack(Value::unpack(&mut from)?),
        kind::ERROR => Frame::Refusal(swim::Refusal::unpack(&mut from)?.error),
        other => return Err(WireError::Kind(other)),
    })
}
