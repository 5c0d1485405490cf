//! What is written to: a disk, or in tests something that misbehaves like one.

use std::io::Result;

/// Something that holds bytes.
pub trait Medium {
    /// How many.
    fn size(&self) -> u64;
    /// Changes when another medium is put into the same drive.
    ///
    /// # Errors
    /// When the drive says no.
    fn sequence(&self) -> Result<Option<u64>>;
    /// Fills the buffer from `at`.
    ///
    /// # Errors
    /// When the medium says no.
    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<()>;
    /// Writes all of it at `at`.
    ///
    /// # Errors
    /// When the medium says no.
    fn write_at(&self, at: u64, bytes: &[u8]) -> Result<()>;
    /// Asks the medium to make a range zeros by itself; false where it cannot,
    /// and only sending the zeros helps.
    fn zeroed(&self, at: u64, length: u64) -> bool;
    /// Tells the medium that nothing in a range is needed any more; false where it
    /// cannot, which does no harm.
    fn discard(&self, at: u64, length: u64) -> bool;
    /// Waits until all is on the medium, and forgets what is cached of it.
    ///
    /// # Errors
    /// When it did not arrive.
    fn settle(&self) -> Result<()>;
    /// Waits until all is on the medium.
    ///
    /// # Errors
    /// When it did not arrive.
    fn sync(&self) -> Result<()>;
}
