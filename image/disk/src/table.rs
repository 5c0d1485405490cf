//! The GUID partition table.

use crate::{FlashError, SECTOR, Sectors};
use gpt::mbr::ProtectiveMBR;
use gpt::{GptConfig, GptDisk};
use serde::Serialize;
use std::ops::Range;
use std::path::Path;
use uuid::Uuid;

/// Protective MBR, header, and 128 entries.
const HEAD: u64 = 34 * SECTOR;
/// Bytes of the header that its checksum covers.
const HEADER: usize = 92;
/// Partitions that are this one box's: their ids are drawn anew for each disk.
/// Those of root and hash tree are halves of the root hash, and stay.
const OWN: [&str; 2] = ["esp", "seed"];

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Its number, from 1.
    pub number: u32,
    /// Its label.
    pub label: String,
    /// Its type's GUID.
    pub kind: String,
    /// Its own GUID.
    pub guid: String,
    /// First byte.
    pub start: u64,
    /// The byte behind its last one.
    pub end: u64,
}

impl Part {
    /// Its bytes.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        self.start..self.end
    }
}

/// A table that was read from the start of an image or a disk.
#[derive(Clone, Debug)]
pub struct Table {
    /// The disk's GUID.
    pub guid: String,
    /// The partitions, by their place.
    pub parts: Vec<Part>,
    /// How long the disk is that it was made for.
    pub length: u64,
    head: Vec<u8>,
}

impl Table {
    /// Reads the table at the start of `head`, which is at least 34 sectors.
    ///
    /// # Errors
    /// With what is wrong about it.
    pub fn read(head: &[u8]) -> Result<Self, String> {
        let head = head.get(..HEAD as usize).ok_or("it is too short for a partition table")?;
        // What the crate takes on trust: these would make it reserve gigabytes.
        let word = |at: usize| {
            let bytes = head.get(512 + at..).and_then(|rest| rest.first_chunk());
            bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
        };
        if !head.get(512..).is_some_and(|header| header.starts_with(b"EFI PART")) {
            return Err("no GUID partition table".into());
        }
        if word(84) != 128 || word(80) != 128 {
            return Err("its partition table has another number of entries than 128".into());
        }
        if word(12) as usize != HEADER {
            return Err("its partition table has a header of another length than 92".into());
        }
        let disk = open(head, HEAD)?;
        let header = disk.primary_header().map_err(|error| error.to_string())?;
        let bytes = |sectors: u64| sectors.checked_mul(SECTOR).ok_or("it ends beyond any disk");
        let length = bytes(header.backup_lba.saturating_add(1))?;
        let mut parts = Vec::new();
        for (number, entry) in disk.partitions() {
            let (start, end) = (bytes(entry.first_lba)?, bytes(entry.last_lba.saturating_add(1))?);
            if end <= start || end > length || start < HEAD {
                return Err(format!("partition {number} does not lie on the disk"));
            }
            parts.push(Part {
                number: *number,
                label: entry.name.clone(),
                kind: entry.part_type_guid.guid.to_string().to_ascii_lowercase(),
                guid: entry.part_guid.to_string(),
                start,
                end,
            });
        }
        parts.sort_by_key(|part| part.start);
        Ok(Self { guid: disk.guid().to_string(), parts, length, head: head.to_vec() })
    }

