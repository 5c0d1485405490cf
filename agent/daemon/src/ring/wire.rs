//! Serf's RPC frames: msgpack values one after another, without lengths.

use anyhow::{Result, bail};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

/// Longest answer that is read: a ring of thousands stays below it.
pub(crate) const LONGEST: usize = 8 * 1024 * 1024;

/// Head of a request; its body, if the command has one, follows.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RequestHeader<'a> {
    pub(crate) command: &'a str,
    pub(crate) seq: u64,
}

/// Head of a response; a body follows for the commands that have one.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ResponseHeader {
    pub(crate) seq: u64,
    pub(crate) error: String,
}

/// Body of `handshake`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Handshake {
    pub(crate) version: u8,
}

/// Body of `auth`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Auth<'a> {
    pub(crate) auth_key: &'a str,
}

/// Body of `join`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Join<'a> {
    pub(crate) existing: &'a [String],
    pub(crate) replay: bool,
}

/// Body of the answer to `join`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Joined {
    pub(crate) num: i64,
}

/// Body of `tags`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ChangeTags {
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) delete_tags: Vec<String>,
}

/// Body of `stream`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Stream<'a> {
    pub(crate) r#type: &'a str,
}

/// Body of the answer to `members`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Members {
    pub(crate) members: Vec<WireMember>,
}

/// One member in it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct WireMember {
    pub(crate) name: String,
    #[serde(deserialize_with = "address")]
    pub(crate) addr: Option<IpAddr>,
    #[serde(default)]
    pub(crate) tags: Option<BTreeMap<String, String>>,
    pub(crate) status: String,
}

/// Go's `net.IP`: 4 or 16 bytes, written as a raw string.
fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<IpAddr>, D::Error> {
    struct Bytes;
    impl<'de> Visitor<'de> for Bytes {
        type Value = Option<IpAddr>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an address of 4 or 16 bytes")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            Ok(from_bytes(text.as_bytes()))
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
            Ok(from_bytes(bytes))
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut bytes = Vec::with_capacity(16);
            while let Some(byte) = seq.next_element()? {
                bytes.push(byte);
            }
            Ok(from_bytes(&bytes))
        }
    }
    deserializer.deserialize_any(Bytes)
}

fn from_bytes(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::from(v4));
    }
    let v6 = Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?);
    Some(v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4))
}

/// Encodes a value as Go's codec wants it: structs as maps by field name.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(64);
    value.serialize(&mut rmp_serde::Serializer::new(&mut out).with_struct_map())?;
    Ok(out)
}

/// Length of the msgpack value that `bytes` begins with; `None` while it is not
/// all there. Walks without recursion, so that no depth of nesting hurts.
pub(crate) fn value_length(bytes: &[u8]) -> Result<Option<usize>> {
    let mut at = 0_usize;
    let mut open = 1_u64;
    while open > 0 {
        let Some(&marker) = bytes.get(at) else { return Ok(None) };
        at += 1;
        // A length field of `size` bytes, big-endian; `None` while cut off.
        let field = |size: usize| -> Option<u64> {
            let raw = bytes.get(at..at + size)?;
            Some(raw.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)))
        };
        let (head, body, values) = match marker {
            0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => (0, Some(0), 0),
            0x80..=0x8f => (0, Some(0), 2 * u64::from(marker & 0x0f)),
            0x90..=0x9f => (0, Some(0), u64::from(marker & 0x0f)),
            0xa0..=0xbf => (0, Some(u64::from(marker & 0x1f)), 0),
            0xc4 | 0xd9 => (1, field(1), 0),
            0xc5 | 0xda => (2, field(2), 0),
            0xc6 | 0xdb => (4, field(4), 0),
            0xc7 => (2, field(1), 0),
            0xc8 => (3, field(2), 0),
            0xc9 => (5, field(4), 0),
            0xcc | 0xd0 => (1, Some(0), 0),
            0xcd | 0xd1 => (2, Some(0), 0),
            0xca | 0xce | 0xd2 => (4, Some(0), 0),
            0xcb | 0xcf | 0xd3 => (8, Some(0), 0),
            0xd4..=0xd8 => (1, Some(1 << (marker - 0xd4)), 0),
            0xdc => (2, field(2).map(|_| 0), field(2).unwrap_or(0)),
            0xdd => (4, field(4).map(|_| 0), field(4).unwrap_or(0)),
            0xde => (2, field(2).map(|_| 0), 2 * field(2).unwrap_or(0)),
            0xdf => (4, field(4).map(|_| 0), 2 * field(4).unwrap_or(0)),
            0xc1 => bail!("the ring daemon sent what is no msgpack"),
        };
        let Some(body) = body else { return Ok(None) };
        at += head + usize::try_from(body)?;
        open += values;
        open -= 1;
        if at > LONGEST || open > LONGEST as u64 {
            bail!("the ring daemon sent a value longer than {LONGEST} bytes");
        }
    }
    Ok((at <= bytes.len()).then_some(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `members` of one node, as serf 0.10.1 sends it.
    const MEMBERS: &[u8] = b"\x81\xa7Members\x91\x85\xa4Name\xa8ashlar-1\xa4Addr\xb0\
        \0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\x53\x64\x25\xa4Port\xcd\x1f\x09\
        \xa4Tags\x81\xa2id\xa2ab\xa6Status\xa5alive";

    #[test]
    fn a_member_s_address_is_read_from_go_s_raw_bytes() {
        let members: Members = rmp_serde::from_slice(MEMBERS).unwrap();
        let member = &members.members[0];
        assert_eq!(member.addr, Some(IpAddr::from([10, 83, 100, 37])));
        assert_eq!(member.tags.as_ref().unwrap()["id"], "ab");
    }

    #[test]
    fn a_value_is_complete_at_its_last_byte_and_not_before() {
        for cut in 0..MEMBERS.len() {
            assert_eq!(value_length(&MEMBERS[..cut]).unwrap(), None, "at {cut}");
        }
        let mut longer = MEMBERS.to_vec();
        longer.extend_from_slice(b"\x82");
        assert_eq!(value_length(&longer).unwrap(), Some(MEMBERS.len()));
    }

    #[test]
    fn a_value_that_claims_to_be_huge_is_refused_at_once() {
        assert!(value_length(b"\xdb\xff\xff\xff\xff").is_err());
        assert!(value_length(b"\xdf\xff\xff\xff\xff").is_err());
    }

    proptest! {
        #[test]
        fn whatever_bytes_come_nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(Some(length)) = value_length(&bytes) {
                prop_assert!(length <= bytes.len());
                let _ = rmp_serde::from_slice::<Members>(&bytes[..length]);
                let _ = rmp_serde::from_slice::<ResponseHeader>(&bytes[..length]);
            }
        }

        #[test]
        fn what_we_encode_has_the_length_that_we_measure(tags in proptest::collection::btree_map(".{0,40}", ".{0,300}", 0..20)) {
            let bytes = encode(&ChangeTags { tags, delete_tags: vec!["x".into()] }).unwrap();
            prop_assert_eq!(value_length(&bytes).unwrap(), Some(bytes.len()));
        }
    }
}
