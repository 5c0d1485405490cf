//! What is inside an image, read from its bytes.
//!
//! [`Disk`] finds the partitions, and one module for each format reads what is on
//! them; an [`Inspection`] is all of that together, and needs no tool. [`Opened`]
//! has the root unpacked as well (by `fsck.erofs`, in a sandbox), for those who
//! look at its files:
//!
//! * [`lint`]: is the image as it should be? Named rules, each with its reason;
//! * [`compare`]: what is different in another one? What concerns security first;
//! * [`size`](mod@size): which package and which kernel module takes how much;
//! * [`hardware`]: which devices of a machine could it drive?
//! * [`cve`]: which known holes have the packages, by Debian's security tracker.
//!
//! Nothing here knows recipes or sites: what is known from outside an image is
//! handed in as plain values.

pub mod compare;
pub mod cve;
mod directory;
mod disk;
mod erofs;
mod error;
pub mod esp;
mod fat;
pub mod hardware;
pub mod initrd;
pub mod lint;
mod opened;
pub mod packages;
mod region;
pub mod size;
pub mod tree;
pub mod uki;
mod unit_files;
mod verity;
pub mod version;

pub use directory::artefact_in;
pub use disk::{Disk, Partition};
pub use erofs::Erofs;
pub use error::InspectError;
pub use esp::UkiFile;
pub use opened::Opened;
pub use packages::Package;
pub use region::Region;
pub use verity::Verity;

use ashlar_sandbox::{Sandbox, SandboxError};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// All that can be seen in an image without running it.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Inspection {
    /// The image.
    pub image: PathBuf,
    /// Its length in bytes.
    pub size: u64,
    /// The bytes that it takes on this host: fewer, as images are sparse.
    pub allocated: u64,
    /// The disk's GUID.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub disk_guid: uuid::Uuid,
    /// Its partitions.
    pub partitions: Vec<PartitionReport>,
    /// What each slot would boot.
    pub slots: Vec<Slot>,
    /// Installed packages; only where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packages: Option<Vec<Package>>,
}

/// A partition and what is on it.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PartitionReport {
    /// Where it is and what it is called.
    #[serde(flatten)]
    pub partition: Partition,
    /// `a` or `b`, for a partition of a slot.
    pub slot: Option<String>,
    /// Bytes in use, where the format tells.
    pub used: Option<u64>,
    /// What is on it.
    pub content: Content,
}

/// What is on a partition.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "format", rename_all = "kebab-case")]
pub enum Content {
    /// Nothing but zeros at its start.
    Empty,
    /// Something that this program does not read.
    Unknown,
    /// FAT.
    Vfat(esp::Fat),
    /// erofs.
    Erofs(erofs::Erofs),
    /// A dm-verity hash tree.
    Verity(verity::Verity),
}

/// One bootable version: a root, its hash tree, and the UKI that asks for them.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Slot {
    /// `a` or `b`.
    pub slot: String,
    /// Its version, as its UKI tells.
    pub version: Option<String>,
    /// The root hash of its hash tree.
    pub root_hash: Option<String>,
    /// The UKI whose command line asks for that root hash.
    pub uki: Option<String>,
    /// Whether root, hash tree, partition ids and UKI belong together.
    pub consistent: bool,
    /// Why not.
    pub problems: Vec<String>,
}

impl Inspection {
    /// Reads an open disk.
    pub fn of(disk: &Disk) -> Result<Self, InspectError> {
        let mut partitions = Vec::new();
        for partition in &disk.partitions {
            partitions.push(PartitionReport::of(disk, partition)?);
        }
        let mut inspection = Self {
            image: disk.path.clone(),
            size: disk.length,
            allocated: disk.allocated,
            disk_guid: disk.guid,
            partitions,
            slots: Vec::new(),
            packages: None,
        };
        inspection.slots = ["a", "b"].iter().filter_map(|slot| inspection.slot(slot)).collect();
        Ok(inspection)
    }

    /// The partition with a label.
    pub fn labelled(&self, label: &str) -> Option<&PartitionReport> {
        self.partitions.iter().find(|report| report.partition.label == label)
    }

    /// Every UKI of the image.
    pub fn ukis(&self) -> impl Iterator<Item = &UkiFile> {
        self.partitions.iter().flat_map(|report| match &report.content {
            Content::Vfat(fat) => fat.ukis.as_slice(),
            _ => &[],
        })
    }

