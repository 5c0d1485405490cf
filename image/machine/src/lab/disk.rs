//! A data partition of a lab node's own, so that it can run full without the host's.

use crate::error::{Doing, Result};
use crate::process::run;
use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

/// What is formatted, beside where it is mounted.
const IMAGE: &str = "data.img";
const DATA: &str = "data";

/// Makes it, of so many GiB: it takes up what is written to it.
pub(super) fn make(dir: &Path, gib: u32) -> Result<()> {
    let image = dir.join(IMAGE);
    let file = File::create_new(&image).doing("making", &image)?;
    file.set_len(u64::from(gib) << 30).doing("making", &image)?;
    run(Command::new("mkfs.xfs").arg("-q").arg(&image), "xfsprogs").map(drop)
}

/// Mounts it, if the node has one and it is not mounted; it stays over power cuts.
pub(super) fn open(dir: &Path) -> Result<()> {
    let (image, data) = (dir.join(IMAGE), dir.join(DATA));
    let device = |path: &Path| fs::metadata(path).doing("looking at", path).map(|m| m.dev());
    if !image.exists() || device(&data)? != device(dir)? {
        return Ok(());
    }
    let mut mount = Command::new("mount");
    // As the image's own unit does.
    mount.args(["-o", "loop,noatime,nodev,nosuid"]).arg(&image).arg(&data);
    run(&mut mount, "mount").map(drop)
}

/// Takes the mount away.
pub(super) fn close(dir: &Path) -> Result<()> {
    let data = dir.join(DATA);
    match umount2(&data, MntFlags::MNT_DETACH) {
        // Not mounted, or not even there; a file.
        Ok(()) | Err(Errno::EINVAL | Errno::ENOENT | Errno::ENOTDIR) => Ok(()),
        Err(error) => Err(error).doing("unmounting", data),
    }
}
