//! The root tree that lab nodes share, and the `/etc` that each lays over it.

use crate::Tools;
use crate::error::{Doing, Result};
use crate::process::run;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where the image is mounted or unpacked.
const MOUNTED: &str = "root";
const UNPACKED: &str = "root-unpacked";

/// Mounts an erofs image; unpacks it where the host's kernel cannot mount it
/// (before Linux 6.12, or without the image's compression).
pub(super) fn open(image: &Path, dir: &Path, tools: &Tools) -> Result<PathBuf> {
    let mounted = dir.join(MOUNTED);
    fs::create_dir_all(&mounted).doing("making", &mounted)?;
    if mount_image(image, &mounted).is_ok() {
        return Ok(mounted);
    }
    let unpacked = dir.join(UNPACKED);
    let image_dir = image.parent().unwrap_or(Path::new("/"));
    let mut extract = std::ffi::OsString::from("--extract=");
    extract.push(&unpacked);
    let mut command = tools.command("fsck.erofs", &[dir], &[image_dir]);
    run(command.arg(extract).arg("--preserve").arg("--xattrs").arg(image), "erofs-utils")?;
    Ok(unpacked)
}

/// Mounts the image again if the host was rebooted since.
pub(super) fn reopen(image: &Path, root: &Path) -> Result<()> {
    if root.file_name().is_some_and(|name| name == MOUNTED)
        && image.is_file()
        && !root.join("usr").exists()
    {
        mount_image(image, root).doing("mounting", image)?;
    }
    Ok(())
}

fn mount_image(image: &Path, at: &Path) -> nix::Result<()> {
    mount(Some(image), at, Some("erofs"), MsFlags::MS_RDONLY, None::<&str>)
}

/// Takes the mount away.
pub(super) fn close(dir: &Path) -> Result<()> {
    match umount2(&dir.join(MOUNTED), MntFlags::MNT_DETACH) {
        // Not mounted, or not even there.
        Ok(()) | Err(nix::errno::Errno::EINVAL | nix::errno::Errno::ENOENT) => Ok(()),
        Err(error) => Err(error).doing("unmounting", dir.join(MOUNTED)),
    }
}

/// An empty layer for `/etc` with the kept files in it: what the image's initrd
/// does with `persist.conf` on a real machine.
pub(super) fn volatile_etc(root: &Path, dir: &Path, uuid: &str) -> Result<()> {
    let upper = dir.join("etc");
    match fs::remove_dir_all(&upper) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).doing("removing", &upper);
        }
        _ => fs::create_dir(&upper).doing("making", &upper)?,
    }
    fs::set_permissions(&upper, fs::Permissions::from_mode(0o755)).doing("opening", &upper)?;
    let kept = dir.join("var/lib/ashlar/etc");
    fs::create_dir_all(&kept).doing("making", &kept)?;
    for part in [dir.join("var/lib/ashlar"), kept.clone()] {
        fs::set_permissions(&part, fs::Permissions::from_mode(0o700)).doing("closing", &part)?;
    }
    let machine_id = kept.join("machine-id");
    if !machine_id.exists() {
        fs::write(&machine_id, format!("{}\n", uuid.replace('-', "")))
            .doing("writing", &machine_id)?;
    }
    let list = root.join("usr/lib/ashlar/persist.conf");
    let list = match fs::read_to_string(&list) {
        Ok(list) => list,
        Err(error) if error.kind() == ErrorKind::NotFound => "machine-id".to_owned(),
        Err(error) => return Err(error).doing("reading", &list),
    };
    for line in list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (from, to) = (kept.join(line), upper.join(line));
        if from.exists() {
            let parent = to.parent().unwrap_or(&upper);
            fs::create_dir_all(parent).doing("making", parent)?;
            fs::copy(&from, &to).doing("writing", &to)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::volatile_etc;
    use std::fs;

    #[test]
    fn only_listed_files_come_back_into_etc_and_the_machine_id_stays() {
        let root = tempfile::tempdir().unwrap();
        let node = tempfile::tempdir().unwrap();
        let lib = root.path().join("usr/lib/ashlar");
        fs::create_dir_all(&lib).unwrap();
        fs::write(lib.join("persist.conf"), "# kept\nmachine-id\nssh/key\n\n").unwrap();
        let uuid = "6668949f-8724-4523-94fe-17128388c072";
        volatile_etc(root.path(), node.path(), uuid).unwrap();

        let kept = node.path().join("var/lib/ashlar/etc");
        fs::create_dir(kept.join("ssh")).unwrap();
        fs::write(kept.join("ssh/key"), "k").unwrap();
        fs::write(node.path().join("etc/scratch"), "forgotten").unwrap();
        volatile_etc(root.path(), node.path(), "another").unwrap();

        let etc = node.path().join("etc");
        assert_eq!(fs::read_to_string(etc.join("ssh/key")).unwrap(), "k");
        assert_eq!(
            fs::read_to_string(etc.join("machine-id")).unwrap(),
            "6668949f8724452394fe17128388c072\n"
        );
        assert!(!etc.join("scratch").exists());
    }
}
