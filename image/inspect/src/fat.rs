//! FAT, read only: enough to list a partition and read its files.
//!
//! Ours because the `fatfs` crate refuses what `mkfs.fat -F 32` (and so
//! systemd-repart) makes of a small partition: a FAT32 with fewer clusters than
//! the specification wants, which firmware and Linux accept. Tests hold it
//! against `fatfs` on volumes that both can read.

use super::region::Region;
use std::io::{Error, Result};

const ENTRY: usize = 32;
const ATTRIBUTE_LABEL: u8 = 0x08;
const ATTRIBUTE_DIRECTORY: u8 = 0x10;
const ATTRIBUTE_LONG_NAME: u8 = 0x0f;
/// Deeper, longer, larger than a boot partition is; a damaged one may be endless.
const MAX_DEPTH: usize = 8;
const MAX_ENTRIES: usize = 20_000;
const MAX_TABLE: u64 = 64 << 20;
const MAX_DIRECTORY: u64 = 2 << 20;

/// A FAT file system.
#[derive(Debug)]
pub(crate) struct FatVolume {
    region: Region,
    width: Width,
    table: Vec<u8>,
    cluster_size: u64,
    clusters: u32,
    data_at: u64,
    root: Root,
    label: String,
}

/// Bits of an entry of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    Twelve,
    Sixteen,
    ThirtyTwo,
}

/// Where the root directory is.
#[derive(Clone, Copy, Debug)]
enum Root {
    /// In a place of its own (FAT12, FAT16).
    Fixed { at: u64, length: u64 },
    /// In clusters, like any other (FAT32).
    Chain(u32),
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FatEntry {
    /// Path from the root.
    pub path: String,
    /// Bytes.
    pub size: u64,
    first: u32,
}

fn bad(why: impl Into<String>) -> Error {
    Error::other(why.into())
}

impl FatVolume {
    /// Reads the boot sector and the table; nothing if it is not FAT.
    pub(crate) fn open(region: &Region) -> Result<Option<Self>> {
        if region.length() < 512 {
            return Ok(None);
        }
        let boot = region.bytes(0, 512)?;
        let two = |at: usize| u64::from(u16::from_le_bytes([boot[at], boot[at + 1]]));
        let four = |at: usize| u64::from(super::disk::u32_at(&boot, at));
        let named = boot[54..57] == *b"FAT" || boot[82..85] == *b"FAT";
        if !named || !boot.ends_with(&[0x55, 0xaa]) {
            return Ok(None);
        }
        let (sector, per_cluster, tables) = (two(11), u64::from(boot[13]), u64::from(boot[16]));
        if !sector.is_power_of_two() || !(512..=4096).contains(&sector) {
            return Err(bad(format!("it has sectors of {sector} bytes")));
        }
        if !per_cluster.is_power_of_two() || !(1..=2).contains(&tables) {
            return Err(bad("its boot sector makes no sense"));
        }
        let is_32 = two(22) == 0;
        let table_sectors = if is_32 { four(36) } else { two(22) };
        let sectors = if two(19) == 0 { four(32) } else { two(19) };
        let root_at = two(14) + tables * table_sectors;
        let root_sectors = (two(17) * ENTRY as u64).div_ceil(sector);
        let data_sector = root_at + root_sectors;
        let clusters = sectors.saturating_sub(data_sector) / per_cluster;
        let table_length = table_sectors * sector;
        if sectors * sector > region.length() || table_length > MAX_TABLE || clusters == 0 {
            return Err(bad("its boot sector tells of more than the partition holds"));
        }
        let width = match clusters {
            _ if is_32 => Width::ThirtyTwo,
            0..4085 => Width::Twelve,
            _ => Width::Sixteen,
        };
        let label_at = if is_32 { 71 } else { 43 };
        let mut volume = Self {
            region: region.clone(),
            width,
            table: region.bytes(two(14) * sector, table_length as usize)?,
            cluster_size: per_cluster * sector,
            clusters: u32::try_from(clusters).map_err(|_| bad("it has too many clusters"))?,
            data_at: data_sector * sector,
            root: if is_32 {
                Root::Chain(four(44) as u32)
            } else {
                Root::Fixed { at: root_at * sector, length: root_sectors * sector }
            },
            label: String::from_utf8_lossy(&boot[label_at..label_at + 11]).trim().to_owned(),
        };
        if volume.entry(volume.clusters + 1).is_none() {
            // The table is shorter than the data: what it cannot name is unused.
            volume.clusters = volume.table_entries().saturating_sub(2);
        }
        Ok(Some(volume))
    }

    /// Its label.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// Bytes in clusters that belong to something.
    pub(crate) fn used(&self) -> u64 {
        let last = self.clusters.saturating_add(1);
        let taken = (2..=last).filter(|number| self.entry(*number).is_some_and(|next| next != 0));
        taken.count() as u64 * self.cluster_size
    }

    fn table_entries(&self) -> u32 {
        let bytes = self.table.len();
        let entries = match self.width {
            Width::Twelve => bytes * 2 / 3,
            Width::Sixteen => bytes / 2,
            Width::ThirtyTwo => bytes / 4,
        };
        u32::try_from(entries).unwrap_or(u32::MAX)
    }

