//! The seed partition: which one is this node's, and how it is wiped.
//!
//! Only a partition of the seed's own type, or one that another system may have
//! made and named so, and only on the disk that this node was booted from. A
//! stick that happens to be in the box is nobody's business here.

use anyhow::{Context, Result};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The GPT type of a seed, and the one that other systems mount: of the latter
/// only one that is named `seed`.
const SEED_TYPE: &str = "5f7d5e2e-0c6b-4a53-8d0e-2b7a3c1f9e01";
const BASIC_DATA: &str = "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7";

/// The boot loader's note of the partition that it was started from.
const LOADER_DEVICE: &str = "LoaderDevicePartUUID-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";

/// What a wipe writes first and takes away last.
const WIPING: &[u8; 32] = b"ashlar: this seed is being wiped";

const SECTOR: usize = 512;

/// What the system knows of its disks.
#[derive(Clone, Debug)]
pub(crate) struct Disks {
    /// `/sys`.
    pub(super) sys: PathBuf,
    /// udev's database, `/run/udev/data`.
    pub(super) udev: PathBuf,
    /// `/dev`.
    pub(super) dev: PathBuf,
    /// The number of the device that carries the root, as `major:minor`.
    pub(super) root: Option<String>,
}

/// A partition as udev knows it.
struct Partition {
    name: String,
    disk: String,
    uuid: Option<String>,
    kind: Option<String>,
    label: Option<String>,
}

impl Disks {
    /// Those of this machine.
    pub(crate) fn system() -> Self {
        let root = fs::metadata("/").ok().map(|meta| {
            let device = meta.dev();
            format!("{}:{}", nix::libc::major(device), nix::libc::minor(device))
        });
        Self { sys: "/sys".into(), udev: "/run/udev/data".into(), dev: "/dev".into(), root }
    }

    /// This node's seed, if udev has seen one; and for people, seeds that are not
    /// this node's.
    pub(super) fn seed(&self) -> (Option<PathBuf>, Vec<PathBuf>) {
        let partitions = self.partitions();
        let seeds = partitions.iter().filter(|p| {
            let named = p.label.as_deref() == Some("seed");
            match p.kind.as_deref() {
                Some(SEED_TYPE) => true,
                Some(BASIC_DATA) => named,
                _ => false,
            }
        });
        let boot = self.boot_disk(&partitions);
        let (own, foreign): (Vec<_>, Vec<_>) =
            seeds.partition(|p| Some(p.disk.as_str()) == boot.as_deref());
        let path = |p: &Partition| self.dev.join(&p.name);
        (own.first().map(|p| path(p)), foreign.into_iter().map(path).collect())
    }

    /// The disk that this node was booted from: the one with the partition that
    /// the boot loader names; the root's if the loader names none, or one that is
    /// there twice because a disk was copied.
    fn boot_disk(&self, partitions: &[Partition]) -> Option<String> {
        let loader = self.loader_partition();
        let mut named = partitions.iter().filter(|p| loader.is_some() && p.uuid == loader);
        match (named.next(), named.next()) {
            (Some(one), None) => Some(one.disk.clone()),
            _ => self.root_disk(partitions),
        }
    }

    /// UTF-16 after four bytes of attributes.
    fn loader_partition(&self) -> Option<String> {
        let bytes = fs::read(self.sys.join("firmware/efi/efivars").join(LOADER_DEVICE)).ok()?;
        let units =
            bytes.get(4..)?.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        let text: String = char::decode_utf16(units).map_while(Result::ok).collect();
        let text = text.trim_end_matches('\0').to_ascii_lowercase();
        (!text.is_empty()).then_some(text)
    }

    /// The disk below the root, through whatever verity lays between.
    fn root_disk(&self, partitions: &[Partition]) -> Option<String> {
        let mut device =
            fs::canonicalize(self.sys.join("dev/block").join(self.root.as_ref()?)).ok()?;
        for _ in 0..8 {
            let mut below: Vec<_> = fs::read_dir(device.join("slaves"))
                .map(|slaves| slaves.flatten().map(|s| s.path()).collect())
                .unwrap_or_default();
            below.sort();
            let Some(first) = below.into_iter().next() else { break };
            device = fs::canonicalize(first).ok()?;
        }
        let name = device.file_name()?.to_str()?;
        partitions.iter().find(|p| p.name == name).map(|p| p.disk.clone())
    }

