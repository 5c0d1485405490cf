//! Which volumes of sticks and cards in this box may be written on: FAT, plugged in from
//! outside, used by nothing here, and not of the disk that the box runs from.

use crate::inventory::{names, told};
use crate::paths::Paths;
use ashlar_api::StickVolume;
use std::collections::HashSet;
use std::fs;
use std::path::Path;

/// Where a firmware looks for what it starts; people's computers hide it.
const ESP: &str = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";

/// What the small volume of our own sticks is called, which people's computers show.
const OURS: &str = "ASHLARSEED";

/// All of them, ours first.
pub(crate) fn volumes(paths: &Paths) -> Vec<StickVolume> {
    let root = paths.root();
    let own = names(&root.join("run/ashlar/boot-disk"));
    // A system that does not know its own disk takes no other for somebody else's.
    if own.is_empty() {
        return Vec::new();
    }
    let used = mounted(root);
    let all = names(&root.join("sys/class/block"));
    let mut found: Vec<_> =
        all.into_iter().filter_map(|name| volume(root, name, &own, &used)).collect();
    found.sort_by_key(|volume| volume.label.as_deref() != Some(OURS));
    found
}

fn volume(
    root: &Path,
    name: String,
    own: &[String],
    used: &HashSet<String>,
) -> Option<StickVolume> {
    let place = fs::canonicalize(root.join("sys/class/block").join(&name)).ok()?;
    let disk = if place.join("partition").exists() { place.parent()? } else { &place };
    let disk_name = disk.file_name()?.to_str()?;
    let number = told(&place.join("dev"))?;
    if own.iter().any(|own| own == disk_name) || used.contains(&number) {
        return None;
    }
    let known = fs::read_to_string(root.join("run/udev/data").join(format!("b{number}"))).ok()?;
    let property = |key: &str| {
        let mut lines = known.lines().filter_map(|line| line.strip_prefix("E:")?.split_once('='));
        lines.find(|(name, _)| *name == key).map(|(_, value)| value.to_owned())
    };
    let fat = property("ID_FS_TYPE").is_some_and(|kind| kind == "vfat");
    let esp = property("ID_PART_ENTRY_TYPE").is_some_and(|kind| kind == ESP);
    if !fat || esp || !is_pluggable(root, disk) || !names(&place.join("holders")).is_empty() {
        return None;
    }
    let sectors: u64 = told(&place.join("size"))?.parse().ok().filter(|sectors| *sectors > 0)?;
    let device = |entry: &str| told(&disk.join("device").join(entry));
    let model = [device("vendor"), device("model").or_else(|| device("name"))];
    let model = model.into_iter().flatten().collect::<Vec<_>>().join(" ");
    Some(StickVolume {
        label: property("ID_FS_LABEL").filter(|label| !label.is_empty()),
        model: (!model.is_empty()).then_some(model),
        bytes: sectors.saturating_mul(512),
        name,
    })
}

/// Whether a person can pull it out: on USB, a card, or said to be so by itself.
fn is_pluggable(root: &Path, disk: &Path) -> bool {
    let below = disk.strip_prefix(root).unwrap_or(disk);
    let usb = below.iter().any(|part| part.to_str().is_some_and(|part| part.starts_with("usb")));
    let says = |entry: &str, word: &str| told(&disk.join(entry)).is_some_and(|said| said == word);
    usb || says("removable", "1") || says("device/type", "SD")
}