    fn slot(&self, slot: &str) -> Option<Slot> {
        let root = self.labelled(&format!("root-{slot}"))?;
        let verity = self.labelled(&format!("verity-{slot}"));
        if matches!(root.content, Content::Empty) {
            return None;
        }
        let mut problems = Vec::new();
        let mut root_hash = None;
        match (&root.content, verity.map(|verity| &verity.content)) {
            (Content::Erofs(erofs), Some(Content::Verity(tree))) => {
                root_hash.clone_from(&tree.root_hash);
                let covered = tree.data_blocks.saturating_mul(tree.data_block_size);
                if covered < erofs.used {
                    problems.push(format!(
                        "the hash tree covers {covered} bytes of a root of {}",
                        erofs.used
                    ));
                }
            }
            (Content::Erofs(_), _) => problems.push(format!("verity-{slot} has no hash tree")),
            _ => problems.push(format!("root-{slot} has no erofs file system")),
        }
        let uki = root_hash
            .as_deref()
            .and_then(|hash| self.ukis().find(|file| file.uki.parameter("roothash") == Some(hash)));
        if let Some(hash) = &root_hash {
            if uki.is_none() {
                problems.push(format!("no UKI asks for its root hash {hash}"));
            }
            // The initrd finds the two partitions by these ids.
            let ids =
                [Some(root), verity].map(|p| p.map(|p| p.partition.uuid.simple().to_string()));
            if let [Some(root), Some(verity)] = ids
                && format!("{root}{verity}") != *hash
            {
                problems.push("the partition ids are not the halves of the root hash".to_owned());
            }
        }
        Some(Slot {
            slot: slot.to_owned(),
            version: uki.and_then(|file| file.uki.version()).map(str::to_owned),
            root_hash,
            uki: uki.map(|file| file.path.clone()),
            consistent: problems.is_empty(),
            problems,
        })
    }
}

impl PartitionReport {
    fn of(disk: &Disk, partition: &Partition) -> Result<Self, InspectError> {
        let region = disk.region(partition);
        let read = |source| InspectError::Read {
            path: disk.path.clone(),
            what: format!("partition `{}`", partition.label),
            source,
        };
        let content = if let Some(fat) = esp::read(&partition.label, &region)? {
            Content::Vfat(fat)
        } else if let Some(erofs) = erofs::read(&region).map_err(read)? {
            Content::Erofs(erofs)
        } else if let Some(verity) = verity::read(&region).map_err(read)? {
            Content::Verity(verity)
        } else {
            let start = region.bytes(0, region.length().min(65536) as usize).map_err(read)?;
            if start.iter().all(|byte| *byte == 0) { Content::Empty } else { Content::Unknown }
        };
        let used = match &content {
            Content::Empty => Some(0),
            Content::Unknown => None,
            Content::Vfat(fat) => Some(fat.used),
            Content::Erofs(erofs) => Some(erofs.used),
            Content::Verity(verity) => Some(verity.used),
        };
        let slot = partition.slot().map(str::to_owned);
        Ok(Self { partition: partition.clone(), slot, used, content })
    }
}

/// The packages as the manifest beside an image lists them; nothing if there is
/// no manifest there.
pub fn manifest_packages(image: &Path) -> Result<Option<Vec<Package>>, InspectError> {
    let path = image.with_file_name("manifest.json");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(InspectError::Open { path, source }),
    };
    packages::from_manifest(&text)
        .map(Some)
        .map_err(|error| InspectError::Packages { why: format!("{}: {error}", path.display()) })
}

/// The packages as dpkg's list inside the root has them.
pub fn root_packages(
    inspection: &Inspection,
    sandbox: &Sandbox,
) -> Result<Vec<Package>, InspectError> {
    let none = |why: &str| InspectError::Packages { why: why.to_owned() };
    let root = inspection
        .labelled("root-a")
        .filter(|root| matches!(root.content, Content::Erofs(_)))
        .ok_or_else(|| none("root-a has no erofs file system"))?;
    for path in packages::DPKG_STATUS {
        let text = sandbox
            .command("reading the list of packages", "dump.erofs")
            .args(["--cat", &format!("--path={path}")])
            .arg(format!("--offset={}", root.partition.offset))
            .arg("/run/image")
            .read(&inspection.image, "image")
            .run();
        match text {
            Ok(text) if !text.is_empty() => return Ok(packages::from_dpkg_status(&text)),
            Ok(_) | Err(SandboxError::Tool { .. }) => {}
            Err(error) => return Err(none(&error.to_string())),
        }
    }
    Err(none("dpkg's list is not in the root"))
}