    fn partitions(&self) -> Vec<Partition> {
        let Ok(all) = fs::read_dir(self.sys.join("class/block")) else { return Vec::new() };
        let mut names: Vec<_> =
            all.flatten().filter_map(|e| e.file_name().into_string().ok()).collect();
        names.sort();
        names.into_iter().filter_map(|name| self.partition(name)).collect()
    }

    fn partition(&self, name: String) -> Option<Partition> {
        let device = fs::canonicalize(self.sys.join("class/block").join(&name)).ok()?;
        if !device.join("partition").exists() {
            return None;
        }
        let disk = device.parent()?.file_name()?.to_str()?.to_owned();
        let number = fs::read_to_string(device.join("dev")).ok()?;
        let known = fs::read_to_string(self.udev.join(format!("b{}", number.trim()))).ok()?;
        let property = |key: &str| {
            known.lines().find_map(|line| {
                let (k, value) = line.strip_prefix("E:")?.split_once('=')?;
                (k == key).then(|| value.to_owned())
            })
        };
        Some(Partition {
            uuid: property("ID_PART_ENTRY_UUID"),
            kind: property("ID_PART_ENTRY_TYPE"),
            label: property("ID_PART_ENTRY_NAME"),
            name,
            disk,
        })
    }
}

/// What the first sector of a seed says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Zeros: it was wiped.
    Wiped,
    /// A wipe lost power.
    Wiping,
    /// Something else, a file system probably.
    Written,
}

/// Looks at the first sector.
pub(super) fn state(partition: &Path) -> Result<State> {
    let mut sector = [0_u8; SECTOR];
    let read = File::open(partition).and_then(|mut file| file.read_exact(&mut sector));
    read.with_context(|| format!("cannot read {}", partition.display()))?;
    Ok(if sector.iter().all(|byte| *byte == 0) {
        State::Wiped
    } else if sector.starts_with(WIPING) {
        State::Wiping
    } else {
        State::Written
    })
}

