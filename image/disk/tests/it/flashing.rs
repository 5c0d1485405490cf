//! What is on a disk afterwards.

use crate::medium::{Disk, Watcher, quiet};
use crate::small_image::{self, LENGTH, SITE};
use ashlar_disk::{FlashError, Image, Job, Stage, Start, SumsFile, Table};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use sha2::{Digest, Sha256};

const SIZE: u64 = (80 << 20) + 7 * 512;

#[test]
fn a_disk_holds_the_image_the_site_and_nothing_of_before() {
    let directory = tempfile::tempdir().unwrap();
    let path = small_image::write(directory.path(), "6.12.1-amd64");
    let image = Image::open(&path).unwrap();
    for zeroes in [false, true] {
        let disk = Disk { zeroes, ..Disk::new(SIZE) };
        disk.flash(&path, SITE).unwrap();
        let all = std::fs::read(&path).unwrap();
        for label in ["esp", "root-a", "sig-a"] {
            let part = image.table().labelled(label).unwrap();
            let expected = &all[part.start as usize..part.end as usize];
            let used = expected.iter().rposition(|byte| *byte != 0).unwrap() + (4 << 20);
            let used = used.min(expected.len());
            let found = disk.bytes(part.start, used);
            assert!(found == expected[..used], "{label}");
        }
        assert_eq!(small_image::seed(&disk.file), ("ASHLARSEED".to_owned(), SITE.to_owned()));
        let end = disk.bytes(SIZE - (1 << 20), (1 << 20) - 33 * 512);
        assert!(end.iter().all(|byte| *byte == 0), "old tables at the end are gone");
    }
}

#[test]
fn a_large_disk_is_seen_to_be_emptied_and_one_that_cannot_is_not_said_to_be() {
    let directory = tempfile::tempdir().unwrap();
    let path = small_image::write(directory.path(), "6.12.1-amd64");
    let image = Image::open(&path).unwrap();
    let size = 40 << 30;
    let seen = |discards| {
        let disk = Disk { discards, ..Disk::empty(size) };
        let watcher = Watcher::default();
        let job = Job { events: &watcher, cancelled: &|| false };
        disk.watched(&image, SITE, Start::Run, job).unwrap();
        (disk.discarded.take(), watcher.0.take())
    };
    let (discarded, stages) = seen(true);
    let (stage, all, told) = &stages[0];
    assert_eq!((*stage, *all), (Stage::Empty, size - (2 << 20)));
    assert_eq!(told.iter().sum::<u64>(), *all, "what is told adds up");
    let lengths: Vec<_> = discarded.iter().map(|(_, length)| *length).collect();
    assert_eq!(*told, lengths, "it is told piece by piece");
    assert_eq!((discarded[0], lengths.len() > 5), ((1 << 20, 64 << 20), true));
    for pair in discarded.windows(2) {
        assert_eq!(pair[0].0 + pair[0].1, pair[1].0, "nothing is left out");
    }
    assert_eq!(stages[1].0, Stage::Write);
    assert_eq!(seen(false).1[0].0, Stage::Write);
}

#[test]
fn both_copies_of_the_table_are_the_disk_s_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = small_image::write(directory.path(), "6.12.1-amd64");
    let (a, b) = (Disk::new(SIZE), Disk::new(SIZE));
    a.flash(&path, SITE).unwrap();
    b.flash(&path, SITE).unwrap();
    let open = |disk: &Disk| {
        gpt::GptConfig::new()
            .only_valid_headers(true)
            .open_from_device(disk.file.try_clone().unwrap())
            .unwrap()
    };
    let (a, b) = (open(&a), open(&b));
    assert_eq!(a.backup_header().unwrap().current_lba, SIZE / 512 - 1);
    assert_eq!(a.header().last_usable, SIZE / 512 - 34);
    assert_ne!(a.guid(), b.guid());
    for (number, part) in a.partitions() {
        let other = &b.partitions()[number];
        assert_eq!(
            part.part_guid == other.part_guid,
            matches!(part.name.as_str(), "root-a" | "sig-a"),
            "{}",
            part.name
        );
    }
}

#[test]
fn the_first_mib_is_wiped_first_and_written_last() {
    let directory = tempfile::tempdir().unwrap();
    let path = small_image::write(directory.path(), "6.12.1-amd64");
    let disk = Disk::new(SIZE);
    disk.flash(&path, SITE).unwrap();
    let writes = disk.writes.borrow();
    assert_eq!(writes.first(), Some(&(0, 1 << 20)));
    assert_eq!(writes.last(), Some(&(0, 1 << 20)));
    let between = &writes[1..writes.len() - 1];
    assert!(between.iter().all(|(at, _)| *at >= 1 << 20));
}

