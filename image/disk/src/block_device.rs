//! The kernel's calls on block devices, and one on files.
#![allow(unsafe_code, reason = "ioctl(2) is the only way to these; each is proved below")]

use std::fs::File;
use std::io::Result;
use std::os::fd::AsRawFd;

mod raw {
    // The kernel's `include/uapi/linux/fs.h`.
    nix::ioctl_none_bad!(reread_table, nix::request_code_none!(0x12, 95));
    nix::ioctl_none_bad!(flush_buffers, nix::request_code_none!(0x12, 97));
    nix::ioctl_read!(sequence, 0x12, 128, u64);
    nix::ioctl_write_int!(share, 0x94, 9);
    nix::ioctl_write_ptr_bad!(discard, nix::request_code_none!(0x12, 119), [u64; 2]);
}

/// The disk's sequence number: another one when another medium is in the drive.
/// `None` on kernels older than 5.15.
pub(crate) fn sequence(disk: &File) -> Result<Option<u64>> {
    let mut number = 0;
    // SAFETY: the descriptor is open, and the kernel writes one u64 to a place
    // that outlives the call.
    match unsafe { raw::sequence(disk.as_raw_fd(), &raw mut number) } {
        Ok(_) => Ok(Some(number)),
        Err(nix::errno::Errno::ENOTTY | nix::errno::Errno::EINVAL) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Writes out and forgets what is cached of the disk.
pub(crate) fn flush_buffers(disk: &File) -> Result<()> {
    // SAFETY: the descriptor is open, and the call takes no argument.
    unsafe { raw::flush_buffers(disk.as_raw_fd()) }?;
    Ok(())
}

/// Makes the kernel look at the partition table again.
pub(crate) fn reread_table(disk: &File) -> Result<()> {
    // SAFETY: the descriptor is open, and the call takes no argument.
    unsafe { raw::reread_table(disk.as_raw_fd()) }?;
    Ok(())
}

/// Tells the disk that a range is not needed any more.
pub(crate) fn discard(disk: &File, start: u64, length: u64) -> Result<()> {
    // SAFETY: the descriptor is open, and the kernel reads two u64 from a place
    // that outlives the call.
    unsafe { raw::discard(disk.as_raw_fd(), &raw const *&[start, length]) }?;
    Ok(())
}

/// Makes a file share all the bytes of another; an error where the file system
/// cannot.
pub(crate) fn share(from: &File, to: &File) -> Result<()> {
    let from = u64::try_from(from.as_raw_fd()).map_err(std::io::Error::other)?;
    // SAFETY: both descriptors are open; the kernel takes the second by number.
    unsafe { raw::share(to.as_raw_fd(), from) }?;
    Ok(())
}
