//! The disk to flash, and the reasons not to.

use crate::{Doing, FlashError};
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// A whole disk that nobody uses.
#[derive(Debug)]
pub struct Target {
    /// As named.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// Vendor and model, as the kernel tells.
    pub model: String,
    /// It can be pulled out.
    pub removable: bool,
}

impl Target {
    /// Looks at a disk and refuses one that is in use or too small.
    pub fn check(path: &Path, needs: u64) -> Result<Self, FlashError> {
        let metadata = std::fs::metadata(path).doing("looking at", path)?;
        if !metadata.file_type().is_block_device() {
            return Err(FlashError::NotADisk { path: path.to_owned() });
        }
        let number = metadata.rdev();
        let sys = PathBuf::from(format!(
            "/sys/dev/block/{}:{}",
            nix::sys::stat::major(number),
            nix::sys::stat::minor(number)
        ));
        let sys = std::fs::canonicalize(&sys).doing("resolving", &sys)?;
        if sys.join("partition").exists() {
            let disk = sys.parent().and_then(Path::file_name).unwrap_or_default();
            let disk = format!("/dev/{}", disk.to_string_lossy());
            return Err(FlashError::Partition { path: path.to_owned(), disk });
        }
        if let Some(by) = user(&sys)? {
            return Err(FlashError::InUse { path: path.to_owned(), by });
        }
        let size = File::open(path)
            .and_then(|mut file| file.seek(SeekFrom::End(0)))
            .doing("measuring", path)?;
        if size < needs {
            return Err(FlashError::TooSmall { path: path.to_owned(), has: size, needs });
        }
        let word = |name: &str| std::fs::read_to_string(sys.join(name)).unwrap_or_default();
        let model = format!("{} {}", word("device/vendor").trim(), word("device/model").trim());
        Ok(Self {
            path: path.to_owned(),
            size,
            model: model.trim().to_owned(),
            removable: word("removable").trim() == "1",
        })
    }
}

/// Who uses the disk or a partition of it: a mount, swap, or a device on top.
fn user(sys: &Path) -> Result<Option<String>, FlashError> {
    let mounts = read("/proc/self/mountinfo")?;
    let swaps = read("/proc/swaps")?;
    let mut parts = vec![sys.to_owned()];
    for entry in std::fs::read_dir(sys).doing("listing", sys)?.flatten() {
        if entry.path().join("partition").exists() {
            parts.push(entry.path());
        }
    }
    for part in parts {
        let number = std::fs::read_to_string(part.join("dev")).doing("reading", &part)?;
        let name = part.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(place) = mounted_at(&mounts, number.trim()) {
            return Ok(Some(format!("/dev/{name} is mounted at {place}")));
        }
        let device = format!("/dev/{name}");
        if swaps.lines().any(|line| line.split_whitespace().next() == Some(&device)) {
            return Ok(Some(format!("{device} is swap space")));
        }
        let holder = std::fs::read_dir(part.join("holders")).into_iter().flatten().flatten().next();
        if let Some(holder) = holder {
            let holder = holder.file_name().to_string_lossy().into_owned();
            return Ok(Some(format!("/dev/{holder} lies on {device}")));
        }
    }
    Ok(None)
}

/// Where the device `major:minor` is mounted, by proc_pid_mountinfo(5).
fn mounted_at<'a>(mountinfo: &'a str, number: &str) -> Option<&'a str> {
    mountinfo.lines().find_map(|line| {
        let mut fields = line.split(' ');
        (fields.nth(2) == Some(number)).then(|| fields.nth(1)).flatten()
    })
}

fn read(path: &str) -> Result<String, FlashError> {
    std::fs::read_to_string(path).doing("reading", Path::new(path))
}

#[cfg(test)]
mod tests {
    use super::{Target, mounted_at};
    use crate::FlashError;

    #[test]
    fn a_mount_is_found_by_its_device_number() {
        let info = "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n\
                    30 22 8:17 / /media/a\\040stick rw - vfat /dev/sdb1 rw\n";
        assert_eq!(mounted_at(info, "8:17"), Some("/media/a\\040stick"));
        assert_eq!(mounted_at(info, "8:1"), None);
        assert_eq!(mounted_at("", "8:1"), None);
    }

    #[test]
    fn a_plain_file_is_no_disk() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(Target::check(file.path(), 0), Err(FlashError::NotADisk { .. })));
    }

    /// Whatever machine this runs on, the disk under its root is in use.
    #[test]
    fn the_disk_that_this_host_runs_from_is_refused() {
        use std::os::unix::fs::MetadataExt;
        let device = std::fs::metadata("/").unwrap().dev();
        let (major, minor) = (nix::sys::stat::major(device), nix::sys::stat::minor(device));
        let link = format!("/sys/dev/block/{major}:{minor}");
        // Overlay and network roots have no disk of their own.
        let Ok(sys) = std::fs::canonicalize(link) else { return };
        let path = std::path::Path::new("/dev").join(sys.file_name().unwrap());
        if path.exists() {
            let refused = Target::check(&path, 0);
            assert!(
                matches!(
                    refused,
                    Err(FlashError::InUse { .. }
                        | FlashError::Partition { .. }
                        | FlashError::Io { .. })
                ),
                "{refused:?}"
            );
        }
    }
}