/// Zeros the whole partition. The first sector is marked before and cleared
/// after everything else, so that a cut in between leaves what says of itself
/// that it has to be wiped, and nothing else is ever taken for that.
pub(super) fn wipe(partition: &Path) -> std::io::Result<()> {
    let mut device = OpenOptions::new().write(true).open(fs::canonicalize(partition)?)?;
    let size = device.seek(SeekFrom::End(0))?;
    let mut first = [0_u8; SECTOR];
    first[..WIPING.len()].copy_from_slice(WIPING);
    device.seek(SeekFrom::Start(0))?;
    device.write_all(&first)?;
    device.sync_all()?;
    let zeros = vec![0_u8; 256 * 1024];
    let mut at = SECTOR as u64;
    while at < size {
        let piece = zeros.len().min(usize::try_from(size - at).unwrap_or(zeros.len()));
        at += device.write(&zeros[..piece])? as u64;
    }
    device.sync_all()?;
    device.seek(SeekFrom::Start(0))?;
    device.write_all(&[0_u8; SECTOR])?;
    device.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    const ESP: &str = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";

    /// Disks as sysfs and udev show them.
    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn disks(&self, root: Option<&str>) -> Disks {
            let at = |name: &str| self.0.path().join(name);
            Disks {
                sys: at("sys"),
                udev: at("udev"),
                dev: at("dev"),
                root: root.map(str::to_owned),
            }
        }

        fn partition(&self, disk: &str, number: u8, kind: &str, label: &str, uuid: &str) {
            let name = format!("{disk}{number}");
            let dev = format!("{}:{number}", disk.bytes().last().unwrap());
            let device = self.0.path().join("sys/devices").join(disk).join(&name);
            for dir in [
                &device,
                &self.0.path().join("sys/class/block"),
                &self.0.path().join("udev"),
                &self.0.path().join("sys/dev/block"),
            ] {
                fs::create_dir_all(dir).unwrap();
            }
            fs::write(device.join("partition"), number.to_string()).unwrap();
            fs::write(device.join("dev"), format!("{dev}\n")).unwrap();
            symlink(&device, self.0.path().join("sys/class/block").join(&name)).unwrap();
            symlink(&device, self.0.path().join("sys/dev/block").join(&dev)).unwrap();
            let known = format!(
                "S:disk/x\nE:ID_PART_ENTRY_TYPE={kind}\nE:ID_PART_ENTRY_NAME={label}\n\
                 E:ID_PART_ENTRY_UUID={uuid}\n"
            );
            fs::write(self.0.path().join(format!("udev/b{dev}")), known).unwrap();
        }

        fn booted_from(&self, uuid: &str) {
            let dir = self.0.path().join("sys/firmware/efi/efivars");
            fs::create_dir_all(&dir).unwrap();
            let text = format!("{}\0", uuid.to_ascii_uppercase());
            let mut bytes = vec![6, 0, 0, 0];
            bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
            fs::write(dir.join(LOADER_DEVICE), bytes).unwrap();
        }

        fn device(&self, name: &str) -> PathBuf {
            self.0.path().join("dev").join(name)
        }
    }

    #[test]
    fn the_seed_is_that_of_the_disk_that_was_booted_from() {
        let machine = Machine::new();
        machine.partition("sda", 3, SEED_TYPE, "seed", "s1");
        machine.partition("sdb", 1, ESP, "esp", "e2");
        machine.partition("sdb", 3, SEED_TYPE, "seed", "s2");
        machine.booted_from("e2");
        let (own, foreign) = machine.disks(None).seed();
        assert_eq!(own, Some(machine.device("sdb3")));
        assert_eq!(foreign, [machine.device("sda3")]);
    }

    #[test]
    fn a_partition_that_only_bears_the_name_is_no_seed() {
        let machine = Machine::new();
        machine.partition("sda", 1, ESP, "esp", "e1");
        machine.partition("sda", 2, "0fc63daf-8483-4772-8e79-3d69d8477de4", "seed", "x");
        machine.booted_from("e1");
        assert_eq!(machine.disks(None).seed(), (None, Vec::new()));
        machine.partition("sda", 3, BASIC_DATA, "photos", "y");
        assert_eq!(machine.disks(None).seed().0, None);
        machine.partition("sda", 4, BASIC_DATA, "seed", "z");
        assert_eq!(machine.disks(None).seed().0, Some(machine.device("sda4")));
    }

    #[test]
    fn a_copied_disk_beside_its_original_is_told_apart_by_the_root() {
        let machine = Machine::new();
        for disk in ["sda", "sdb"] {
            machine.partition(disk, 1, ESP, "esp", "e1");
            machine.partition(disk, 2, "root", "root-a", "r");
            machine.partition(disk, 3, SEED_TYPE, "seed", "s");
        }
        machine.booted_from("e1");
        // The root is a verity device over a partition of the second one.
        let verity = machine.0.path().join("sys/devices/virtual/dm-0");
        fs::create_dir_all(verity.join("slaves")).unwrap();
        symlink(machine.0.path().join("sys/devices/sdb/sdb2"), verity.join("slaves/sdb2")).unwrap();
        symlink(&verity, machine.0.path().join("sys/dev/block/254:0")).unwrap();
        assert_eq!(machine.disks(Some("254:0")).seed().0, Some(machine.device("sdb3")));
        assert_eq!(machine.disks(None).seed().0, None, "nobody knows");
    }

    #[test]
    fn a_wipe_that_lost_power_at_any_moment_says_so_of_itself() {
        let dir = tempfile::tempdir().unwrap();
        let partition = dir.path().join("seed");
        fs::write(&partition, vec![b'#'; 600_000]).unwrap();
        assert_eq!(state(&partition).unwrap(), State::Written);
        let mut half = vec![b'#'; 600_000];
        half[..WIPING.len()].copy_from_slice(WIPING);
        fs::write(&partition, half).unwrap();
        assert_eq!(state(&partition).unwrap(), State::Wiping);
        wipe(&partition).unwrap();
        assert_eq!(state(&partition).unwrap(), State::Wiped);
        assert!(fs::read(&partition).unwrap().iter().all(|b| *b == 0));
    }
}
