//! Disks that fail, lie or change, and people who stop: each ends with words that
//! say what the disk is now.

use crate::medium::Disk;
use crate::small_image::{self, SITE};
use ashlar_disk::{DiskNow, FlashError};
use std::cell::Cell;
use std::path::PathBuf;

const SIZE: u64 = 80 << 20;

fn image() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = small_image::write(directory.path(), "6.12.1-amd64");
    (directory, path)
}

#[test]
fn a_disk_that_is_pulled_at_any_write_is_never_left_bootable() {
    let (_directory, path) = image();
    let whole = Disk::empty(SIZE);
    whole.flash(&path, SITE).unwrap();
    let writes = whole.writes.borrow().len();
    for pulled in 0..writes - 1 {
        let disk = Disk::empty(SIZE);
        disk.pulled_after.set(Some(pulled));
        let failure = disk.flash(&path, SITE).unwrap_err();
        assert!(matches!(*failure.why, FlashError::Io { .. }), "{pulled}: {failure}");
        assert_eq!(failure.now, DiskNow::NotBootable, "{pulled}");
        let head = disk.bytes(0, 4096);
        assert!(head.iter().all(|byte| *byte == 0), "{pulled}");
    }
    let disk = Disk::empty(SIZE);
    disk.pulled_after.set(Some(writes - 1));
    assert_eq!(disk.flash(&path, SITE).unwrap_err().now, DiskNow::Unknown);
}

#[test]
fn a_disk_that_loses_one_bit_is_caught_wherever_it_is() {
    let (_directory, path) = image();
    let image = ashlar_disk::Image::open(&path).unwrap();
    let place = |label| image.table().labelled(label).unwrap().start;
    // In the table, in the boot partition, in zeros of the root that mean something, in the
    // seed, in the table's second copy.
    let places = [
        512 + 60,
        place("esp") + 3,
        place("root-a") + (5 << 20),
        place("seed") + 700,
        SIZE - 512 + 20,
    ];
    for lost in places {
        let disk = Disk::empty(SIZE);
        disk.loses.set(Some(lost));
        let failure = disk.flash(&path, SITE).unwrap_err();
        let FlashError::Differs { offset, .. } = *failure.why else { panic!("{failure}") };
        assert!((offset..offset + (1 << 20)).contains(&lost), "{lost} in {offset}");
        assert_eq!(failure.now, DiskNow::NotBootable);
        assert_ne!(disk.bytes(512, 8), b"EFI PART");
    }
}

#[test]
fn a_disk_that_says_it_is_larger_than_it_is_is_caught() {
    let (_directory, path) = image();
    // The image fits on what is there: only marks behind it can tell.
    for real in [72 << 20, 90 << 20] {
        let disk = Disk { real, ..Disk::empty(200 << 20) };
        let failure = disk.flash(&path, SITE).unwrap_err();
        assert!(matches!(*failure.why, FlashError::Differs { .. }), "{real}: {failure}");
    }
}

#[test]
fn another_medium_in_the_same_drive_is_not_touched() {
    let (_directory, path) = image();
    let disk = Disk::empty(SIZE);
    disk.sequence.set(8);
    let failure = disk.flash(&path, SITE).unwrap_err();
    assert!(matches!(*failure.why, FlashError::Changed { .. }), "{failure}");
    assert_eq!(failure.now, DiskNow::Untouched);
    assert!(disk.writes.borrow().is_empty());
}

#[test]
fn who_stops_it_is_told_what_the_disk_is() {
    let (_directory, path) = image();
    let asked = Cell::new(0);
    let after = |count| {
        asked.set(0);
        let asked = &asked;
        move || {
            asked.set(asked.get() + 1);
            asked.get() > count
        }
    };
    let disk = Disk::empty(SIZE);
    let failure = disk.flash_until(&path, SITE, &after(0)).unwrap_err();
    assert_eq!((failure.now, disk.writes.borrow().len()), (DiskNow::Untouched, 0));
    for count in [3, 10, 30] {
        let disk = Disk::empty(SIZE);
        let failure = disk.flash_until(&path, SITE, &after(count)).unwrap_err();
        assert!(matches!(*failure.why, FlashError::Cancelled), "{failure}");
        assert_eq!(failure.now, DiskNow::NotBootable, "{count}");
        let help = miette::Diagnostic::help(&failure).unwrap().to_string();
        assert!(help.contains("not bootable") && help.contains("again"), "{help}");
        disk.flash(&path, SITE).unwrap();
    }
}
