//! The hash tree of the root: its superblock, and the root hash that it has.

use super::disk::{u32_at, u64_at, uuid_at};
use super::region::Region;
use serde::Serialize;
use sha2::{Digest, Sha256};

const SUPERBLOCK_SIZE: usize = 512;
const SHA256_SIZE: u64 = 32;

/// A dm-verity hash tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Verity {
    /// Its UUID.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub uuid: uuid::Uuid,
    /// Hash algorithm.
    pub algorithm: String,
    /// Bytes in a block of data.
    pub data_block_size: u64,
    /// Bytes in a block of hashes.
    pub hash_block_size: u64,
    /// Blocks of data that it covers.
    pub data_blocks: u64,
    /// Salt, in hexadecimal.
    pub salt: String,
    /// Bytes that superblock and tree take.
    pub used: u64,
    /// The root hash of the tree that is there, in hexadecimal: computed, not
    /// believed.
    pub root_hash: Option<String>,
}

/// Reads the superblock and the top of the tree; nothing if there is none.
pub(crate) fn read(region: &Region) -> std::io::Result<Option<Verity>> {
    if region.length() < SUPERBLOCK_SIZE as u64 {
        return Ok(None);
    }
    let Some((mut verity, salt)) = parse(&region.bytes(0, SUPERBLOCK_SIZE)?) else {
        return Ok(None);
    };
    // The tree lies top first, in the block after the superblock. With one block
    // of data or none there is no tree.
    let top_at = verity.hash_block_size;
    let top_end = top_at.saturating_mul(2);
    if verity.algorithm == "sha256" && verity.data_blocks > 1 && top_end <= region.length() {
        let top = region.bytes(top_at, verity.hash_block_size as usize)?;
        let digest = Sha256::new().chain_update(&salt).chain_update(&top).finalize();
        verity.root_hash = Some(hex::encode(digest));
    }
    Ok(Some(verity))
}

fn parse(superblock: &[u8]) -> Option<(Verity, Vec<u8>)> {
    let modern = superblock.starts_with(b"verity\0\0")
        && u32_at(superblock, 8) == 1
        && u32_at(superblock, 12) == 1;
    if !modern {
        return None;
    }
    let algorithm = superblock.get(32..64)?.split(|byte| *byte == 0).next()?;
    let salt_size = usize::from(u16::from_le_bytes(*superblock.get(80..)?.first_chunk()?));
    let salt = superblock.get(88..344)?.get(..salt_size)?.to_vec();
    let data_block_size = u64::from(u32_at(superblock, 64));
    let hash_block_size = u64::from(u32_at(superblock, 68));
    let block = 512..=512 * 1024;
    if !block.contains(&data_block_size) || !block.contains(&hash_block_size) {
        return None;
    }
    let data_blocks = u64_at(superblock, 72);
    let tree = tree_blocks(data_blocks, hash_block_size / SHA256_SIZE);
    let verity = Verity {
        uuid: uuid_at(superblock, 16),
        algorithm: String::from_utf8_lossy(algorithm).into_owned(),
        data_block_size,
        hash_block_size,
        data_blocks,
        salt: hex::encode(&salt),
        used: tree.saturating_add(1).saturating_mul(hash_block_size),
        root_hash: None,
    };
    Some((verity, salt))
}

/// How many blocks of hashes it takes to cover `blocks` blocks of data.
fn tree_blocks(mut blocks: u64, hashes_per_block: u64) -> u64 {
    let mut total = 0_u64;
    while blocks > 1 {
        blocks = blocks.div_ceil(hashes_per_block);
        total = total.saturating_add(blocks);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::{parse, tree_blocks};
    use proptest::prelude::*;

    #[test]
    fn a_tree_has_one_block_for_each_128_below_it() {
        assert_eq!(tree_blocks(1, 128), 0);
        assert_eq!(tree_blocks(128, 128), 1);
        assert_eq!(tree_blocks(129, 128), 2 + 1);
        assert_eq!(tree_blocks(128 * 128, 128), 128 + 1);
    }

    proptest! {
        #[test]
        fn no_superblock_makes_the_reader_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..600), magic: bool) {
            if magic && bytes.len() >= 16 {
                bytes[..16].copy_from_slice(b"verity\0\0\x01\0\0\0\x01\0\0\0");
            }
            let _ = parse(&bytes);
        }
    }
}
