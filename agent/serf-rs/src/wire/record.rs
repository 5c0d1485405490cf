//! Rust types as MessagePack: numbers, text, lists, maps, and structs that are
//! maps keyed by Go's field names.

use super::msgpack::{Decoder, Encoder, Malformed};
use bytes::Bytes;
use std::collections::BTreeMap;

/// Most elements that room is made for before they were seen.
const RESERVE: usize = 64;

/// A type that is one MessagePack value.
pub trait Value: Sized {
    /// Writes it.
    fn pack(&self, to: &mut Encoder);
    /// Reads it.
    fn unpack(from: &mut Decoder<'_>) -> Result<Self, Malformed>;
}

impl Value for bool {
    fn pack(&self, to: &mut Encoder) {
        to.bool(*self);
    }
    fn unpack(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        from.bool()
    }
}

impl Value for f64 {
    fn pack(&self, to: &mut Encoder) {
        to.float(*self);
    }
    fn unpack(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        from.float()
    }
}

macro_rules! integers {
    ($($type:ty => $write:ident as $wide:ty),*) => {$(
        impl Value for $type {
            fn pack(&self, to: &mut Encoder) {
                to.$write(<$wide>::from(*self));
            }
            fn unpack(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
                Self::try_from(from.integer()?).map_err(|_| Malformed::Range)
            }
        }
    )*};
}
integers!(u8 => unsigned as u64, u16 => unsigned as u64, u32 => unsigned as u64,
    u64 => unsigned as u64, i32 => signed as i64, i64 => signed as i64);

impl Value for String {
    fn pack(&self, to: &mut Encoder) {
        to.raw(self.as_bytes());
    }
    fn unpack(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        from.text().map(str::to_owned)
    }
}

impl Value for Bytes {
    fn pack(&self, to: &mut Encoder) {
        to.raw(self);
    }
    fn unpack(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        from.raw().map(Self::copy_from_slice)
    }
}

impl<T: Value> Value for Vec<T> {
    fn pack(&self, to: &mut Encoder) {
        to.array(self.len());
        for element in self {
            element.pack(to);
        }
    }
    fn unpack(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let length = from.array()?;
        let mut list = Self::with_capacity(length.min(RESERVE));
        for _ in 0..length {
            list.push(T::unpack(from)?);
        }
        Ok(list)
    }
}

impl<T: Value> Value for BTreeMap<String, T> {
    fn pack(&self, to: &mut Encoder) {
        to.map(self.len());
        for (key, value) in self {
            to.raw(key.as_bytes());
            value.pack(to);
        }
    }
    fn unpack(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let length = from.map()?;
        let mut map = Self::new();
        for _ in 0..length {
            let key = from.text()?.to_owned();
            map.insert(key, T::unpack(from)?);
        }
        Ok(map)
    }
}

/// A struct that travels as a map keyed by Go's field names. Fields that are
/// missing have their default value, unknown ones are passed over: both are
/// what Go's library does.
macro_rules! record {
    ($(
        $(#[$meta:meta])*
        $name:ident { $( $(#[$doc:meta])* $field:ident: $type:ty = $key:literal, )* }
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq)]
        #[allow(unreachable_pub, reason = "some records are public, some are not")]
        pub struct $name {
            $( $(#[$doc])* pub $field: $type, )*
        }

        impl $crate::wire::msgpack::Value for $name {
            fn pack(&self, to: &mut $crate::wire::msgpack::Encoder) {
                to.map([$($key),*].len());
                $(
                    to.raw($key.as_bytes());
                    $crate::wire::msgpack::Value::pack(&self.$field, to);
                )*
            }

            fn unpack(
                from: &mut $crate::wire::msgpack::Decoder<'_>,
            ) -> Result<Self, $crate::wire::msgpack::Malformed> {
                let mut record = Self::default();
                for _ in 0..from.map()? {
                    match from.raw()? {
                        $( key if key == $key.as_bytes() => {
                            record.$field = $crate::wire::msgpack::Value::unpack(from)?;
                        } )*
                        _ => from.skip()?,
                    }
                }
                Ok(record)
            }
        }
    )*};
}
pub(crate) use record;
