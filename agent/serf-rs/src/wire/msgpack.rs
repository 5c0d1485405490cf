//! MessagePack as go-msgpack writes and reads it.
//!
//! Serf's messages are maps keyed by Go's field names. Its library wrote
//! strings and byte strings alike as *raw* (`fixraw`, `raw 16`, `raw 32` of the
//! first MessagePack specification) and still does by default; newer ones may
//! send `str 8` and `bin`, so those are read as well. Source: MessagePack
//! specification, "Formats"; hashicorp/go-msgpack, `codec/msgpack.go`.
//!
//! Nothing is allocated for a length that was only announced: every length is
//! checked against the bytes that are there. One byte can still be a value that
//! takes a hundred in memory, so the elements of a message are limited as well.

pub use super::record::Value;
pub(crate) use super::record::record;

/// Deepest nesting that is skipped in a field that nobody here knows.
const DEPTH: u8 = 16;

/// Most elements of all lists and maps of one message together: a ring of
/// 16,384 members, half of whom left, tells its state with half of these.
const ELEMENTS: usize = 64 * 1024;

/// Why bytes are not the MessagePack that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The bytes end inside a value; at least so many more are needed.
    #[error("the message ends {0} bytes too early")]
    Short(usize),
    /// A value of another kind than expected.
    #[error("a value of type 0x{found:02x} where {expected} belongs")]
    Kind {
        /// What belongs here.
        expected: &'static str,
        /// The marker that is there.
        found: u8,
    },
    /// A number that does not fit its field.
    #[error("a number that does not fit its field")]
    Range,
    /// Text that is not UTF-8.
    #[error("text that is not UTF-8")]
    Text,
    /// Values nested deeper than any message of Serf.
    #[error("values nested more than {DEPTH} deep")]
    Depth,
    /// Lists and maps with more elements than any message of Serf.
    #[error("more values than any message has")]
    Many,
}

/// Writes values one after the other.
#[derive(Debug, Default)]
pub struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    /// Starts with one byte, the type of the message.
    pub fn message(kind: u8) -> Self {
        Self { bytes: vec![kind] }
    }

    /// Everything written.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// A map of so many pairs follows.
    pub fn map(&mut self, pairs: usize) {
        self.container(pairs, 0x80, 0xde);
    }

    /// An array of so many elements follows.
    pub fn array(&mut self, elements: usize) {
        self.container(elements, 0x90, 0xdc);
    }

    fn container(&mut self, length: usize, small: u8, wide: u8) {
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(n), _) if n < 16 => self.bytes.push(small | n),
            (_, Ok(n)) => {
                self.bytes.push(wide);
                self.bytes.extend_from_slice(&n.to_be_bytes());
            }
            _ => {
                self.bytes.push(wide + 1);
                self.bytes.extend_from_slice(&clamp(length).to_be_bytes());
            }
        }
    }

    /// Bytes or text.
    pub fn raw(&mut self, value: &[u8]) {
        match (u8::try_from(value.len()), u16::try_from(value.len())) {
            (Ok(n), _) if n < 32 => self.bytes.push(0xa0 | n),
            (_, Ok(n)) => {
                self.bytes.push(0xda);
                self.bytes.extend_from_slice(&n.to_be_bytes());
            }
            _ => {
                self.bytes.push(0xdb);
                self.bytes.extend_from_slice(&clamp(value.len()).to_be_bytes());
            }
        }
        self.bytes.extend_from_slice(value);
    }

    /// A number that is not negative, in its shortest form.
    pub fn unsigned(&mut self, value: u64) {
        if let Ok(n) = u8::try_from(value) {
            if n >= 0x80 {
                self.bytes.push(0xcc);
            }
            self.bytes.push(n);
        } else if let Ok(n) = u16::try_from(value) {
            self.bytes.push(0xcd);
            self.bytes.extend_from_slice(&n.to_be_bytes());
        } else if let Ok(n) = u32::try_from(value) {
            self.bytes.push(0xce);
            self.bytes.extend_from_slice(&n.to_be_bytes());
        } else {
            self.bytes.push(0xcf);
            self.bytes.extend_from_slice(&value.to_be_bytes());
        }
    }

    /// A number with a sign.
    pub fn signed(&mut self, value: i64) {
        match u64::try_from(value) {
            Ok(value) => self.unsigned(value),
            Err(_) => {
                self.bytes.push(0xd3);
                self.bytes.extend_from_slice(&value.to_be_bytes());
            }
        }
    }

    /// True or false.
    pub fn bool(&mut self, value: bool) {
        self.bytes.push(0xc2 | u8::from(value));
    }

    /// A floating point number.
    pub fn float(&mut self, value: f64) {
        self.bytes.push(0xcb);
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }
}

/// Lengths beyond 4 GiB cannot be written; nothing here comes near.
fn clamp(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Reads values one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Decoder<'a> {
    rest: &'a [u8],
    /// How many elements lists and maps may still have.
    elements: usize,
}

