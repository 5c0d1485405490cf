//! A disk that was flashed, as an image: what an installer copies from.
//!
//! A disk has no holes that say where nothing is. What is used is told by the
//! formats: a FAT by its table, the root by the size of its verified device.

use crate::CHUNK;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// Where an image's bytes are on a disk, and which of them matter.
#[derive(Debug)]
pub(crate) struct OnDisk {
    /// By their place.
    pub(crate) used: Vec<Range<u64>>,
    /// The root's place, and the device that checks every block of it.
    pub(crate) verified: Option<(Range<u64>, File)>,
}

impl OnDisk {
    /// How many bytes matter.
    pub(crate) fn bytes(&self) -> u64 {
        self.used.iter().map(|range| range.end - range.start).sum()
    }

    /// The chunk at or after `at` that has used bytes.
    pub(crate) fn next_from(&self, at: u64, length: u64) -> u64 {
        let next = self.used.iter().find(|range| range.end > at);
        next.map_or(length, |range| (range.start - range.start % CHUNK).max(at))
    }

    /// Fills the buffer with what is at `at`; what is not used counts as zeros.
    pub(crate) fn read(&self, disk: &File, at: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        buffer.fill(0);
        let end = at + buffer.len() as u64;
        for range in &self.used {
            let (from, to) = (range.start.max(at), range.end.min(end));
            if from >= to {
                continue;
            }
            let piece = buffer.get_mut((from - at) as usize..(to - at) as usize);
            let piece = piece.unwrap_or_default();
            match &self.verified {
                Some((root, device)) if root.contains(&from) => {
                    device.read_exact_at(piece, from - root.start)?;
                }
                _ => disk.read_exact_at(piece, from)?,
            }
        }
        Ok(())
    }
}

/// The byte behind the last used cluster of a FAT32 volume; none for other
/// formats, which are small.
pub(crate) fn fat_end(disk: &File, start: u64) -> std::io::Result<Option<u64>> {
    let mut boot = [0; 512];
    disk.read_exact_at(&mut boot, start)?;
    let byte = |at: usize| u64::from(boot.get(at).copied().unwrap_or(0));
    let word = |at: usize| byte(at) | byte(at + 1) << 8;
    let long = |at: usize| word(at) | word(at + 2) << 16;
    let (sector, cluster, reserved, copies) = (word(11), byte(13), word(14), byte(16));
    let (old, length) = (word(22), long(36));
    let known = boot.ends_with(&[0x55, 0xaa]) && old == 0 && sector == crate::SECTOR;
    if !known || cluster == 0 || copies == 0 || length == 0 || length > 1 << 18 {
        return Ok(None);
    }
    let mut table = vec![0; (length * sector) as usize];
    disk.read_exact_at(&mut table, start + reserved * sector)?;
    let data = reserved + copies * length;
    // Behind the last cluster's entry the table is only filled up.
    let clusters = (long(32).saturating_sub(data) / cluster) as usize;
    // The upper four bits of an entry mean nothing.
    let used = |entry: &[u8]| entry.iter().zip([0xFF, 0xFF, 0xFF, 0x0F]).any(|(b, m)| b & m != 0);
    let last = table.chunks_exact(4).take(clusters + 2).rposition(used).unwrap_or(2).max(2) as u64;
    Ok(Some(start + (data + (last - 1) * cluster) * sector))
}

#[cfg(test)]
mod tests {
    use super::fat_end;
    use crate::Sectors;
    use fatfs::{FatType, FileSystem, FormatVolumeOptions, FsOptions, format_volume};
    use std::io::{Read, Seek, SeekFrom, Write};
    use std::os::unix::fs::FileExt;

    #[test]
    fn a_boot_partition_is_used_up_to_its_last_file() {
        let mut sectors = Sectors::new(300 << 20);
        let options = FormatVolumeOptions::new().fat_type(FatType::Fat32);
        format_volume(&mut sectors, options).unwrap();
        sectors.seek(SeekFrom::Start(0)).unwrap();
        let volume = FileSystem::new(&mut sectors, FsOptions::new()).unwrap();
        volume.root_dir().create_file("kernel").unwrap().write_all(&[0xA5; 3_000_000]).unwrap();
        volume.unmount().unwrap();
        let mut bytes = vec![0; 16 << 20];
        sectors.seek(SeekFrom::Start(0)).unwrap();
        sectors.read_exact(&mut bytes).unwrap();
        let disk = tempfile::tempfile().unwrap();
        disk.write_all_at(&bytes, 4096).unwrap();
        let end = fat_end(&disk, 4096).unwrap().unwrap() as usize;
        let last = 4096 + bytes.iter().rposition(|byte| *byte == 0xA5).unwrap();
        assert!((last + 1..last + 1 + (64 << 10)).contains(&end), "{end} and {last}");
    }

    #[test]
    fn what_is_no_fat32_is_not_guessed_at() {
        let disk = tempfile::tempfile().unwrap();
        disk.write_all_at(&[0xFF; 4096], 0).unwrap();
        assert_eq!(fat_end(&disk, 0).unwrap(), None);
    }
}
