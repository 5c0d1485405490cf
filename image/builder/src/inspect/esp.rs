//! What is on a FAT partition: files, and unified kernel images among them.

use super::error::InspectError;
use super::fat::FatVolume;
use super::region::Region;
use super::uki::{self, Uki};
use serde::Serialize;

/// A FAT file system.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Fat {
    /// Its label.
    pub(crate) label: String,
    /// Bytes that files and directories take, in whole clusters.
    pub(crate) used: u64,
    /// Its files.
    pub(crate) files: Vec<FatFile>,
    /// The unified kernel images among them.
    pub(crate) ukis: Vec<UkiFile>,
}

/// One file on FAT.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FatFile {
    /// Path from its root, `/EFI/BOOT/BOOTX64.EFI`.
    pub(crate) path: String,
    /// Bytes.
    pub(crate) size: u64,
}

/// One unified kernel image.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct UkiFile {
    /// Path from the root of its partition.
    pub(crate) path: String,
    /// Bytes.
    pub(crate) size: u64,
    /// What is in it.
    #[serde(flatten)]
    pub(crate) uki: Uki,
}

/// Lists a partition and reads the UKIs on it; nothing if it is not FAT.
pub(super) fn read(partition: &str, region: &Region) -> Result<Option<Fat>, InspectError> {
    let damaged = |what, why| InspectError::Damaged { partition: partition.to_owned(), what, why };
    let broken = |error: std::io::Error| damaged("the FAT file system", error.to_string());
    let Some(volume) = FatVolume::open(region).map_err(broken)? else { return Ok(None) };

    let mut fat = Fat { label: volume.label().to_owned(), used: volume.used(), ..Fat::default() };
    for file in volume.files().map_err(broken)? {
        if is_uki_path(&file.path) {
            let bytes = volume.read(&file).map_err(broken)?;
            let uki = uki::parse(&bytes).map_err(|error| {
                damaged("a unified kernel image", format!("{}: {error}", file.path))
            })?;
            fat.ukis.push(UkiFile { path: file.path.clone(), size: file.size, uki });
        }
        fat.files.push(FatFile { path: file.path, size: file.size });
    }
    Ok(Some(fat))
}

/// The bytes of one file of a FAT partition.
pub(crate) fn file(region: &Region, path: &str) -> std::io::Result<Vec<u8>> {
    let missing = || std::io::Error::from(std::io::ErrorKind::NotFound);
    let volume = FatVolume::open(region)?.ok_or_else(missing)?;
    let file = volume.files()?.into_iter().find(|file| file.path == path).ok_or_else(missing)?;
    volume.read(&file)
}

fn is_uki_path(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    path.starts_with("/efi/linux/") && path.ends_with(".efi")
}