impl<'a> Decoder<'a> {
    /// Reads from the first byte of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self::limited(bytes, ELEMENTS)
    }

    /// The same, of lists and maps with so many elements together at most.
    pub(crate) const fn limited(bytes: &'a [u8], elements: usize) -> Self {
        Self { rest: bytes, elements }
    }

    /// What was not read yet.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `length` bytes, whatever they are.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        match self.rest.split_at_checked(length) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(Malformed::Short(length - self.rest.len())),
        }
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.take(1)?.first().copied().unwrap_or_default())
    }

    fn number<const N: usize>(&mut self) -> Result<u64, Malformed> {
        Ok(self.take(N)?.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    fn length<const N: usize>(&mut self) -> Result<usize, Malformed> {
        usize::try_from(self.number::<N>()?).map_err(|_| Malformed::Range)
    }

    /// How many pairs the map has that begins here; none for nil.
    pub fn map(&mut self) -> Result<usize, Malformed> {
        let pairs = match self.byte()? {
            0xc0 => 0,
            found @ 0x80..=0x8f => usize::from(found & 0x0f),
            0xde => self.length::<2>()?,
            0xdf => self.length::<4>()?,
            found => return Err(Malformed::Kind { expected: "a map", found }),
        };
        self.spend(pairs)
    }

    fn spend(&mut self, elements: usize) -> Result<usize, Malformed> {
        self.elements = self.elements.checked_sub(elements).ok_or(Malformed::Many)?;
        Ok(elements)
    }

    /// How many elements the array has that begins here; none for nil.
    pub fn array(&mut self) -> Result<usize, Malformed> {
        let elements = match self.byte()? {
            0xc0 => 0,
            found @ 0x90..=0x9f => usize::from(found & 0x0f),
            0xdc => self.length::<2>()?,
            0xdd => self.length::<4>()?,
            found => return Err(Malformed::Kind { expected: "an array", found }),
        };
        self.spend(elements)
    }

    /// Bytes or text; empty for nil.
    pub fn raw(&mut self) -> Result<&'a [u8], Malformed> {
        let length = match self.byte()? {
            0xc0 => 0,
            found @ 0xa0..=0xbf => usize::from(found & 0x1f),
            0xd9 | 0xc4 => self.length::<1>()?,
            0xda | 0xc5 => self.length::<2>()?,
            0xdb | 0xc6 => self.length::<4>()?,
            found => return Err(Malformed::Kind { expected: "text or bytes", found }),
        };
        self.take(length)
    }

    /// Text; empty for nil.
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.raw()?).map_err(|_| Malformed::Text)
    }

    /// A whole number; zero for nil.
    pub fn integer(&mut self) -> Result<i128, Malformed> {
        let sign =
            |value: u64, bits: u32| i128::from((value << (64 - bits)).cast_signed() >> (64 - bits));
        Ok(match self.byte()? {
            0xc0 => 0,
            found @ 0..=0x7f => i128::from(found),
            found @ 0xe0..=0xff => i128::from(found.cast_signed()),
            0xcc => i128::from(self.number::<1>()?),
            0xcd => i128::from(self.number::<2>()?),
            0xce => i128::from(self.number::<4>()?),
            0xcf => i128::from(self.number::<8>()?),
            0xd0 => sign(self.number::<1>()?, 8),
            0xd1 => sign(self.number::<2>()?, 16),
            0xd2 => sign(self.number::<4>()?, 32),
            0xd3 => sign(self.number::<8>()?, 64),
            found => return Err(Malformed::Kind { expected: "a whole number", found }),
        })
    }

    /// True or false; false for nil.
    pub fn bool(&mut self) -> Result<bool, Malformed> {
        match self.byte()? {
            0xc0 | 0xc2 => Ok(false),
            0xc3 => Ok(true),
            found => Err(Malformed::Kind { expected: "true or false", found }),
        }
    }

    /// A number with a fraction.
    pub fn float(&mut self) -> Result<f64, Malformed> {
        let mut ahead = *self;
        match ahead.byte()? {
            0xca => {
                let bits = u32::try_from(ahead.number::<4>()?).map_err(|_| Malformed::Range)?;
                *self = ahead;
                Ok(f64::from(f32::from_bits(bits)))
            }
            0xcb => {
                let bits = ahead.number::<8>()?;
                *self = ahead;
                Ok(f64::from_bits(bits))
            }
            // Go writes no float for a whole number; other writers might.
            _ => Ok(self.integer()? as f64),
        }
    }

    /// Passes over one value of any kind.
    pub fn skip(&mut self) -> Result<(), Malformed> {
        self.skip_nested(DEPTH)
    }

    fn skip_nested(&mut self, depth: u8) -> Result<(), Malformed> {
        let Some(depth) = depth.checked_sub(1) else { return Err(Malformed::Depth) };
        let mut ahead = *self;
        let marker = ahead.byte()?;
        let values = match marker {
            0x80..=0x8f | 0xde | 0xdf => self.map()?.saturating_mul(2),
            0x90..=0x9f | 0xdc | 0xdd => self.array()?,
            0xa0..=0xbf | 0xd9..=0xdb | 0xc4..=0xc6 => return self.raw().map(drop),
            0xca | 0xcb => return self.float().map(drop),
            0xc2 | 0xc3 => return self.bool().map(drop),
            // Extensions: a length or a fixed size, and a type byte.
            0xc7..=0xc9 | 0xd4..=0xd8 => {
                let length = match marker {
                    0xc7 => ahead.length::<1>()?,
                    0xc8 => ahead.length::<2>()?,
                    0xc9 => ahead.length::<4>()?,
                    fixed => 1 << (fixed - 0xd4),
                };
                ahead.take(length.saturating_add(1))?;
                *self = ahead;
                return Ok(());
            }
            _ => return self.integer().map(drop),
        };
        for _ in 0..values {
            self.skip_nested(depth)?;
        }
        Ok(())
    }
}
