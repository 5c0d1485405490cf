use super::FatVolume;
use crate::region::Region;
use fatfs::{FatType, FileSystem, FormatVolumeOptions, FsOptions};
use proptest::prelude::*;
use std::io::{Cursor, Write};
use std::sync::Arc;

const FILES: [(&str, usize); 5] = [
    ("/EFI/BOOT/BOOTX64.EFI", 70_000),
    ("/EFI/Linux/ashlar_2025.1+3.efi", 123_456),
    ("/EFI/Linux/empty file of a rather long name.conf", 0),
    ("/loader/loader.conf", 17),
    ("/site.toml", 1),
];

/// A volume that the `fatfs` crate made.
fn volume(width: FatType) -> Vec<u8> {
    let (length, cluster) = match width {
        FatType::Fat12 => (1 << 20, 512),
        FatType::Fat16 => (16 << 20, 1024),
        FatType::Fat32 => (40 << 20, 512),
    };
    let mut bytes = vec![0; length];
    let options = FormatVolumeOptions::new().fat_type(width).bytes_per_cluster(cluster);
    fatfs::format_volume(Cursor::new(&mut bytes[..]), options).unwrap();
    let disk = FileSystem::new(Cursor::new(&mut bytes[..]), FsOptions::new()).unwrap();
    for (path, size) in FILES {
        let mut directory = disk.root_dir();
        let mut names: Vec<_> = path.trim_start_matches('/').split('/').collect();
        let name = names.pop().unwrap();
        for part in names {
            directory = directory.create_dir(part).unwrap();
        }
        directory.create_file(name).unwrap().write_all(&content(size)).unwrap();
    }
    disk.unmount().unwrap();
    bytes
}

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|n| (n % 251) as u8).collect()
}

fn region(bytes: &[u8]) -> Region {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Region::new(Arc::new(file), 0, bytes.len() as u64)
}

#[test]
fn every_width_is_read_as_another_implementation_wrote_it() {
    for width in [FatType::Fat12, FatType::Fat16, FatType::Fat32] {
        let volume = FatVolume::open(&region(&volume(width))).unwrap().unwrap();
        let files = volume.files().unwrap();
        let found: Vec<_> = files.iter().map(|f| (f.path.as_str(), f.size as usize)).collect();
        assert_eq!(found, FILES, "{width:?}");
        for file in &files {
            assert_eq!(volume.read(file).unwrap(), content(file.size as usize), "{width:?}");
        }
        assert!(volume.used() >= 123_456 + 70_000, "{width:?}");
    }
}

#[test]
fn zeros_are_no_file_system() {
    assert!(FatVolume::open(&region(&[0; 4096])).unwrap().is_none());
    assert!(FatVolume::open(&region(&[0; 100])).unwrap().is_none());
}

proptest! {
    #[test]
    fn a_damaged_volume_is_an_error_or_a_list_and_never_a_panic_or_a_loop(
        boot in prop::collection::vec((11_usize..48, any::<u8>()), 0..3),
        table in prop::collection::vec((512_usize..8192, any::<u8>()), 0..40),
        directories in prop::collection::vec((4096_usize..65536, any::<u8>()), 0..200),
    ) {
        let mut bytes = volume(FatType::Fat12);
        for (at, byte) in boot.into_iter().chain(table).chain(directories) {
            bytes[at] = byte;
        }
        if let Ok(Some(volume)) = FatVolume::open(&region(&bytes)) {
            volume.used();
            for file in volume.files().unwrap_or_default() {
                let _ = volume.read(&file);
            }
        }
    }
}
