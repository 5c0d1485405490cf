//! The disk: its partition table.

use super::artefact_in;
use super::error::InspectError;
use super::region::Region;
use serde::Serialize;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const SECTOR: u64 = 512;
const CHUNK: u64 = 4 << 20;

/// An open disk image.
#[derive(Debug)]
pub struct Disk {
    /// Its file.
    pub path: PathBuf,
    /// Its length in bytes.
    pub length: u64,
    /// The bytes that it takes on this host: fewer, as images are sparse.
    pub allocated: u64,
    /// The disk's GUID.
    pub guid: uuid::Uuid,
    /// Its partitions, by number.
    pub partitions: Vec<Partition>,
    file: Arc<File>,
}

/// One partition.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Partition {
    /// Number, from 1.
    pub number: u32,
    /// Label.
    pub label: String,
    /// Type: the name that systemd gives it, or its GUID.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its own GUID.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub uuid: uuid::Uuid,
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub size: u64,
}

impl Partition {
    /// `root-a` is slot `a`.
    pub fn slot(&self) -> Option<&str> {
        let (what, slot) = self.label.rsplit_once('-')?;
        (matches!(what, "root" | "verity" | "sig") && matches!(slot, "a" | "b")).then_some(slot)
    }
}

impl Disk {
    /// Opens an image, or the one image in a directory.
    pub fn open(path: &Path) -> Result<Self, InspectError> {
        let path = if path.is_dir() { artefact_in(path, ".raw")? } else { path.to_owned() };
        let open = |source| InspectError::Open { path: path.clone(), source };
        let file = File::open(&path).map_err(open)?;
        let metadata = file.metadata().map_err(open)?;
        if !metadata.is_file() {
            return Err(InspectError::NotAnImage { path, why: "it is not a regular file".into() });
        }
        let length = metadata.len();
        let file = Arc::new(file);
        let whole = Region::new(Arc::clone(&file), 0, length);
        let table = table(&path, &whole)?;

        let mut disk = Self {
            path,
            length,
            allocated: metadata.blocks().saturating_mul(512),
            guid: *table.guid(),
            partitions: Vec::new(),
            file,
        };
        for (number, entry) in table.partitions() {
            disk.partitions.push(disk.partition(*number, entry)?);
        }
        Ok(disk)
    }

    fn partition(
        &self,
        number: u32,
        entry: &gpt::partition::Partition,
    ) -> Result<Partition, InspectError> {
        let label = if entry.name.is_empty() { number.to_string() } else { entry.name.clone() };
        let end = entry.last_lba.checked_add(1).and_then(|lba| lba.checked_mul(SECTOR));
        let offset = entry.first_lba.checked_mul(SECTOR);
        let (Some(offset), Some(end)) = (offset, end) else {
            return Err(self.bad(format!("partition `{label}` ends beyond any disk")));
        };
        if end <= offset {
            return Err(self.bad(format!("partition `{label}` ends before it begins")));
        }
        if end > self.length {
            let (path, length) = (self.path.clone(), self.length);
            return Err(InspectError::Truncated { path, partition: label, end, length });
        }
        let (kind, uuid) = (kind(&entry.part_type_guid.guid.to_string()), entry.part_guid);
        Ok(Partition { number, label, kind, uuid, offset, size: end - offset })
    }

    fn bad(&self, why: String) -> InspectError {
        InspectError::NotAnImage { path: self.path.clone(), why }
    }

    /// The bytes of a partition.
    pub fn region(&self, partition: &Partition) -> Region {
        Region::new(Arc::clone(&self.file), partition.offset, partition.size)
    }

    /// The bytes of a partition, piece by piece.
    pub fn chunks(
        &self,
        partition: &Partition,
    ) -> impl Iterator<Item = std::io::Result<Vec<u8>>> + use<> {
        let region = self.region(partition);
        let starts = (0..region.length()).step_by(CHUNK as usize);
        starts.map(move |at| region.bytes(at, CHUNK.min(region.length() - at) as usize))
    }

