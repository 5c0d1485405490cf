//! A part of a disk as a file of its own, for reading.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// The bytes of a partition.
pub(crate) struct Window<'a> {
    file: &'a File,
    range: Range<u64>,
    position: u64,
}

impl<'a> Window<'a> {
    pub(crate) fn new(file: &'a File, range: Range<u64>) -> Self {
        Self { file, range, position: 0 }
    }
}

impl Read for Window<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let at = self.range.start.saturating_add(self.position);
        let left = usize::try_from(self.range.end.saturating_sub(at)).unwrap_or(usize::MAX);
        let want = buffer.len().min(left);
        let count = self.file.read_at(buffer.get_mut(..want).unwrap_or_default(), at)?;
        self.position += count as u64;
        Ok(count)
    }
}

/// What reads a file system asks for this, and has no need of it.
impl Write for Window<'_> {
    fn write(&mut self, _: &[u8]) -> Result<usize> {
        Err(ErrorKind::ReadOnlyFilesystem.into())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Seek for Window<'_> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => (self.range.end - self.range.start).checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        let before = || Error::new(ErrorKind::InvalidInput, "a position before the beginning");
        self.position = target.ok_or_else(before)?;
        Ok(self.position)
    }
}
