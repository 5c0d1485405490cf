//! Which kernel an image boots: the `.uname` of the unified kernel image on its
//! boot partition.

use crate::Sectors;
use object::read::pe::PeFile64;
use object::{Object, ObjectSection};
use std::io::{Read, Seek};

/// Longer than any kernel image.
const LONGEST: u64 = 200 << 20;

/// The version of the first kernel on a boot partition.
pub(crate) fn version(mut boot: Sectors) -> Option<String> {
    boot.rewind().ok()?;
    let volume = fatfs::FileSystem::new(boot, fatfs::FsOptions::new()).ok()?;
    let folder = volume.root_dir().open_dir("EFI/Linux").ok()?;
    for entry in folder.iter().filter_map(Result::ok) {
        if !entry.file_name().to_ascii_lowercase().ends_with(".efi") {
            continue;
        }
        let mut bytes = Vec::new();
        entry.to_file().take(LONGEST).read_to_end(&mut bytes).ok()?;
        if let Some(version) = uname(&bytes) {
            return Some(version);
        }
    }
    None
}

fn uname(bytes: &[u8]) -> Option<String> {
    let file = PeFile64::parse(bytes).ok()?;
    let section = file.section_by_name(".uname")?;
    let text = String::from_utf8_lossy(section.data().ok()?).into_owned();
    let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
    (!text.is_empty()).then(|| text.to_owned())
}