    /// What the table says of a cluster.
    fn entry(&self, number: u32) -> Option<u32> {
        let number = number as usize;
        match self.width {
            Width::Twelve => {
                let pair = self.table.get(number + number / 2..)?.first_chunk()?;
                let pair = u32::from(u16::from_le_bytes(*pair));
                Some(if number.is_multiple_of(2) { pair & 0xfff } else { pair >> 4 })
            }
            Width::Sixteen => {
                let word = self.table.get(number * 2..)?.first_chunk()?;
                Some(u32::from(u16::from_le_bytes(*word)))
            }
            Width::ThirtyTwo => {
                let word = self.table.get(number * 4..)?.first_chunk()?;
                Some(u32::from_le_bytes(*word) & 0x0fff_ffff)
            }
        }
    }

    fn is_end(&self, number: u32) -> bool {
        number
            >= match self.width {
                Width::Twelve => 0xff8,
                Width::Sixteen => 0xfff8,
                Width::ThirtyTwo => 0x0fff_fff8,
            }
    }

    /// The bytes of a chain of clusters, `limit` at most.
    fn chain(&self, first: u32, limit: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut number = first;
        for _ in 0..self.clusters {
            if self.is_end(number) || bytes.len() as u64 >= limit {
                return Ok(bytes);
            }
            if !(2..=self.clusters.saturating_add(1)).contains(&number) {
                return Err(bad(format!("a chain leads to cluster {number}, which is none")));
            }
            let at = self.data_at + u64::from(number - 2) * self.cluster_size;
            bytes.extend(self.region.bytes(at, self.cluster_size as usize)?);
            number = self.entry(number).unwrap_or(0);
        }
        if self.is_end(number) || bytes.len() as u64 >= limit {
            return Ok(bytes);
        }
        Err(bad("a chain of clusters leads in circles"))
    }

    /// Every file, sorted by path.
    pub(crate) fn files(&self) -> Result<Vec<FatEntry>> {
        let root = match self.root {
            Root::Fixed { at, length } => self.region.bytes(at, length as usize)?,
            Root::Chain(first) => self.chain(first, MAX_DIRECTORY)?,
        };
        let mut files = Vec::new();
        let mut seen = 0;
        self.walk(&root, "", 0, &mut seen, &mut files)?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    fn walk(
        &self,
        directory: &[u8],
        path: &str,
        depth: usize,
        seen: &mut usize,
        files: &mut Vec<FatEntry>,
    ) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(bad("its directories are nested too deeply"));
        }
        let mut long_name = LongName::default();
        for entry in directory.chunks_exact(ENTRY) {
            let attributes = entry[11];
            match entry[0] {
                0 => break,
                0xe5 => {
                    long_name = LongName::default();
                    continue;
                }
                _ if attributes & 0x3f == ATTRIBUTE_LONG_NAME => {
                    long_name.push(entry);
                    continue;
                }
                _ => {}
            }
            let name = std::mem::take(&mut long_name).finish(entry);
            if attributes & ATTRIBUTE_LABEL != 0 || name == "." || name == ".." {
                continue;
            }
            *seen += 1;
            if *seen > MAX_ENTRIES {
                return Err(bad("it has too many files"));
            }
            let high = u16::from_le_bytes([entry[20], entry[21]]);
            let low = u16::from_le_bytes([entry[26], entry[27]]);
            let high = if self.width == Width::ThirtyTwo { high } else { 0 };
            let first = u32::from(high) << 16 | u32::from(low);
            let path = format!("{path}/{name}");
            if attributes & ATTRIBUTE_DIRECTORY != 0 {
                let inner = self.chain(first, MAX_DIRECTORY)?;
                self.walk(&inner, &path, depth + 1, seen, files)?;
            } else {
                let size = u64::from(super::disk::u32_at(entry, 28));
                files.push(FatEntry { path, size, first });
            }
        }
        Ok(())
    }

    /// The bytes of a file.
    pub(crate) fn read(&self, file: &FatEntry) -> Result<Vec<u8>> {
        if file.size == 0 {
            return Ok(Vec::new());
        }
        let mut bytes = self.chain(file.first, file.size)?;
        if (bytes.len() as u64) < file.size {
            let why = format!("{} has {} of {} bytes", file.path, bytes.len(), file.size);
            return Err(bad(why));
        }
        bytes.truncate(file.size as usize);
        Ok(bytes)
    }
}

/// A name longer than 8.3, which lies in the entries before its file's, last
/// part first.
#[derive(Debug, Default)]
struct LongName {
    parts: Vec<Vec<u16>>,
    checksum: u8,
}

impl LongName {
    fn push(&mut self, entry: &[u8]) {
        if entry[0] & 0x40 != 0 {
            self.parts.clear();
            self.checksum = entry[13];
        }
        let units = [&entry[1..11], &entry[14..26], &entry[28..32]];
        let text = units.concat();
        let part = text.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
        self.parts.push(part.take_while(|unit| *unit != 0 && *unit != 0xffff).collect());
    }

    /// The name of the file whose own entry this is.
    fn finish(self, entry: &[u8]) -> String {
        let short = &entry[..11];
        let sum = short.iter().fold(0_u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte));
        if self.parts.is_empty() || sum != self.checksum {
            return short_name(entry);
        }
        let units: Vec<u16> = self.parts.into_iter().rev().flatten().collect();
        String::from_utf16_lossy(&units)
    }
}

fn short_name(entry: &[u8]) -> String {
    // Two bits say that a part is to be shown in lower case.
    let part = |bytes: &[u8], lower: bool| {
        let text = String::from_utf8_lossy(bytes).trim_end().to_owned();
        if lower { text.to_ascii_lowercase() } else { text }
    };
    let base = part(&entry[..8], entry[12] & 0x08 != 0);
    let extension = part(&entry[8..11], entry[12] & 0x10 != 0);
    if extension.is_empty() { base } else { format!("{base}.{extension}") }
}

#[cfg(test)]
mod tests;
