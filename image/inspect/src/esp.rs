//! What is on a FAT partition: files, and unified kernel images among them.

use super::error::InspectError;
use super::fat::FatVolume;
use super::region::Region;
use super::uki::{self, Uki};
use serde::Serialize;

/// A FAT file system.
#[derive(Clone, Debug, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Fat {
    /// Its label.
    pub label: String,
    /// Bytes that files and directories take, in whole clusters.
    pub used: u64,
    /// Its files.
    pub files: Vec<FatFile>,
    /// The unified kernel images among them.
    pub ukis: Vec<UkiFile>,
}

/// One file on FAT.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FatFile {
    /// Path from its root, `/EFI/BOOT/BOOTX64.EFI`.
    pub path: String,
    /// Bytes.
    pub size: u64,
}

/// One unified kernel image.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UkiFile {
    /// Path from the root of its partition.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// What is in it.
    #[serde(flatten)]
    pub uki: Uki,
}

/// Lists a partition and reads the UKIs on it; nothing if it is not FAT.
pub fn read(partition: &str, region: &Region) -> Result<Option<Fat>, InspectError> {
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
pub fn file(region: &Region, path: &str) -> std::io::Result<Vec<u8>> {
    let missing = || std::io::Error::from(std::io::ErrorKind::NotFound);
    let volume = FatVolume::open(region)?.ok_or_else(missing)?;
    let file = volume.files()?.into_iter().find(|file| file.path == path).ok_or_else(missing)?;
    volume.read(&file)
}

fn is_uki_path(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    path.starts_with("/efi/linux/") && path.ends_with(".efi")
}
