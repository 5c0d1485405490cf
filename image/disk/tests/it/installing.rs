//! From a disk that was flashed onto another one.

use crate::medium::Disk;
use crate::small_image::{self, SITE};
use ashlar_disk::{DiskNow, FlashError, Image, Start, Table};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// A stick is larger than the disks that it installs onto as often as not.
const STICK: u64 = 96 << 20;
const SIZE: u64 = 80 << 20;

/// A stick that was flashed as an installer, as a file.
fn stick(start: Start) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let image = small_image::write(directory.path(), "6.12.1-amd64");
    let disk = Disk::empty(STICK);
    disk.write(&Image::open(&image).unwrap(), SITE, start, &|| false).unwrap();
    let path = directory.path().join("stick");
    std::fs::write(&path, disk.bytes(0, STICK as usize)).unwrap();
    (directory, path)
}

fn hash(path: &PathBuf) -> [u8; 32] {
    Sha256::digest(std::fs::read(path).unwrap()).into()
}

fn table(disk: &Disk) -> Table {
    Table::read(&disk.bytes(0, 1 << 20)).unwrap()
}

#[test]
fn a_stick_installs_any_number_of_boxes_and_stays_as_it_is() {
    let (_directory, stick) = stick(Start::Install);
    let before = hash(&stick);
    let image = Image::on_disk(&stick, None).unwrap();
    assert_eq!(image.site().unwrap().as_deref().map(String::as_str), Some(SITE));
    let boxes = [Disk::new(SIZE), Disk::new(SIZE + (7 << 20))];
    for disk in &boxes {
        disk.write(&image, SITE, Start::Run, &|| false).unwrap();
        for part in image.table().parts.iter().filter(|part| part.label != "seed") {
            let there = table(disk).labelled(&part.label).unwrap().clone();
            assert_eq!(there.range(), part.range(), "{}", part.label);
            let own = ["esp", "seed"].contains(&part.label.as_str());
            assert_eq!(there.guid != part.guid, own, "{}", part.label);
        }
        assert_eq!(small_image::seed(&disk.file).1, SITE);
        // Every byte of the root up to its last one.
        let root = image.table().labelled("root-a").unwrap();
        let mut from = vec![0; 10 << 20];
        File::open(&stick).unwrap().read_exact_at(&mut from, root.start).unwrap();
        let last = from.iter().rposition(|byte| *byte != 0).unwrap();
        assert!(disk.bytes(root.start, last) == from[..last]);
    }
    let [a, b] = boxes.each_ref().map(|disk| table(disk).guid);
    assert!(a != b && a != image.table().guid, "every disk is its own");
    assert_eq!(hash(&stick), before, "the stick serves the next box");
}

#[test]
fn an_installed_disk_starts_by_itself_whatever_the_stick_did() {
    for start in [Start::Ask, Start::Install, Start::Run] {
        let (_directory, stick) = stick(start);
        let text = small_image::menu(&File::open(&stick).unwrap());
        assert_eq!(text.contains("default ashlar-install*"), start == Start::Install, "{text}");
        assert_eq!(text.contains("timeout menu-force"), start == Start::Ask, "{text}");
        let disk = Disk::new(SIZE);
        let image = Image::on_disk(&stick, None).unwrap();
        disk.write(&image, SITE, Start::Run, &|| false).unwrap();
        let text = small_image::menu(&disk.file);
        assert_eq!(text, include_str!("../../../build/data/loader.conf"), "{start:?}");
    }
}

#[test]
fn a_power_cut_at_any_write_leaves_a_disk_that_does_not_boot_and_is_installed_again() {
    let (_directory, stick) = stick(Start::Install);
    let before = hash(&stick);
    let image = Image::on_disk(&stick, None).unwrap();
    let whole = Disk::empty(SIZE);
    whole.write(&image, SITE, Start::Run, &|| false).unwrap();
    let writes = whole.writes.borrow().len();
    // Every write is cut by the tests of flashing; here some of each part.
    for cut in (0..writes - 2).step_by(writes / 6).chain([writes - 2]) {
        let disk = Disk::empty(SIZE);
        disk.pulled_after.set(Some(cut));
        let failure = disk.write(&image, SITE, Start::Run, &|| false).unwrap_err();
        assert_eq!(failure.now, DiskNow::NotBootable, "{cut}");
        assert!(disk.bytes(0, 4096).iter().all(|byte| *byte == 0), "{cut}");
        disk.pulled_after.set(None);
        disk.write(&image, SITE, Start::Run, &|| false).unwrap();
        assert_eq!(small_image::seed(&disk.file).1, SITE, "{cut}");
    }
    assert_eq!(hash(&stick), before);
}

#[test]
fn the_root_is_read_through_the_device_that_checks_it_and_no_further_than_it_reaches() {
    let (directory, stick) = stick(Start::Install);
    let verified = directory.path().join("verified");
    std::fs::write(&verified, vec![0xC3; 3 << 20]).unwrap();
    let image = Image::on_disk(&stick, Some(&verified)).unwrap();
    let disk = Disk::empty(SIZE);
    disk.write(&image, SITE, Start::Run, &|| false).unwrap();
    let root = image.table().labelled("root-a").unwrap().start;
    assert!(disk.bytes(root, 3 << 20).iter().all(|byte| *byte == 0xC3));
    assert!(disk.bytes(root + (3 << 20), 7 << 20).iter().all(|byte| *byte == 0));
}

#[test]
fn a_disk_that_a_box_has_run_from_installs_nothing() {
    let (_directory, stick) = stick(Start::Run);
    let mut disk = gpt::GptConfig::new().writable(true).open(&stick).unwrap();
    disk.add_partition("state", 4 << 20, gpt::partition_types::LINUX_FS, 0, None).unwrap();
    disk.write().unwrap();
    let refused = Image::on_disk(&stick, None).unwrap_err();
    assert!(matches!(refused, FlashError::BadMedium { .. }));
    assert!(refused.to_string().contains("`state`: a box has run from it"), "{refused}");
}

#[test]
fn what_is_no_flashed_disk_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(Image::on_disk(file.path(), None).is_err());
    file.as_file().set_len(8 << 20).unwrap();
    assert!(matches!(Image::on_disk(file.path(), None), Err(FlashError::BadMedium { .. })));
}
