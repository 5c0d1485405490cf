//! What is on a disk, told by the bytes that programs know their formats by.

use crate::{CHUNK, Table};
use std::fs::File;
use std::os::unix::fs::FileExt;

/// A format, and the bytes that tell it at a place.
struct Magic {
    name: &'static str,
    at: u64,
    bytes: &'static [u8],
}

const fn magic(name: &'static str, at: u64, bytes: &'static [u8]) -> Magic {
    Magic { name, at, bytes }
}

/// Those that people keep things in.
const MAGICS: &[Magic] = &[
    magic("LUKS (encrypted)", 0, b"LUKS\xba\xbe"),
    magic("BitLocker (encrypted)", 3, b"-FVE-FS-"),
    magic("NTFS", 3, b"NTFS    "),
    magic("exFAT", 3, b"EXFAT   "),
    magic("FAT", 54, b"FAT1"),
    magic("FAT", 82, b"FAT32"),
    magic("XFS", 0, b"XFSB"),
    magic("LVM", 512 + 24, b"LVM2 001"),
    magic("ext4", 1024 + 56, b"\x53\xef"),
    magic("erofs", 1024, b"\xe2\xe1\xf5\xe0"),
    magic("f2fs", 1024, b"\x10\x20\xf5\xf2"),
    magic("APFS", 32, b"NXSB"),
    magic("HFS+", 1024, b"H+"),
    magic("swap", 4096 - 10, b"SWAPSPACE2"),
    magic("squashfs", 0, b"hsqs"),
    magic("Linux RAID", 4096, b"\xfc\x4e\x2b\xa9"),
    magic("Linux RAID", 0, b"\xfc\x4e\x2b\xa9"),
    magic("bcache", 4096 + 24, b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca"),
    magic("bcachefs", 4096 + 24, b"\xc6\x85\x73\xf6\x66\xce\x90\xa9"),
    magic("ISO 9660", 32_769, b"CD001"),
    magic("btrfs", 65_536 + 64, b"_BHRfS_M"),
    magic("dm-verity", 0, b"verity\0\0"),
];
/// An uberblock of ZFS, somewhere in the label's second half; the first that is
/// written is not the first in place.
const ZFS: &[u8] = b"\x0c\xb1\xba\x00\x00\x00\x00\x00";

/// What is on a disk of `size` bytes, one phrase for each thing that was found:
/// the table, each partition with its label and format. Empty: nothing known.
#[must_use]
pub fn of(disk: &File, size: u64) -> Vec<String> {
    let mut head = vec![0; CHUNK.min(size) as usize];
    if disk.read_exact_at(&mut head, 0).is_err() {
        return vec!["it cannot be read".to_owned()];
    }
    let Ok(table) = Table::read(&head) else {
        let format = format(disk, 0, size).map(str::to_owned);
        let old = (head.get(510..512) == Some(&[0x55, 0xaa])).then(|| "an MBR table".to_owned());
        return format.or(old).into_iter().collect();
    };
    let mut found = Vec::new();
    for part in &table.parts {
        let label = if part.label.is_empty() { "without a name" } else { &part.label };
        let bytes = part.end - part.start;
        let format = format(disk, part.start, bytes).unwrap_or("nothing known");
        found.push(format!("partition {} `{label}`: {format}, {}", part.number, words(bytes)));
    }
    if found.is_empty() {
        found.push("an empty GPT table".to_owned());
    }
    found
}

/// The format of what begins at `start`.
fn format(disk: &File, start: u64, length: u64) -> Option<&'static str> {
    let mut bytes = vec![0; (256_u64 << 10).min(length) as usize];
    disk.read_exact_at(&mut bytes, start).ok()?;
    let known = MAGICS.iter().find(|magic| {
        bytes.get(magic.at as usize..).is_some_and(|rest| rest.starts_with(magic.bytes))
    });
    if let Some(known) = known {
        return Some(known.name);
    }
    let zfs = bytes.get(128 << 10..).unwrap_or_default();
    zfs.chunks(1024).any(|block| block.starts_with(ZFS)).then_some("ZFS")
}

/// Bytes as they stand on the package of a disk.
fn words(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes / 1000),
        1_000_000..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(at: u64, bytes: &[u8]) -> File {
        let file = tempfile::tempfile().unwrap();
        file.set_len(24 << 20).unwrap();
        file.write_all_at(bytes, at).unwrap();
        file
    }

    #[test]
    fn every_format_is_told_by_its_bytes() {
        for magic in MAGICS {
            assert_eq!(of(&disk(magic.at, magic.bytes), 24 << 20), [magic.name]);
        }
        assert_eq!(of(&disk((128 << 10) + 7 * 1024, ZFS), 24 << 20), ["ZFS"]);
    }

    #[test]
    fn an_empty_disk_has_nothing_on_it() {
        assert!(of(&disk(0, &[]), 24 << 20).is_empty());
        assert_eq!(of(&disk(510, &[0x55, 0xaa]), 24 << 20), ["an MBR table"]);
    }

    #[test]
    fn partitions_are_named_with_what_is_in_them() {
        let head = crate::table::tests::head();
        let file = disk(0, &head);
        let table = Table::read(&head).unwrap();
        let root = table.labelled("root-a").unwrap();
        file.write_all_at(b"\xe2\xe1\xf5\xe0", root.start + 1024).unwrap();
        let found = of(&file, 24 << 20).join("\n");
        assert!(found.contains("`root-a`: erofs"), "{found}");
        assert!(found.contains("`seed`: nothing known"), "{found}");
    }
}
