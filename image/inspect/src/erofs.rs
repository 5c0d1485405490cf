//! The root file system: what its superblock says.
//! [`stored`] walks its directories.

use super::disk::{u16_at, u32_at, u64_at, uuid_at};
use super::region::Region;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Result};

const SUPERBLOCK_AT: u64 = 1024;
const SUPERBLOCK_SIZE: usize = 128;
const MAGIC: u32 = 0xe0f5_e1e2;

/// An erofs file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Erofs {
    /// Its UUID.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
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
    /// The directory that is `/`.
    #[serde(skip)]
    root: u64,
    /// Where the inodes begin, in bytes.
    #[serde(skip)]
    inodes_at: u64,
}

/// Reads the superblock; nothing if there is none.
pub(crate) fn read(region: &Region) -> Result<Option<Erofs>> {
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
        root: u64::from(u16_at(superblock, 14)),
        inodes_at: u64::from(u32_at(superblock, 40)).saturating_mul(block_size),
    })
}

/// A file of an erofs and the room that it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Bytes of its content.
    pub(crate) size: u64,
    /// Bytes that it takes in the file system.
    pub(crate) stored: u64,
}

/// Files of a real root are far fewer; a damaged one could have no end.
const MOST: usize = 2_000_000;

/// Every regular file of an erofs, by path. A file with several names counts once,
/// under the first of them.
pub(crate) fn stored(region: &Region) -> Result<BTreeMap<String, Stored>> {
    let broken = |why: &str| Error::new(ErrorKind::InvalidData, why.to_owned());
    let erofs = read(region)?.ok_or_else(|| broken("it is no erofs file system"))?;
    let mut files = BTreeMap::new();
    let mut seen = std::collections::BTreeSet::new();
    let mut queue = vec![(String::new(), erofs.root)];
    while let Some((path, number)) = queue.pop() {
        if !seen.insert(number) {
            continue;
        }
        if seen.len() > MOST {
            return Err(broken("it has files without end"));
        }
        let inode = Inode::read(region, &erofs, number)?;
        match inode.mode & 0o170_000 {
            0o040_000 => {
                let mut names = inode.directory(region, &erofs)?;
                // Popped from the end: the first name first.
                names.sort_by(|one, other| other.0.cmp(&one.0));
                queue.extend(names.into_iter().map(|(name, at)| (format!("{path}/{name}"), at)));
            }
            0o100_000 => {
                let stored = inode.stored(erofs.block_size);
                files.insert(path, Stored { size: inode.size, stored });
            }
            _ => {}
        }
    }
    Ok(files)
}

/// What an inode says, in either of its two forms.
struct Inode {
    mode: u32,
    size: u64,
    /// 0 plain, 1 and 3 compressed, 2 plain with its end beside the inode, 4 chunks.
    layout: u16,
    /// The first block, or the number of compressed ones.
    place: u64,
    /// Where what is beside it begins.
    beside: u64,
}

impl Inode {
    fn read(region: &Region, erofs: &Erofs, number: u64) -> Result<Self> {
        let at = number.checked_mul(32).and_then(|at| at.checked_add(erofs.inodes_at));
        let at = at.ok_or(ErrorKind::InvalidData)?;
        let head = region.bytes(at, 32)?;
        let format = u16_at(&head, 0);
        let attributes = u64::from(u16_at(&head, 2));
        let attributes = if attributes == 0 { 0 } else { 12 + (attributes - 1) * 4 };
        let extended = format & 1 != 0;
        let size = if extended { u64_at(&head, 8) } else { u64::from(u32_at(&head, 8)) };
        let length = if extended { 64 } else { 32 };
        Ok(Self {
            mode: u32::from(u16_at(&head, 4)),
            size,
            layout: (format >> 1) & 7,
            place: u64::from(u32_at(&head, 16)),
            beside: at + length + attributes,
        })
    }