    /// The partition with a label.
    #[must_use]
    pub fn labelled(&self, label: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.label == label)
    }

    /// Where the table's second copy lies on the disk that it was made for.
    pub(crate) fn backup(&self) -> Range<u64> {
        self.length.saturating_sub(33 * SECTOR)..self.length
    }

    /// Takes the disk for a shorter one, which its partitions fit on.
    pub(crate) fn shorten(&mut self, length: u64) {
        let last = (length / SECTOR).saturating_sub(1);
        let Some(header) = self.head.get_mut(SECTOR as usize..(2 * SECTOR) as usize) else {
            return;
        };
        let mut put = |at: usize, bytes: &[u8]| {
            if let Some(field) = header.get_mut(at..at + bytes.len()) {
                field.copy_from_slice(bytes);
            }
        };
        // The other copy's place, and the last sector of partitions; then the
        // checksum, over a header in which it is zero.
        put(32, &last.to_le_bytes());
        put(48, &last.saturating_sub(33).to_le_bytes());
        put(16, &[0; 4]);
        let sum = crc32fast::hash(header.get(..HEADER).unwrap_or_default());
        if let Some(field) = header.get_mut(16..20) {
            field.copy_from_slice(&sum.to_le_bytes());
        }
        self.length = length;
    }

    /// The same partitions on a disk of another size, with ids of its own, `esp` that
    /// of the boot partition: the sectors of both copies.
    pub(crate) fn renewed(&self, size: u64, esp: Uuid, path: &Path) -> Result<Sectors, FlashError> {
        let bad = |error: String| FlashError::BadImage { path: path.to_owned(), why: error };
        let mut disk = open(&self.head, size - size % SECTOR).map_err(bad)?;
        let mut parts = disk.partitions().clone();
        for part in parts.values_mut() {
            if OWN.contains(&part.name.as_str()) {
                part.part_guid = if part.name == "esp" { esp } else { Uuid::new_v4() };
            }
        }
        disk.update_guid(None);
        disk.update_partitions(parts).map_err(|error| bad(error.to_string()))?;
        let mut sectors = disk.write().map_err(|error| bad(error.to_string()))?;
        let last = u32::try_from(size / SECTOR - 1).unwrap_or(u32::MAX);
        ProtectiveMBR::with_lb_size(last)
            .overwrite_lba0(&mut sectors)
            .map_err(|error| bad(error.to_string()))?;
        Ok(sectors)
    }
}

fn open(head: &[u8], size: u64) -> Result<GptDisk<Sectors>, String> {
    let mut sectors = Sectors::new(size);
    sectors.put(0, head).map_err(|error| error.to_string())?;
    GptConfig::new()
        .writable(true)
        .open_from_device(sectors)
        .map_err(|error| format!("no GUID partition table ({error})"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use gpt::partition_types;
    use std::io::Read;

    /// The start of an image of 24 MiB with an ESP, a root and a seed.
    pub(crate) fn head() -> Vec<u8> {
        let mut disk = GptConfig::new()
            .writable(true)
            .create_from_device(Sectors::new(24 << 20), None)
            .unwrap();
        disk.add_partition("esp", 4 << 20, partition_types::EFI, 0, None).unwrap();
        disk.add_partition("root-a", 8 << 20, partition_types::LINUX_FS, 0, None).unwrap();
        disk.add_partition("seed", 8 << 20, partition_types::BASIC, 0, None).unwrap();
        let mut sectors = disk.write().unwrap();
        let mut head = vec![0; HEAD as usize];
        sectors.seek_start();
        sectors.read_exact(&mut head).unwrap();
        head
    }

    impl Sectors {
        pub(crate) fn seek_start(&mut self) {
            use std::io::{Seek, SeekFrom};
            self.seek(SeekFrom::Start(0)).unwrap();
        }
    }

    #[test]
    fn a_table_moves_to_a_larger_disk_with_ids_of_its_own() {
        let image = Table::read(&head()).unwrap();
        assert_eq!(image.length, 24 << 20);
        let size = (64 << 20) + 512;
        let mut sectors = image.renewed(size, Uuid::new_v4(), Path::new("x")).unwrap();
        let mut head = vec![0; HEAD as usize];
        sectors.seek_start();
        sectors.read_exact(&mut head).unwrap();
        let disk = Table::read(&head).unwrap();
        assert_eq!(disk.length, size, "the second copy is in the last sector");
        assert_ne!(disk.guid, image.guid);
        for (before, after) in image.parts.iter().zip(&disk.parts) {
            let own = OWN.contains(&before.label.as_str());
            assert_eq!(before.guid != after.guid, own, "{}", before.label);
            assert_eq!(before.range(), after.range());
            assert_eq!(before.kind, after.kind);
        }
        let opened = GptConfig::new().only_valid_headers(true).open_from_device(sectors).unwrap();
        assert_eq!(opened.backup_header().unwrap().current_lba, size / SECTOR - 1);
        assert_eq!(opened.header().last_usable, size / SECTOR - 34);
    }

    #[test]
    fn what_is_no_table_is_said_and_never_a_panic() {
        assert!(Table::read(&[]).is_err());
        assert!(Table::read(&[0; 40_000]).is_err());
        let mut head = head();
        head[512 + 80] = 0xFF;
        assert!(Table::read(&head).is_err());
    }

    proptest::proptest! {
        #[test]
        fn a_damaged_table_is_an_error_and_never_a_panic(at in 0_usize..17_408, byte: u8) {
            let mut head = head();
            head[at] = byte;
            let _ = Table::read(&head);
        }
    }
}