    /// Copies the first bytes of a partition into a file of their own.
    pub fn copy_out(&self, partition: &Partition, length: u64, to: &Path) -> std::io::Result<()> {
        let region = self.region(partition).cut(length);
        let length = region.length();
        let copied = std::io::copy(&mut { region }, &mut File::create(to)?)?;
        if copied == length { Ok(()) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
    }
}

/// Reads the table, after checking what the `gpt` crate takes on trust.
fn table(path: &Path, whole: &Region) -> Result<gpt::GptDisk<Region>, InspectError> {
    let bad = |why: &str| InspectError::NotAnImage { path: path.to_owned(), why: why.to_owned() };
    let read = |what: &str, source| InspectError::Read {
        path: path.to_owned(),
        what: what.to_owned(),
        source,
    };
    let start = whole.bytes(0, whole.length().min(4) as usize);
    match start.map_err(|e| read("the start", e))?.as_slice() {
        [0x28, 0xb5, 0x2f, 0xfd] => return Err(InspectError::Compressed { path: path.to_owned() }),
        [] => return Err(bad("it is empty")),
        _ => {}
    }
    if whole.length() < 3 * SECTOR {
        return Err(bad("it is too short for a partition table"));
    }
    for header_at in [SECTOR, (whole.length() / SECTOR - 1) * SECTOR] {
        let header = whole.bytes(header_at, 92).map_err(|e| read("the partition table", e))?;
        if !header.starts_with(b"EFI PART") {
            continue;
        }
        let (entries, size) = (u32_at(&header, 80), u32_at(&header, 84));
        if size != 128 || entries > 1024 {
            return Err(bad("its partition table has entries of a size that nobody uses"));
        }
    }
    gpt::GptConfig::new()
        .open_from_device(whole.clone())
        .map_err(|error| bad(&format!("no GUID partition table ({error})")))
}

/// The two bytes at `at`, little-endian; 0 beyond the end.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    let word = bytes.get(at..).and_then(|rest| rest.first_chunk());
    word.map_or(0, |word| u16::from_le_bytes(*word))
}

/// The four bytes at `at`, little-endian; 0 beyond the end.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..).and_then(|rest| rest.first_chunk());
    word.map_or(0, |word| u32::from_le_bytes(*word))
}

/// The eight bytes at `at`, little-endian; 0 beyond the end.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let word = bytes.get(at..).and_then(|rest| rest.first_chunk());
    word.map_or(0, |word| u64::from_le_bytes(*word))
}

/// The sixteen bytes at `at` as a UUID.
pub(crate) fn uuid_at(bytes: &[u8], at: usize) -> uuid::Uuid {
    let word = bytes.get(at..).and_then(|rest| rest.first_chunk());
    word.map_or(uuid::Uuid::nil(), |word| uuid::Uuid::from_bytes(*word))
}

/// Type GUIDs of the Discoverable Partitions Specification, by systemd's names.
const KINDS: &[(&str, &str)] = &[
    ("c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "esp"),
    ("bc13c2ff-59e6-4262-a352-b275fd6f7172", "xbootldr"),
    ("4f68bce3-e8cd-4db1-96e7-fbcaf984b709", "root-x86-64"),
    ("2c7357ed-ebd2-46d9-aec1-23d437ec2bf5", "root-x86-64-verity"),
    ("41092b05-9fc8-4523-994f-2def0408b176", "root-x86-64-verity-sig"),
    ("8484680c-9521-48c6-9c11-b0720656f69e", "usr-x86-64"),
    ("4d21b016-b534-45c2-a9fb-5c16e091fd2d", "var"),
    ("3b8f8425-20e0-4f3b-907f-1a25a76f98e8", "srv"),
    ("0657fd6d-a4ab-43c4-84e5-0933c84b4f4f", "swap"),
    ("0fc63daf-8483-4772-8e79-3d69d8477de4", "linux-generic"),
    ("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7", "basic-data"),
    // Ours, named in the repart.d of the base overlay.
    ("5f7d5e2e-0c6b-4a53-8d0e-2b7a3c1f9e02", "ashlar-state"),
    ("5f7d5e2e-0c6b-4a53-8d0e-2b7a3c1f9e03", "ashlar-data"),
];

fn kind(guid: &str) -> String {
    let guid = guid.to_ascii_lowercase();
    let known = KINDS.iter().find(|(known, _)| *known == guid);
    known.map_or_else(|| guid.clone(), |(_, name)| (*name).to_owned())
}