    /// Whole blocks, and what lies beside the inode.
    fn stored(&self, block: u64) -> u64 {
        match self.layout {
            1 | 3 => self.place.saturating_mul(block),
            2 => self.size,
            _ => self.size.div_ceil(block).saturating_mul(block),
        }
    }

    /// Names and inodes of a directory, but for itself and its parent.
    fn directory(&self, region: &Region, erofs: &Erofs) -> Result<Vec<(String, u64)>> {
        let mut names = Vec::new();
        let block = erofs.block_size;
        if self.size > region.length() {
            return Err(ErrorKind::InvalidData.into());
        }
        let mut from = 0;
        while from < self.size {
            let length = block.min(self.size - from);
            let last = from + length == self.size;
            let at = if self.layout == 2 && last {
                self.beside
            } else {
                self.place.saturating_mul(block).saturating_add(from)
            };
            let bytes = region.bytes(at, usize::try_from(length).unwrap_or(0))?;
            entries(&bytes, &mut names);
            from += length;
        }
        Ok(names)
    }
}

/// The entries of one block of a directory.
fn entries(block: &[u8], names: &mut Vec<(String, u64)>) {
    let count = usize::from(u16_at(block, 8)) / 12;
    let start = |index: usize| usize::from(u16_at(block, index * 12 + 8));
    for index in 0..count {
        let end = if index + 1 < count { start(index + 1) } else { block.len() };
        let Some(name) = block.get(start(index)..end) else { continue };
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        if !name.is_empty() && name != b"." && name != b".." {
            let name = String::from_utf8_lossy(name).into_owned();
            names.push((name, u64_at(block, index * 12)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Stored, parse, stored};
    use crate::region::Region;
    use proptest::prelude::*;

    fn region(bytes: &[u8]) -> Region {
        use std::io::Write;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Region::new(std::sync::Arc::new(file), 0, bytes.len() as u64)
    }

    /// One directory with one plain file, both beside their inodes.
    fn small() -> Vec<u8> {
        let mut bytes = vec![0; 12288];
        let put = |bytes: &mut Vec<u8>, at: usize, what: &[u8]| {
            bytes[at..at + what.len()].copy_from_slice(what);
        };
        put(&mut bytes, 1024, &super::MAGIC.to_le_bytes());
        bytes[1036] = 12;
        // Inodes begin at block 1; the root is number 0, the file number 4.
        put(&mut bytes, 1064, &1_u32.to_le_bytes());
        put(&mut bytes, 4096, &(2_u16 << 1).to_le_bytes());
        put(&mut bytes, 4100, &0o040_755_u16.to_le_bytes());
        put(&mut bytes, 4104, &16_u32.to_le_bytes());
        put(&mut bytes, 4128, &4_u64.to_le_bytes());
        put(&mut bytes, 4136, &12_u16.to_le_bytes());
        put(&mut bytes, 4140, b"file");
        put(&mut bytes, 4224, &(3_u16 << 1).to_le_bytes());
        put(&mut bytes, 4228, &0o100_644_u16.to_le_bytes());
        put(&mut bytes, 4232, &9000_u32.to_le_bytes());
        put(&mut bytes, 4240, &1_u32.to_le_bytes());
        bytes
    }

    #[test]
    fn a_compressed_file_takes_its_compressed_blocks() {
        let files = stored(&region(&small())).unwrap();
        let expected = Stored { size: 9000, stored: 4096 };
        assert_eq!(files.into_iter().collect::<Vec<_>>(), [("/file".to_owned(), expected)]);
    }

    proptest! {
        #[test]
        fn a_damaged_directory_ends_and_does_not_panic(
            damage in prop::collection::vec((1024_usize..4300, any::<u8>()), 1..12),
        ) {
            let mut bytes = small();
            for (at, byte) in damage {
                bytes[at] = byte;
            }
            let _ = stored(&region(&bytes));
        }

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
