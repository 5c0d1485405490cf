//! A disk in memory of which only some sectors are known; the others are zeros.

use crate::SECTOR;
use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom, Write};
use std::ops::Range;
use zeroize::Zeroizing;

const LENGTH: usize = SECTOR as usize;

/// A disk, as far as it was written; wiped from memory when dropped, because a
/// seed may be on it.
#[derive(Clone)]
pub struct Sectors {
    size: u64,
    position: u64,
    written: BTreeMap<u64, Zeroizing<[u8; LENGTH]>>,
}

impl std::fmt::Debug for Sectors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sectors({} of {})", self.written.len(), self.size / SECTOR)
    }
}

impl Sectors {
    /// An empty disk of `size` bytes.
    #[must_use]
    pub fn new(size: u64) -> Self {
        Self { size, position: 0, written: BTreeMap::new() }
    }

    /// Writes bytes at a place of their own.
    pub(crate) fn put(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        self.position = at;
        self.write_all(bytes)
    }

    /// Every sector that was written, as its byte offset and its bytes.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.written.iter().map(|(number, bytes)| (number * SECTOR, bytes.as_slice()))
    }

    /// Those within a range of bytes.
    pub(crate) fn within(&self, range: Range<u64>) -> impl Iterator<Item = (u64, &[u8])> {
        let sectors = range.start / SECTOR..range.end.div_ceil(SECTOR).max(range.start / SECTOR);
        self.written.range(sectors).map(|(number, bytes)| (number * SECTOR, bytes.as_slice()))
    }

    /// The first byte at or after `at` that was written.
    pub(crate) fn next_from(&self, at: u64) -> Option<u64> {
        self.written.range(at / SECTOR..).next().map(|(number, _)| (number * SECTOR).max(at))
    }

    /// Sector number, place in it, and how many bytes of `wanted` are in it.
    fn here(&self, wanted: usize) -> (u64, usize, usize) {
        let within = (self.position % SECTOR) as usize;
        let left = usize::try_from(self.size.saturating_sub(self.position)).unwrap_or(usize::MAX);
        (self.position / SECTOR, within, wanted.min(LENGTH - within).min(left))
    }
}

impl Read for Sectors {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let (number, within, count) = self.here(buffer.len());
        let Some(buffer) = buffer.get_mut(..count) else { return Ok(0) };
        match self.written.get(&number).and_then(|sector| sector.get(within..within + count)) {
            Some(bytes) => buffer.copy_from_slice(bytes),
            None => buffer.fill(0),
        }
        self.position += count as u64;
        Ok(count)
    }
}

impl Write for Sectors {
    fn write(&mut self, buffer: &[u8]) -> Result<usize> {
        let (number, within, count) = self.here(buffer.len());
        let sector = self.written.entry(number).or_insert_with(|| Zeroizing::new([0; LENGTH]));
        if let (Some(to), Some(from)) =
            (sector.get_mut(within..within + count), buffer.get(..count))
        {
            to.copy_from_slice(from);
        }
        self.position += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Seek for Sectors {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.size.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        let before = || Error::new(ErrorKind::InvalidInput, "a position before the beginning");
        self.position = target.ok_or_else(before)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::Sectors;
    use proptest::prelude::*;
    use std::io::{Cursor, Read, Seek, SeekFrom, Write};

    proptest! {
        #[test]
        fn it_reads_like_the_file_that_it_stands_for(
            writes in prop::collection::vec((0_u64..9000, prop::collection::vec(any::<u8>(), 1..1200)), 0..12),
            from in 0_u64..9000,
        ) {
            let mut sectors = Sectors::new(10_240);
            let mut file = Cursor::new(vec![0_u8; 10_240]);
            for (at, bytes) in writes {
                let bytes = &bytes[..bytes.len().min(10_240 - at as usize)];
                for disk in [&mut sectors as &mut dyn Both, &mut file] {
                    disk.seek(SeekFrom::Start(at)).unwrap();
                    disk.write_all(bytes).unwrap();
                }
            }
            let mut found = [Vec::new(), Vec::new()];
            for (disk, found) in [&mut sectors as &mut dyn Both, &mut file].into_iter().zip(&mut found) {
                disk.seek(SeekFrom::Start(from)).unwrap();
                disk.read_to_end(found).unwrap();
            }
            prop_assert!(found[0] == found[1]);
        }
    }

    trait Both: Read + Write + Seek {}
    impl<T: Read + Write + Seek> Both for T {}
}
