//! The firmware's boot entries: the new disk comes first, so that a stick that
//! stays in does no harm. UEFI 2.10, sections 3.1 and 10.3.

use anyhow::{Context, Result};
use ashlar_disk::Part;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use uuid::Uuid;

/// The namespace of the specification's own variables.
const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
/// Kept, and readable before and after boot services end.
const ATTRIBUTES: [u8; 4] = 7_u32.to_le_bytes();
/// By which our own entry is found again.
const NAME: &str = "Ashlar";
/// What the firmware starts.
const LOADER: &str = "\\EFI\\systemd\\systemd-bootx64.efi";
const SECTOR: u64 = 512;

/// Whether the firmware has an entry that starts from the partition with this id.
pub(crate) fn starts_from(efivars: &Path, partition: &str) -> bool {
    let Ok(id) = Uuid::parse_str(partition) else { return false };
    let id = id.to_bytes_le();
    entries(efivars).values().any(|entry| entry.windows(id.len()).any(|piece| piece == id))
}

/// Makes the firmware start from this boot partition before anything else.
pub(crate) fn start_from(efivars: &Path, esp: &Part) -> Result<()> {
    let entry = entry(esp)?;
    let known = entries(efivars);
    // The entry of an installation before this one is given up.
    let ours = known.iter().find(|(_, entry)| is_ours(entry)).map(|(number, _)| *number);
    let free = || (0..=u16::MAX).find(|number| !known.contains_key(number));
    let number = ours.or_else(free).context("the firmware's list of boot entries is full")?;
    write(efivars, &format!("Boot{number:04X}"), &entry)?;
    let mut order = read(efivars, "BootOrder").unwrap_or_default();
    let others = order.chunks_exact(2).filter(|other| *other != number.to_le_bytes());
    order = [number.to_le_bytes().to_vec(), others.flatten().copied().collect()].concat();
    write(efivars, "BootOrder", &order)?;
    // For firmware that looks for sticks first; not all know it.
    let _ = write(efivars, "BootNext", &number.to_le_bytes());
    Ok(())
}

/// What the firmware's entries hold, by their numbers.
fn entries(efivars: &Path) -> BTreeMap<u16, Vec<u8>> {
    let mut found = BTreeMap::new();
    for file in fs::read_dir(efivars).into_iter().flatten().flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        let number = name
            .strip_suffix(&format!("-{GLOBAL}"))
            .and_then(|name| name.strip_prefix("Boot"))
            .filter(|number| number.len() == 4)
            .and_then(|number| u16::from_str_radix(number, 16).ok());
        if let Some(number) = number {
            let entry = read(efivars, &format!("Boot{number:04X}")).unwrap_or_default();
            found.insert(number, entry);
        }
    }
    found
}

fn is_ours(entry: &[u8]) -> bool {
    entry.get(6..).is_some_and(|rest| rest.starts_with(&utf16(NAME)))
}

/// A load option: attributes, length of the path, name, path.
fn entry(esp: &Part) -> Result<Vec<u8>> {
    let id = Uuid::parse_str(&esp.guid).context("the boot partition has no id")?;
    let mut disk = vec![4, 1, 42, 0];
    disk.extend(esp.number.to_le_bytes());
    disk.extend((esp.start / SECTOR).to_le_bytes());
    disk.extend(((esp.end - esp.start) / SECTOR).to_le_bytes());
    disk.extend(id.to_bytes_le());
    // A GUID table, and a GUID in it.
    disk.extend([2, 2]);
    let name = utf16(LOADER);
    let length = u16::try_from(name.len() + 4).context("a path that is too long")?;
    let mut path = disk;
    path.extend([4, 4]);
    path.extend(length.to_le_bytes());
    path.extend(name);
    path.extend([0x7F, 0xFF, 4, 0]);
    let length = u16::try_from(path.len()).context("a path that is too long")?;
    // Active.
    let mut entry = 1_u32.to_le_bytes().to_vec();
    entry.extend(length.to_le_bytes());
    entry.extend(utf16(NAME));
    entry.extend(path);
    Ok(entry)
}

