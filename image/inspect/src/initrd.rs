//! The initrd of a UKI: any number of archives one after the other, each plain or
//! compressed with zstd, with zeros between them.

use ruzstd::decoding::StreamingDecoder;
use std::io::{Error, Read, Result};

const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Larger than any initrd; a damaged one could unpack without end.
const MOST: u64 = 2 << 30;

/// The bytes of all archives, unpacked.
pub fn unpack(mut packed: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let zeros = packed.iter().take_while(|byte| **byte == 0).count();
        packed = &packed[zeros..];
        if packed.is_empty() {
            return Ok(bytes);
        }
        if packed.starts_with(&ZSTD) {
            let frame = StreamingDecoder::new(&mut packed).map_err(Error::other)?;
            let room = MOST.saturating_sub(bytes.len() as u64);
            frame.take(room).read_to_end(&mut bytes)?;
            if bytes.len() as u64 >= MOST {
                return Err(Error::other("it unpacks without end"));
            }
        } else {
            // A plain archive ends where a packed one begins: every archive begins
            // at a multiple of four, after the zeros that fill the one before.
            let next = packed
                .windows(8)
                .position(|window| window.starts_with(&[0; 4]) && window.ends_with(&ZSTD));
            let (plain, rest) = packed.split_at(next.map_or(packed.len(), |at| at + 4));
            bytes.extend_from_slice(plain);
            packed = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::unpack;
    use proptest::prelude::*;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        compress_to_vec(bytes, CompressionLevel::Fastest)
    }

    #[test]
    fn plain_and_packed_archives_follow_each_other_with_zeros_between() {
        let (a, b) = (b"first ".repeat(2000), b"second".repeat(3000));
        let packed = [zstd(&a).as_slice(), &[0; 3], &zstd(&b), &[0; 512]].concat();
        assert_eq!(unpack(&packed).unwrap(), [a.as_slice(), &b].concat());

        let packed = [b"070701 plain".as_slice(), &[0; 9], &zstd(&a)].concat();
        let text = unpack(&packed).unwrap();
        assert!(text.starts_with(b"070701 plain") && text.ends_with(&a));
    }

    #[test]
    fn nothing_unpacks_to_nothing() {
        assert!(unpack(&[]).unwrap().is_empty());
        assert!(unpack(&[0; 100]).unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn a_damaged_initrd_is_an_error_and_never_a_panic(
            damage in prop::collection::vec((4_usize..400, any::<u8>()), 1..20),
            cut in 0_usize..500,
        ) {
            let mut packed = zstd(&(0..2000_u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>());
            for (at, byte) in damage {
                if let Some(place) = packed.get_mut(at) {
                    *place = byte;
                }
            }
            packed.truncate(packed.len().saturating_sub(cut));
            let _ = unpack(&packed);
        }
    }
}