#[test]
fn room_that_the_image_does_not_use_is_not_sent() {
    let directory = tempfile::tempdir().unwrap();
    let path = small_image::write(directory.path(), "6.12.1-amd64");
    let disk = Disk::new(SIZE);
    disk.flash(&path, SITE).unwrap();
    for label in ["esp", "root-a", "seed"] {
        let part = Image::open(&path).unwrap().table().labelled(label).unwrap().clone();
        let middle = disk.bytes(part.start + (16 << 20), 1 << 20);
        assert!(middle.iter().all(|byte| *byte == 0xFF), "{label}");
    }
}

#[test]
fn a_packed_image_gives_the_same_disk() {
    let directory = tempfile::tempdir().unwrap();
    let path = small_image::write(directory.path(), "6.12.1-amd64");
    let packed = directory.path().join("small.raw.zst");
    let bytes = std::fs::read(&path).unwrap();
    // Two frames, as some packers make them.
    let (first, second) = bytes.split_at(30_000_000);
    let mut frames = compress_to_vec(first, CompressionLevel::Fastest);
    frames.extend(compress_to_vec(second, CompressionLevel::Fastest));
    std::fs::write(&packed, &frames).unwrap();
    let (raw, from_packed) = (Disk::new(SIZE), Disk::new(SIZE));
    raw.flash(&path, SITE).unwrap();
    from_packed.flash(&packed, SITE).unwrap();
    let skip = 34 * 512; // ids of their own
    let (a, b) = (raw.bytes(skip, LENGTH as usize), from_packed.bytes(skip, LENGTH as usize));
    assert!(a == b);

    std::fs::write(&packed, &frames[..frames.len() / 2]).unwrap();
    let cut = Image::open(&packed).and_then(|image| image.examine(None, quiet(&|| false)));
    let cut = cut.unwrap_err();
    assert!(matches!(cut, FlashError::BadImage { .. }), "{cut}");
}

#[test]
fn an_image_says_which_kernel_it_boots() {
    let directory = tempfile::tempdir().unwrap();
    let path = small_image::write(directory.path(), "6.12.1+deb13-cloud-amd64");
    let examined = Image::open(&path).unwrap().examine(None, quiet(&|| false)).unwrap();
    assert_eq!(examined.kernel.as_deref(), Some("6.12.1+deb13-cloud-amd64"));
}

#[test]
fn an_image_that_is_not_what_its_checksum_says_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = small_image::write(directory.path(), "6.12.1-amd64");
    assert!(SumsFile::beside(&path).unwrap().is_none());
    let sum = hex::encode(Sha256::digest(std::fs::read(&path).unwrap()));
    let list = directory.path().join("SHA256SUMS");
    std::fs::write(&list, format!("{}  other.raw\n{sum}  small.raw\n", "0".repeat(64))).unwrap();
    let image = Image::open(&path).unwrap();
    let sums = SumsFile::beside(&path).unwrap().unwrap();
    assert!(image.examine(Some(&sums), quiet(&|| false)).unwrap().checked);
    std::fs::write(&list, format!("{} *small.raw\n", "0".repeat(64))).unwrap();
    let sums = SumsFile::beside(&path).unwrap().unwrap();
    let refused = image.examine(Some(&sums), quiet(&|| false)).unwrap_err();
    assert!(matches!(refused, FlashError::Checksum { .. }), "{refused}");
    std::fs::write(&list, "").unwrap();
    let sums = SumsFile::read(&list).unwrap();
    let refused = image.examine(Some(&sums), quiet(&|| false)).unwrap_err();
    assert!(matches!(refused, FlashError::NoChecksum { .. }), "{refused}");
}

#[test]
fn what_is_no_image_is_refused_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.raw");
    std::fs::write(&path, b"hello").unwrap();
    assert!(Image::open(&path).unwrap_err().to_string().contains("too short"));
    assert!(Image::open(directory.path()).unwrap_err().to_string().contains("not a file"));
    let small = small_image::write(directory.path(), "6.12.1-amd64");
    std::fs::File::options().write(true).open(&small).unwrap().set_len(LENGTH - 1).unwrap();
    assert!(Image::open(&small).unwrap_err().to_string().contains("cut off"));
    assert!(Table::read(b"").is_err());
}
