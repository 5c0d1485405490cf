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
