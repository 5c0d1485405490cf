//! Packets: what one UDP datagram carries.
//!
//! Source: hashicorp/memberlist, `net.go` (`ingestPacket`, `handleCommand`,
//! `rawSendMsgPacket`), `util.go` (compound messages).

use super::envelope::{Envelope, WireError};
use super::swim::{self, Compressed, kind};
use super::{lzw, msgpack::Malformed};
use rand::RngCore;

/// The largest packet that is sent, so that it fits any network's frames.
pub const SIZE: usize = 1400;

/// What a compound adds: its type and count, and a length for each message.
pub const COMPOUND_OVERHEAD: usize = 2;
/// A message in a compound has its length before it.
pub const EACH_OVERHEAD: usize = 2;

/// Most bytes that one packet is decompressed to: far more than any ring packs
/// into 64 KiB, far less than would hurt.
const DECOMPRESSED: usize = 256 * 1024;

/// Most messages in one packet: what one compound holds. Each may be a ping that
/// wants its answer, and a small packet could be decompressed to very many.
const MOST_MESSAGES: usize = 255;

/// A compound in a compressed message is what is sent; more is an attack.
const DEPTH: u8 = 4;

/// Makes one packet of `messages`, each with its type byte.
///
/// `checksum` is for receivers that know it; sealed packets need none.
pub fn write<M: AsRef<[u8]>>(
    messages: &[M],
    checksum: bool,
    envelope: &Envelope,
    rng: &mut impl RngCore,
) -> Vec<u8> {
    let mut plain = match messages {
        [one] => one.as_ref().to_vec(),
        many => compound(many),
    };
    if checksum && envelope.keyring.is_none() {
        let sum = crc32fast::hash(&plain).to_be_bytes();
        plain.splice(..0, [kind::CRC].into_iter().chain(sum));
    }
    let mut packet = envelope.label_header();
    packet.append(&mut envelope.seal(&plain, envelope.label.as_bytes(), rng));
    packet
}

fn compound<M: AsRef<[u8]>>(messages: &[M]) -> Vec<u8> {
    // The callers fill packets, and a packet holds far fewer than 255.
    let messages = messages.get(..255).unwrap_or(messages);
    let mut bytes = vec![kind::COMPOUND, u8::try_from(messages.len()).unwrap_or(u8::MAX)];
    for message in messages {
        let length = u16::try_from(message.as_ref().len()).unwrap_or(u16::MAX);
        bytes.extend_from_slice(&length.to_be_bytes());
    }
    for message in messages {
        bytes.extend_from_slice(message.as_ref());
    }
    bytes
}

/// Opens a packet and calls `each` with every message in it: type and body.
///
/// What comes before a broken message is still delivered, as Go does.
pub fn read(
    packet: &[u8],
    envelope: &Envelope,
    mut each: impl FnMut(u8, &[u8]),
) -> Result<(), WireError> {
    let sealed = envelope.strip_label(packet)?.ok_or(WireError::BrokenLabel)?;
    let opened;
    let mut plain = sealed;
    if envelope.keyring.is_some() {
        opened = envelope.open(sealed, envelope.label.as_bytes())?;
        plain = &opened;
    }
    if let [kind::CRC, a, b, c, d, rest @ ..] = plain {
        if crc32fast::hash(rest) != u32::from_be_bytes([*a, *b, *c, *d]) {
            return Err(WireError::Checksum);
        }
        plain = rest;
    }
    let mut left = Left { bytes: DECOMPRESSED, messages: MOST_MESSAGES };
    walk(plain, DEPTH, &mut left, &mut each)
}

/// What a packet may still come to.
struct Left {
    bytes: usize,
    messages: usize,
}

fn walk(
    message: &[u8],
    depth: u8,
    left: &mut Left,
    each: &mut impl FnMut(u8, &[u8]),
) -> Result<(), WireError> {
    let depth = depth.checked_sub(1).ok_or(WireError::Nested)?;
    let (&first, body) = message.split_first().ok_or(WireError::Empty)?;
    match first {
        kind::COMPOUND => {
            for part in parts(body)? {
                walk(part?, depth, left, each)?;
            }
            Ok(())
        }
        kind::COMPRESS => {
            let plain = decompress(body, left.bytes)?;
            left.bytes -= plain.len();
            walk(&plain, depth, left, each)
        }
        kind => {
            left.messages = left.messages.checked_sub(1).ok_or(Malformed::Many)?;
            each(kind, body);
            Ok(())
        }
    }
}

/// The message in the body of a compressed one.
pub(crate) fn decompress(body: &[u8], limit: usize) -> Result<Vec<u8>, WireError> {
    let message: Compressed = swim::decode(body)?;
    if message.algorithm != 0 {
        return Err(WireError::Compression);
    }
    lzw::decompress(&message.buffer, limit)
}

fn parts(body: &[u8]) -> Result<impl Iterator<Item = Result<&[u8], WireError>>, WireError> {
    let (&count, rest) = body.split_first().ok_or(WireError::Empty)?;
    let table = usize::from(count) * 2;
    let short = |have: usize| WireError::Malformed(Malformed::Short(table - have));
    let (lengths, mut rest) = rest.split_at_checked(table).ok_or_else(|| short(rest.len()))?;
    Ok(lengths.chunks_exact(2).map(move |pair| {
        let length = pair.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        let short = Malformed::Short(length.saturating_sub(rest.len()));
        let (part, after) = rest.split_at_checked(length).ok_or(short)?;
        rest = after;
        Ok(part)
    }))
}
