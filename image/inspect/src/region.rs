//! A read-only window on a file.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// The bytes `start..start + length` of a file, with a position of its own.
#[derive(Clone, Debug)]
pub struct Region {
    file: Arc<File>,
    start: u64,
    length: u64,
    position: u64,
}

impl Region {
    /// A window.
    pub fn new(file: Arc<File>, start: u64, length: u64) -> Self {
        Self { file, start, length, position: 0 }
    }

    /// The same window, cut to its first bytes.
    pub fn cut(self, length: u64) -> Self {
        Self { length: self.length.min(length), ..self }
    }

    /// How long the window is.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// `length` bytes from `offset`.
    pub fn bytes(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let within = offset.checked_add(length as u64).is_some_and(|end| end <= self.length);
        if !within {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, self.start + offset)?;
        Ok(bytes)
    }
}

impl Read for Region {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let left = self.length.saturating_sub(self.position);
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.file.read_at(&mut buffer[..wanted], self.start + self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for Region {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = target.ok_or_else(|| {
            Error::new(ErrorKind::InvalidInput, "a position before the beginning")
        })?;
        Ok(self.position)
    }
}

/// The `gpt` crate asks for a device that can be written as well; this one never
/// is.
impl Write for Region {
    fn write(&mut self, _: &[u8]) -> Result<usize> {
        Err(ErrorKind::ReadOnlyFilesystem.into())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
