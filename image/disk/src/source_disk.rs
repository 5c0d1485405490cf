//! A disk that was flashed, as an image: what an installer copies from.
//!
//! A disk has no holes that say where nothing is. What is used is told by the
//! formats: a FAT by its table, the root by the size of its verified device.

use crate::error::Doing;
use crate::{CHUNK, FlashError, Image, Table, window::Window};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use zeroize::Zeroizing;

/// What is shipped; a disk with more on it is a box's own.
const SHIPPED: [&str; 5] = ["esp", "root-a", "verity-a", "sig-a", "seed"];
/// Room for the table's second copy behind the last partition.
const TAIL: u64 = 33 * crate::SECTOR;
/// Longer than any site.
const LONGEST: u64 = 64 << 10;

/// Where an image's bytes are on a disk, and which of them matter.
#[derive(Debug)]
pub(crate) struct OnDisk {
    /// By their place.
    used: Vec<Range<u64>>,
    /// The root's place, and the device that checks every block of it.
    verified: Option<(Range<u64>, File)>,
}

impl Image {
    /// The image that a disk was flashed with. `root` is the verified device of its
    /// root, if there is one: then no damaged block of it is copied.
    ///
    /// # Errors
    /// When it cannot be read, was not flashed, or is a box's own disk already.
    pub fn on_disk(path: &Path, root: Option<&Path>) -> Result<Self, FlashError> {
        let file = File::open(path).doing("opening", path)?;
        let bad = |why: String| FlashError::BadMedium { path: path.to_owned(), why };
        let mut head = vec![0; CHUNK as usize];
        file.read_exact_at(&mut head, 0).doing("reading", path)?;
        let mut table = Table::read(&head).map_err(bad)?;
        if let Some(part) = table.parts.iter().find(|part| !SHIPPED.contains(&part.label.as_str()))
        {
            let why = format!("it has the partition `{}`: a box has run from it", part.label);
            return Err(bad(why));
        }
        let (Some(place), Some(_)) = (table.labelled("root-a"), table.labelled("esp")) else {
            return Err(bad("it has no boot partition, or no root".into()));
        };
        let place = place.range();
        let verified = match root {
            Some(root) => Some((place, File::open(root).doing("opening", root)?)),
            None => None,
        };
        let mut used = Vec::new();
        for part in &table.parts {
            match (part.label.as_str(), &verified) {
                // Another takes its place.
                ("seed", _) => {}
                ("esp", _) => {
                    let end = fat_end(&file, part.start).doing("reading", path)?;
                    used.push(part.start..end.map_or(part.end, |end| part.end.min(end)));
                }
                ("root-a", Some((_, root))) => {
                    let mut root = root;
                    let length = root.seek(SeekFrom::End(0)).doing("measuring", path)?;
                    used.push(part.start..part.end.min(part.start + length));
                }
                _ => used.push(part.range()),
            }
        }
        // The disk that is copied from may be larger than the one that is written.
        let end = table.parts.iter().map(|part| part.end).max().unwrap_or(0);
        table.shorten((end + TAIL).next_multiple_of(CHUNK));
        Ok(Self::of_disk(path, file, table, OnDisk { used, verified }))
    }

    /// The site in the seed of a disk; none if there is no seed or no site in it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn site(&self) -> Result<Option<Zeroizing<String>>, FlashError> {
        let Some(seed) = self.table().labelled("seed") else { return Ok(None) };
        let window = Window::new(self.file(), seed.range());
        let Ok(volume) = fatfs::FileSystem::new(window, fatfs::FsOptions::new()) else {
            return Ok(None);
        };
        let Ok(file) = volume.root_dir().open_file(crate::seed::FILE) else { return Ok(None) };
        let mut text = Zeroizing::new(String::new());
        file.take(LONGEST).read_to_string(&mut text).doing("reading the site on", self.path())?;
        Ok(Some(text))
    }
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
fn fat_end(disk: &File, start: u64) -> std::io::Result<Option<u64>> {
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
