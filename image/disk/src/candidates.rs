//! The disks of this host, as people know them.

use crate::{FlashError, holder, signatures};
use serde::Serialize;
use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// How a disk is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Bus {
    /// A stick or a disk in a USB case.
    Usb,
    /// An SD card.
    Sd,
    /// Soldered flash memory.
    Emmc,
    /// NVMe.
    Nvme,
    /// SATA.
    Sata,
    /// A virtual machine's.
    Virtio,
    /// A file that is a disk for now.
    Loop,
    /// Another one.
    Other,
}

/// A disk as the kernel tells of it.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Drive {
    /// Its device.
    pub path: PathBuf,
    /// Vendor and model; may be empty.
    pub model: String,
    /// Serial number; may be empty.
    pub serial: String,
    /// Bytes.
    pub size: u64,
    /// Bytes of a logical sector.
    pub sector: u64,
    /// How it is connected.
    pub bus: Bus,
    /// What its port carries at best, in Mbit/s; USB only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<u64>,
    /// It can be pulled, as far as the kernel knows.
    pub removable: bool,
    /// It is write-protected.
    pub read_only: bool,
    /// Who uses it; only in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_use: Option<String>,
    /// What is on it, in words; only in lists, and only where it may be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contents: Option<Vec<String>>,
}

impl Drive {
    /// From the disk's directory in `/sys`.
    pub(crate) fn read(sys: &Path) -> Self {
        let word =
            |name: &str| fs::read_to_string(sys.join(name)).unwrap_or_default().trim().to_owned();
        let number = |name: &str| word(name).parse::<u64>().unwrap_or(0);
        let bus = bus(sys, &word("device/type"));
        let model = match word("loop/backing_file") {
            file if file.is_empty() => {
                let name = word("device/model");
                let name = if name.is_empty() { word("device/name") } else { name };
                format!("{} {name}", word("device/vendor").trim_start_matches("0x"))
                    .trim()
                    .to_owned()
            }
            file => file,
        };
        Self {
            path: Path::new("/dev").join(sys.file_name().unwrap_or_default()),
            model,
            serial: serial(sys, &word),
            size: number("size") * 512,
            sector: number("queue/logical_block_size"),
            bus,
            speed: usb(sys, "speed").parse().ok(),
            removable: matches!(bus, Bus::Usb | Bus::Sd) || word("removable") == "1",
            read_only: word("ro") == "1",
            in_use: None,
            contents: None,
        }
    }

    /// A disk by its device, with who uses it and what is on it.
    ///
    /// # Errors
    /// When it is no disk.
    pub fn of(path: &Path) -> Result<Self, FlashError> {
        let no = || FlashError::NotADisk { path: path.to_owned() };
        let device = fs::canonicalize(path).map_err(|_| no())?;
        let name = device.file_name().ok_or_else(no)?;
        let sys = fs::canonicalize(Path::new("/sys/block").join(name)).map_err(|_| no())?;
        Ok(Self::looked_at(&sys))
    }

    fn looked_at(sys: &Path) -> Self {
        let mut drive = Self::read(sys);
        drive.in_use = in_use(&drive.path, sys);
        if let Ok(file) = File::open(&drive.path) {
            drive.contents = Some(signatures::of(&file, drive.size));
        }
        drive
    }

    /// Writing it needs a second word: it cannot be pulled, so it may well be the
    /// disk of this machine.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        !self.removable && self.bus != Bus::Loop
    }
}

fn bus(sys: &Path, kind: &str) -> Bus {
    let path = sys.to_string_lossy();
    let name = sys.file_name().unwrap_or_default().to_string_lossy();
    let through = |part: &str| path.split('/').any(|step| step.starts_with(part));
    match () {
        () if name.starts_with("loop") => Bus::Loop,
        () if through("usb") => Bus::Usb,
        () if name.starts_with("mmcblk") => {
            if kind == "SD" {
                Bus::Sd
            } else {
                Bus::Emmc
            }
        }
        () if name.starts_with("nvme") => Bus::Nvme,
        () if through("virtio") => Bus::Virtio,
        () if through("ata") => Bus::Sata,
        () => Bus::Other,
    }
}

/// udev's word, else the disk's own, else that of the USB device it is in.
fn serial(sys: &Path, word: &impl Fn(&str) -> String) -> String {
    let udev = fs::read_to_string(format!("/run/udev/data/b{}", word("dev"))).unwrap_or_default();
    for key in ["E:ID_SERIAL_SHORT=", "E:ID_SERIAL="] {
        if let Some(serial) = udev.lines().find_map(|line| line.strip_prefix(key)) {
            return serial.to_owned();
        }
    }
    for file in ["device/serial", "serial"] {
        if !word(file).is_empty() {
            return word(file);
        }
    }
    usb(sys, "serial")
}

/// What the USB device that a disk is in says of itself.
fn usb(sys: &Path, word: &str) -> String {
    let device = sys.ancestors().find(|path| path.join("idVendor").exists());
    let text = device.and_then(|path| fs::read_to_string(path.join(word)).ok());
    text.unwrap_or_default().trim().to_owned()
}

