//! LZW, least significant bit first, eight bit literals: Go's `compress/lzw`
//! as memberlist uses it. Source: hashicorp/memberlist, `util.go`.

use super::WireError;
use weezl::{BitOrder, LzwStatus, decode::Decoder, encode::Encoder};

/// Room for output is made in steps, so that a small bomb stays small.
const STEP: usize = 16 * 1024;

/// Compresses `plain`.
pub fn compress(plain: &[u8]) -> Option<Vec<u8>> {
    Encoder::new(BitOrder::Lsb, 8).encode(plain).ok()
}

/// Decompresses `packed` into `limit` bytes at most.
pub fn decompress(mut packed: &[u8], limit: usize) -> Result<Vec<u8>, WireError> {
    let mut decoder = Decoder::new(BitOrder::Lsb, 8);
    let mut plain = Vec::new();
    loop {
        let filled = plain.len();
        plain.resize(filled.saturating_add(STEP).min(limit.saturating_add(1)), 0);
        let room = plain.get_mut(filled..).unwrap_or_default();
        let result = decoder.decode_bytes(packed, room);
        packed = packed.get(result.consumed_in..).unwrap_or_default();
        plain.truncate(filled + result.consumed_out);
        if plain.len() > limit {
            return Err(WireError::TooLarge { what: "decompressed message", limit });
        }
        match result.status {
            Ok(LzwStatus::Done) => return Ok(plain),
            Ok(LzwStatus::NoProgress) if result.consumed_out == 0 => {
                return Err(WireError::Compression);
            }
            Ok(LzwStatus::Ok | LzwStatus::NoProgress) => {}
            Err(_) => return Err(WireError::Compression),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What HashiCorp's agent made of a ping on a stream; whole captures of it
    /// are in `tests/known`.
    const FROM_GO: &[u8] =
        b"\x00\x01\x14\"\xe5\xe4\x0d\x992\xa6\xc6\xa0I3\xa7\x0c\x9bRS\xca\xc4)h@\xd5\
        \x947u\xe4\x8c)\x13\x84\x0c\x199\xa4\xfe\xf4\x18 \xc0\"F\x8de\x0a\x1e,\xd5&\
        \xcc\x9c7nLf\xdc\x08\xe5\x8d\x1c:\xcd>(\x08\x08";
    const PING: &[u8] =
        b"\x00\x85\xa4Node\xa6chisel\xa5SeqNo\x06\xaaSourceAddr\xa4\x7f=\x03\x02\xaaSo\
        urceNode\xa5mason\xaaSourcePort\xcd\x1f\x0a";

    #[test]
    fn what_go_compressed_is_read() {
        assert_eq!(decompress(FROM_GO, 1024).unwrap(), PING);
        assert!(decompress(&compress(PING).unwrap(), 1024).is_ok_and(|plain| plain == PING));
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let packed = compress(&vec![0; 1 << 20]).unwrap();
        assert!(packed.len() < 8192);
        let error = decompress(&packed, 65536).unwrap_err();
        assert!(matches!(error, WireError::TooLarge { limit: 65536, .. }), "{error}");
        assert_eq!(decompress(&packed, 1 << 20).unwrap().len(), 1 << 20);
    }

    #[test]
    fn what_ends_early_is_an_error() {
        let packed = compress(b"ashlar ashlar ashlar").unwrap();
        assert!(decompress(&packed[..packed.len() - 2], 1024).is_err());
        assert!(decompress(b"", 1024).is_err());
    }

    proptest! {
        #[test]
        fn what_was_compressed_comes_back(plain in prop::collection::vec(any::<u8>(), 0..5000)) {
            let packed = compress(&plain).unwrap();
            prop_assert_eq!(decompress(&packed, plain.len()).unwrap(), plain);
        }

        #[test]
        fn nothing_makes_it_panic(packed in prop::collection::vec(any::<u8>(), 0..500)) {
            let _ = decompress(&packed, 4096);
        }
    }
}