/// With its end.
fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

fn read(efivars: &Path, name: &str) -> Option<Vec<u8>> {
    let bytes = fs::read(efivars.join(format!("{name}-{GLOBAL}"))).ok()?;
    bytes.get(ATTRIBUTES.len()..).map(<[u8]>::to_vec)
}

/// By one call of write(2), as efivarfs asks for.
fn write(efivars: &Path, name: &str, value: &[u8]) -> Result<()> {
    let path = efivars.join(format!("{name}-{GLOBAL}"));
    let bytes = [ATTRIBUTES.as_slice(), value].concat();
    File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .and_then(|mut file| file.write_all(&bytes))
        .with_context(|| format!("the firmware does not keep {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn esp() -> Part {
        Part {
            number: 1,
            label: "esp".into(),
            kind: String::new(),
            guid: "0c7e1c0a-62b7-4d3f-9b0e-3f2f1f7c8a55".into(),
            start: 1 << 20,
            end: (1 << 20) + (2 << 30),
        }
    }

    fn firmware(variables: &[(&str, &[u8])]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, value) in variables {
            write(directory.path(), name, value).unwrap();
        }
        directory
    }

    #[test]
    fn the_entry_is_what_the_specification_says() {
        let bytes = entry(&esp()).unwrap();
        // Active; a path of 42 + 4 + 66 + 4 bytes; then the name.
        assert_eq!(bytes[..6], [1, 0, 0, 0, 116, 0]);
        assert_eq!(bytes[6..20], *b"A\0s\0h\0l\0a\0r\0\0\0");
        let path = &bytes[20..];
        assert_eq!(path[..8], [4, 1, 42, 0, 1, 0, 0, 0], "a partition on a disk, the first one");
        assert_eq!(path[8..16], 2048_u64.to_le_bytes());
        assert_eq!(path[16..24], (2_u64 << 21).to_le_bytes());
        // The first three parts of a GUID are little-endian.
        assert_eq!(path[24..32], [0x0a, 0x1c, 0x7e, 0x0c, 0xb7, 0x62, 0x3f, 0x4d]);
        assert_eq!(path[40..44], [2, 2, 4, 4]);
        assert_eq!(path[path.len() - 4..], [0x7F, 0xFF, 4, 0]);
        assert_eq!(path.len(), 116);
    }

    #[test]
    fn the_new_disk_comes_first_and_what_was_there_stays_behind_it() {
        let firmware = firmware(&[
            ("Boot0000", b"the stick"),
            ("Boot0001", b"the network"),
            ("BootOrder", &[1, 0, 0, 0]),
        ]);
        assert!(!starts_from(firmware.path(), &esp().guid));
        start_from(firmware.path(), &esp()).unwrap();
        assert_eq!(read(firmware.path(), "BootOrder").unwrap(), [2, 0, 1, 0, 0, 0]);
        assert_eq!(read(firmware.path(), "BootNext").unwrap(), [2, 0]);
        assert_eq!(read(firmware.path(), "Boot0000").unwrap(), b"the stick");
        assert!(starts_from(firmware.path(), &esp().guid));
    }

    #[test]
    fn installing_again_gives_up_the_entry_of_before() {
        let firmware = firmware(&[("Boot0000", b"the stick"), ("BootOrder", &[0, 0])]);
        start_from(firmware.path(), &esp()).unwrap();
        let again = Part { guid: "11111111-2222-4333-8444-555555555555".into(), ..esp() };
        start_from(firmware.path(), &again).unwrap();
        assert_eq!(read(firmware.path(), "BootOrder").unwrap(), [1, 0, 0, 0]);
        assert!(starts_from(firmware.path(), &again.guid));
        assert!(!starts_from(firmware.path(), &esp().guid));
        assert_eq!(entries(firmware.path()).len(), 2);
    }

    #[test]
    fn firmware_without_variables_is_an_error_with_words() {
        let error = start_from(Path::new("/nonexistent"), &esp()).unwrap_err();
        assert!(format!("{error:#}").contains("the firmware does not keep"), "{error:#}");
    }
}
