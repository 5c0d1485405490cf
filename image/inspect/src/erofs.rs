//! The root file system: what its superblock says.

use super::disk::{u32_at, u64_at, uuid_at};
use super::region::Region;
use serde::Serialize;

const SUPERBLOCK_AT: u64 = 1024;
const SUPERBLOCK_SIZE: usize = 128;
const MAGIC: u32 = 0xe0f5_e1e2;

/// An erofs file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Erofs {
    /// Its UUID.
    pub uuid: uuid::Uuid,
    /// Bytes in a block.
    pub block_size: u64,
    /// Bytes that it takes.
    pub used: u64,
    /// Files, directories and links in it.
    pub inodes: u64,
    /// When it was made, in seconds of Unix time.
    pub built: u64,
    /// Compression algorithms that it uses.
    pub compression: Vec<&'static str>,
}

/// Reads the superblock; nothing if there is none.
pub(crate) fn read(region: &Region) -> std::io::Result<Option<Erofs>> {
    if region.length() < SUPERBLOCK_AT + SUPERBLOCK_SIZE as u64 {
        return Ok(None);
    }
    Ok(parse(&region.bytes(SUPERBLOCK_AT, SUPERBLOCK_SIZE)?))
}

fn parse(superblock: &[u8]) -> Option<Erofs> {
    if u32_at(superblock, 0) != MAGIC {
        return None;
    }
    let block_size = 1_u64.checked_shl(u32::from(*superblock.get(12)?))?;
    // Only blocks of 512 bytes to 64 KiB exist.
    if !(512..=65536).contains(&block_size) {
        return None;
    }
    let algorithms = u32_at(superblock, 84) & 0xffff;
    // Old images keep a distance of lz4 in this field instead of a bit map;
    // bit 1 of the incompatible features tells which.
    let is_map = u32_at(superblock, 80) & 0x2 != 0;
    let names = ["lz4", "lzma", "deflate", "zstd"];
    let compression = names
        .iter()
        .enumerate()
        .filter(|(bit, _)| is_map && algorithms & (1 << bit) != 0)
        .map(|(_, name)| *name)
        .collect();
    Some(Erofs {
        uuid: uuid_at(superblock, 48),
        block_size,
        used: u64::from(u32_at(superblock, 36)).saturating_mul(block_size),
        inodes: u64_at(superblock, 16),
        built: u64_at(superblock, 24),
        compression,
    })
}

#[cfg(test)]
mod tests {
    use super::parse;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_superblock_makes_the_reader_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), magic: bool) {
            if magic && bytes.len() >= 4 {
                bytes[..4].copy_from_slice(&super::MAGIC.to_le_bytes());
            }
            if let Some(erofs) = parse(&bytes) {
                prop_assert!(erofs.block_size >= 512);
            }
        }
    }
}
