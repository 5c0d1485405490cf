//! The FAT partitions: what is on them.

use super::error::InspectError;
use super::region::Region;
use super::uki::{self, Uki};
use serde::Serialize;
use std::io::Read;

/// Deeper than any boot partition goes; a damaged one may be endless.
const MAX_DEPTH: usize = 8;
const MAX_FILES: usize = 10_000;
/// A UKI larger than this would not fit the partition twice.
const MAX_UKI: u64 = 512 << 20;

/// A FAT file system.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Fat {
    /// Its label.
    pub(crate) label: String,
    /// Bytes that its files take, in whole clusters.
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

type Directory<'a> = fatfs::Dir<'a, Region>;

/// Whether a partition begins like FAT.
pub(crate) fn is_fat(region: &Region) -> bool {
    region.bytes(0, 512).is_ok_and(|sector| {
        sector.ends_with(&[0x55, 0xaa])
            && (&sector[54..57] == b"FAT" || &sector[82..85] == b"FAT")
            && sane(&sector)
    })
}

/// The numbers from which the `fatfs` crate computes every position.
fn sane(sector: &[u8]) -> bool {
    let bytes_per_sector = u16::from_le_bytes([sector[11], sector[12]]);
    let sectors_per_cluster = sector[13];
    bytes_per_sector.is_power_of_two()
        && (512..=4096).contains(&bytes_per_sector)
        && sectors_per_cluster.is_power_of_two()
        && (1..=2).contains(&sector[16])
}

/// Lists a FAT partition and reads the UKIs on it.
pub(crate) fn read(partition: &str, region: &Region) -> Result<Fat, InspectError> {
    let damaged = |why: String| InspectError::Damaged {
        partition: partition.to_owned(),
        what: "the FAT file system",
        why,
    };
    let files = fatfs::FileSystem::new(region.clone(), fatfs::FsOptions::new())
        .map_err(|error| damaged(error.to_string()))?;
    let cluster = u64::from(files.cluster_size()).max(1);
    let mut fat = Fat { label: files.volume_label(), ..Fat::default() };
    list(files.root_dir(), "", 0, &mut fat.files).map_err(|error| damaged(error.to_string()))?;
    fat.files.sort_by(|a, b| a.path.cmp(&b.path));
    fat.used = fat.files.iter().map(|file| file.size.div_ceil(cluster) * cluster).sum();

    for file in &fat.files {
        if !is_uki_path(&file.path) {
            continue;
        }
        let bytes = content(&files.root_dir(), file).map_err(|e| damaged(e.to_string()))?;
        let uki = uki::parse(&bytes).map_err(|error| InspectError::Damaged {
            partition: partition.to_owned(),
            what: "a unified kernel image",
            why: format!("{}: {error}", file.path),
        })?;
        fat.ukis.push(UkiFile { path: file.path.clone(), size: file.size, uki });
    }
    Ok(fat)
}

fn is_uki_path(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    path.starts_with("/efi/linux/") && path.ends_with(".efi")
}

/// The bytes of one file.
fn content(root: &Directory<'_>, file: &FatFile) -> std::io::Result<Vec<u8>> {
    if file.size > MAX_UKI {
        return Err(std::io::Error::other(format!("{} is {} bytes", file.path, file.size)));
    }
    let mut bytes = Vec::new();
    root.open_file(file.path.trim_start_matches('/'))?.take(file.size).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != file.size {
        let why = format!("{} has {} of {} bytes", file.path, bytes.len(), file.size);
        return Err(std::io::Error::other(why));
    }
    Ok(bytes)
}

fn list(
    directory: Directory<'_>,
    path: &str,
    depth: usize,
    files: &mut Vec<FatFile>,
) -> std::io::Result<()> {
    if depth > MAX_DEPTH {
        return Err(std::io::Error::other("its directories are nested too deeply"));
    }
    for entry in directory.iter() {
        let entry = entry?;
        let name = entry.file_name();
        if name == "." || name == ".." {
            continue;
        }
        if files.len() >= MAX_FILES {
            return Err(std::io::Error::other("it has too many files"));
        }
        let path = format!("{path}/{name}");
        if entry.is_dir() {
            list(entry.to_dir(), &path, depth + 1, files)?;
        } else {
            files.push(FatFile { path, size: entry.len() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{is_fat, read};
    use crate::inspect::region::Region;
    use proptest::prelude::*;
    use std::io::{Cursor, Write};
    use std::sync::Arc;

    /// A small FAT with a few files.
    fn fat() -> Vec<u8> {
        let mut bytes = vec![0; 1 << 20];
        fatfs::format_volume(Cursor::new(&mut bytes[..]), fatfs::FormatVolumeOptions::new())
            .unwrap();
        {
            let disk = fatfs::FileSystem::new(Cursor::new(&mut bytes[..]), fatfs::FsOptions::new())
                .unwrap();
            let boot =
                disk.root_dir().create_dir("EFI").unwrap().create_dir("a long name").unwrap();
            boot.create_file("x.efi").unwrap().write_all(&[7; 5000]).unwrap();
            disk.root_dir().create_file("site.toml").unwrap().write_all(b"x").unwrap();
        }
        bytes
    }

    fn region(bytes: &[u8]) -> Region {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Region::new(Arc::new(file), 0, bytes.len() as u64)
    }

    #[test]
    fn files_are_listed_with_their_sizes() {
        let region = region(&fat());
        assert!(is_fat(&region));
        let fat = read("esp", &region).unwrap();
        let found: Vec<_> = fat.files.iter().map(|f| (f.path.as_str(), f.size)).collect();
        assert_eq!(found, [("/EFI/a long name/x.efi", 5000), ("/site.toml", 1)]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn a_damaged_fat_is_an_error_or_a_list_and_never_a_panic_or_a_loop(
            // Boot sector, tables and directories are in the first 64 KiB.
            damage in prop::collection::vec((0_usize..65536, any::<u8>()), 1..64)
        ) {
            let mut bytes = fat();
            for (at, byte) in damage {
                bytes[at] = byte;
            }
            let region = region(&bytes);
            if is_fat(&region) {
                let _ = read("esp", &region);
            }
        }
    }
}