/// The disks that an image could be written to, those in use included.
#[must_use]
pub fn candidates() -> Vec<Drive> {
    let mut drives = Vec::new();
    for entry in fs::read_dir("/sys/block").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(sys) = fs::canonicalize(entry.path()) else { continue };
        // Devices made of others have no `device`; boot and replay areas of flash
        // memory are disks of their own to the kernel, and to nobody else.
        let odd =
            ["boot", "rpmb"].iter().any(|part| name.starts_with("mmcblk") && name.contains(part));
        if !sys.join("device").exists() || odd || name.starts_with("sr") || name.starts_with("fd") {
            continue;
        }
        let drive = Drive::looked_at(&sys);
        if drive.size > 0 {
            drives.push(drive);
        }
    }
    drives.sort_by(|a, b| (a.is_fixed(), &a.path).cmp(&(b.is_fixed(), &b.path)));
    drives
}

/// Asks the kernel by taking the disk for a moment, for reading only; where that is
/// not allowed, what can be found has to do.
fn in_use(path: &Path, sys: &Path) -> Option<String> {
    let flags = nix::fcntl::OFlag::O_EXCL.bits() | nix::fcntl::OFlag::O_CLOEXEC.bits();
    match File::options().read(true).custom_flags(flags).open(path) {
        Ok(_) => None,
        Err(error) if error.raw_os_error() == Some(nix::errno::Errno::EBUSY as i32) => {
            Some(holder::of(sys))
        }
        Err(_) => holder::find(sys),
    }
}

#[cfg(test)]
mod tests {
    use super::{Bus, Drive};
    use std::fs;

    /// What is in a machine whose `/sys` has these files for a disk.
    fn read(place: &str, files: &[(&str, &str)]) -> Drive {
        let sys = tempfile::tempdir().unwrap();
        let disk = sys.path().join("devices").join(place);
        for (name, text) in [("size", "62333952"), ("queue/logical_block_size", "512")] {
            write(&disk.join(name), text);
        }
        for (name, text) in files {
            write(&disk.join(name), text);
        }
        Drive::read(&disk.canonicalize().unwrap())
    }

    fn write(path: &std::path::Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{text}\n")).unwrap();
    }

    const USB: &str =
        "pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0/block/sdb";
    const CARD: &str = "pci0000:00/0000:00:1a.0/mmc_host/mmc0/mmc0:0001/block/mmcblk0";

    /// From the disk's directory to that of its USB device.
    const DEVICE: &str = "../../../../../..";

    #[test]
    fn a_stick_and_a_disk_in_a_usb_case_can_be_pulled_whatever_they_say_of_themselves() {
        for says in ["1", "0"] {
            let drive = read(
                USB,
                &[
                    ("removable", says),
                    ("device/vendor", "SanDisk "),
                    ("device/model", "Ultra Fit       "),
                    (&format!("{DEVICE}/idVendor"), "0781"),
                    (&format!("{DEVICE}/serial"), "4C530001"),
                    (&format!("{DEVICE}/speed"), "5000"),
                ],
            );
            assert_eq!((drive.bus, drive.is_fixed()), (Bus::Usb, false), "removable: {says}");
            assert_eq!(
                (drive.model.as_str(), drive.serial.as_str()),
                ("SanDisk Ultra Fit", "4C530001")
            );
            assert_eq!(
                (drive.speed, drive.size, drive.sector),
                (Some(5000), 62_333_952 * 512, 512)
            );
        }
    }

    #[test]
    fn a_card_can_be_pulled_and_soldered_flash_cannot() {
        let card = read(
            CARD,
            &[("device/type", "SD"), ("device/name", "SC16G"), ("device/serial", "0x12")],
        );
        assert_eq!((card.bus, card.is_fixed(), card.model.as_str()), (Bus::Sd, false, "SC16G"));
        assert_eq!(card.serial, "0x12");
        let soldered = read(CARD, &[("device/type", "MMC"), ("removable", "0")]);
        assert_eq!((soldered.bus, soldered.is_fixed()), (Bus::Emmc, true));
        // A card in a reader at a USB port is a stick to the kernel.
        let by_reader = read(USB, &[("removable", "1"), ("device/model", "SD Card Reader")]);
        assert_eq!((by_reader.bus, by_reader.is_fixed()), (Bus::Usb, false));
    }

    #[test]
    fn what_is_built_in_cannot_be_pulled() {
        let built_in = [
            ("pci0000:00/0000:00:1d.0/0000:03:00.0/nvme/nvme0/nvme0n1", Bus::Nvme),
            ("pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda", Bus::Sata),
            ("pci0000:00/0000:00:05.0/virtio2/block/vda", Bus::Virtio),
            (
                "pci0000:00/0000:01:00.0/host0/port-0:0/end_device-0:0/target0:0:0/0:0:0:0/block/sda",
                Bus::Other,
            ),
        ];
        for (place, bus) in built_in {
            let drive = read(place, &[("removable", "0"), ("device/serial", "S1")]);
            assert_eq!((drive.bus, drive.is_fixed(), drive.serial.as_str()), (bus, true, "S1"));
            assert_eq!(drive.speed, None, "{place}");
        }
        let swapped = read(built_in[1].0, &[("removable", "1")]);
        assert!(!swapped.is_fixed(), "the kernel knows a bay that is made for pulling");
    }

    #[test]
    fn a_file_that_is_a_disk_for_now_is_named_by_it() {
        let drive =
            read("virtual/block/loop7", &[("loop/backing_file", "/tmp/disk.img"), ("ro", "1")]);
        assert_eq!((drive.bus, drive.is_fixed(), drive.read_only), (Bus::Loop, false, true));
        assert_eq!(drive.model, "/tmp/disk.img");
    }
}