/// The numbers of all devices that are mounted, as this process sees it.
fn mounted(root: &Path) -> HashSet<String> {
    let table = told(&root.join("proc/self/mountinfo")).unwrap_or_default();
    table.lines().filter_map(|line| line.split(' ').nth(2)).map(str::to_owned).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    pub(crate) fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A partition of a disk, as kernel and udev tell it.
    pub(crate) fn plug(root: &Path, disk: &str, part: &str, number: &str, kind: &str, label: &str) {
        let place = format!("sys/devices/{disk}/{part}");
        write(root, &format!("{place}/partition"), "1\n");
        write(root, &format!("{place}/dev"), &format!("{number}\n"));
        write(root, &format!("{place}/size"), "2048\n");
        write(root, &format!("sys/devices/{disk}/device/model"), "Ultra  \n");
        let known = format!("S:disk/by-label/x\nE:ID_FS_TYPE={kind}\nE:ID_FS_LABEL={label}\n");
        write(root, &format!("run/udev/data/b{number}"), &known);
        let class = root.join("sys/class/block");
        fs::create_dir_all(&class).unwrap();
        symlink(format!("../../devices/{disk}/{part}"), class.join(part)).unwrap();
    }

    /// A box that runs from its NVMe disk.
    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new() -> Self {
            let machine = Self(tempfile::tempdir().unwrap());
            machine.write("run/ashlar/boot-disk/nvme0n1", "");
            machine.plug("pci0/nvme/nvme0n1", "nvme0n1p5", "259:5", "vfat", "SEED");
            machine
        }

        fn write(&self, path: &str, text: &str) {
            write(self.0.path(), path, text);
        }

        fn plug(&self, disk: &str, part: &str, number: &str, kind: &str, label: &str) {
            plug(self.0.path(), disk, part, number, kind, label);
        }

        fn volumes(&self) -> Vec<String> {
            let found = volumes(&Paths::under(self.0.path()));
            found.into_iter().map(|volume| volume.name).collect()
        }
    }

    #[test]
    fn only_fat_that_somebody_plugged_in_is_written_on_and_never_the_disk_that_runs() {
        let machine = Machine::new();
        assert!(machine.volumes().is_empty(), "the box's own seed is FAT too");
        machine.plug("pci0/usb2/2-1/sdb", "sdb1", "8:17", "vfat", "PHOTOS");
        machine.plug("pci0/usb2/2-1/sdb", "sdb2", "8:18", "ext4", "");
        machine.plug("pci0/ata1/sda", "sda1", "8:1", "vfat", "SOMEBODY");
        machine.plug("pci0/mmc0/mmcblk0", "mmcblk0p1", "179:1", "vfat", "CAMERA");
        assert_eq!(machine.volumes(), ["sdb1"], "a disk that is built in is no stick");
        machine.write("sys/devices/pci0/mmc0/mmcblk0/device/type", "SD\n");
        machine.plug("pci0/usb3/3-1/sdc", "sdc5", "8:37", "vfat", OURS);
        assert_eq!(machine.volumes(), ["sdc5", "mmcblk0p1", "sdb1"], "ours is the likeliest");
        machine.write("proc/self/mountinfo", "36 35 8:37 / /mnt rw - vfat /dev/sdc5 rw\n");
        machine.write("sys/devices/pci0/usb2/2-1/sdb/sdb1/holders/dm-3", "");
        assert_eq!(machine.volumes(), ["mmcblk0p1"], "what is in use is left alone");
        machine.write(
            "run/udev/data/b179:1",
            &format!("E:ID_FS_TYPE=vfat\nE:ID_PART_ENTRY_TYPE={ESP}\n"),
        );
        assert!(machine.volumes().is_empty());
    }

    #[test]
    fn a_box_that_runs_from_a_stick_does_not_write_on_it_however_it_is_plugged() {
        let machine = Machine::new();
        machine.plug("pci0/usb2/2-1/sdb", "sdb5", "8:21", "vfat", OURS);
        assert_eq!(machine.volumes(), ["sdb5"]);
        machine.write("run/ashlar/boot-disk/sdb", "");
        assert!(machine.volumes().is_empty());
        fs::remove_dir_all(machine.0.path().join("run/ashlar/boot-disk")).unwrap();
        assert!(machine.volumes().is_empty(), "nor does one that does not know its disk");
    }

    #[test]
    fn a_volume_is_told_as_its_owner_knows_it() {
        let machine = Machine::new();
        machine.plug("pci0/usb2/2-1/sdb", "sdb1", "8:17", "vfat", "PHOTOS");
        machine.write("sys/devices/pci0/usb2/2-1/sdb/device/vendor", "SanDisk \n");
        let found = volumes(&Paths::under(machine.0.path()));
        let wanted = StickVolume {
            name: "sdb1".into(),
            label: Some("PHOTOS".into()),
            model: Some("SanDisk Ultra".into()),
            bytes: 1 << 20,
        };
        assert_eq!(found, [wanted]);
    }
}
