//! Who holds a disk that the kernel says is busy. Only the kernel's word counts;
//! this finds words for it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Names whoever holds a disk of which the kernel says that it is held.
pub(crate) fn of(sys: &Path) -> String {
    find(sys).unwrap_or_else(|| {
        "the kernel says so, and not for whom: a pool, a RAID, or a mount in a container; \
         `lsblk -f` shows what is on it"
            .to_owned()
    })
}

/// Who holds a disk, as far as it can be found.
pub(crate) fn find(sys: &Path) -> Option<String> {
    let mut devices = vec![sys.to_owned()];
    let entries = fs::read_dir(sys).into_iter().flatten().flatten();
    devices
        .extend(entries.map(|entry| entry.path()).filter(|path| path.join("partition").exists()));
    let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
    for device in &devices {
        let name = name(device);
        let number = fs::read_to_string(device.join("dev")).unwrap_or_default();
        if swaps.lines().any(|line| line.split_whitespace().next() == Some(&name)) {
            return Some(format!("{name} is swap space"));
        }
        if let Some(holder) =
            fs::read_dir(device.join("holders")).into_iter().flatten().flatten().next()
        {
            return Some(format!("{name} is a part of {}", mapped(&holder.path())));
        }
        if let Some(place) = mounted(number.trim(), &name) {
            return Some(format!("{name} is mounted at {place}"));
        }
    }
    None
}

fn name(device: &Path) -> String {
    format!("/dev/{}", device.file_name().unwrap_or_default().to_string_lossy())
}

/// `dm-3` by the name that people gave it.
fn mapped(holder: &Path) -> String {
    let name = name(holder);
    match fs::read_to_string(holder.join("dm/name")) {
        Ok(mapped) => format!("{name} ({})", mapped.trim()),
        Err(_) => name,
    }
}

/// Where a device is mounted, in any mount namespace that can be seen.
fn mounted(number: &str, device: &str) -> Option<String> {
    let own = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    if let Some(place) = mount(&own, number, device) {
        return Some(place);
    }
    let mut seen = BTreeSet::new();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let path: PathBuf = process.path();
        let Ok(namespace) = fs::read_link(path.join("ns/mnt")) else { continue };
        if !seen.insert(namespace) {
            continue;
        }
        let mounts = fs::read_to_string(path.join("mountinfo")).unwrap_or_default();
        if let Some(place) = mount(&mounts, number, device) {
            let who = fs::read_to_string(path.join("comm")).unwrap_or_default();
            let process = process.file_name().to_string_lossy().into_owned();
            return Some(format!("{place} for process {process} ({})", who.trim()));
        }
    }
    None
}

/// A mount by device number or, for file systems with numbers of their own such
/// as btrfs, by source: proc_pid_mountinfo(5).
fn mount(mountinfo: &str, number: &str, device: &str) -> Option<String> {
    mountinfo.lines().find_map(|line| {
        let (fields, rest) = line.split_once(" - ")?;
        let mut fields = fields.split(' ');
        let here = fields.nth(2)? == number || rest.split(' ').nth(1)? == device;
        here.then(|| fields.nth(1)).flatten().map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use super::mount;

    #[test]
    fn a_mount_is_found_by_its_number_or_by_its_source() {
        let info = "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n\
                    30 22 8:17 / /media/a\\040stick rw - vfat /dev/sdb1 rw\n\
                    30 1 0:35 /@ /srv rw - btrfs /dev/sda2 rw\n";
        assert_eq!(mount(info, "8:17", "/dev/x").as_deref(), Some("/media/a\\040stick"));
        assert_eq!(mount(info, "8:2", "/dev/sda2").as_deref(), Some("/srv"));
        assert_eq!(mount(info, "8:1", "/dev/sda1"), None);
        assert_eq!(mount("", "8:1", "/dev/sda1"), None);
    }
}
