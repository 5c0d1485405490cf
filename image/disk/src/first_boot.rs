//! How large a disk an image needs: more than the image, because its first boot
//! makes the second slot, state and data beside what was shipped.

use crate::Image;
use serde::Deserialize;

/// The smallest `/var` and `/data`, as the base overlay's `repart.d` has them.
const STATE: u64 = 4 << 30;
const DATA: u64 = 4 << 30;
/// The table's second copy, and what aligning takes.
const REST: u64 = 4 << 20;

#[derive(Debug, Deserialize)]
struct Manifest {
    /// Bytes of the smallest disk that it boots from.
    disk_bytes: Option<u64>,
}

/// How many bytes the disk must have that an image is written to: what the
/// manifest beside the image says, or else what images of this version need.
#[must_use]
pub fn needed(image: &Image) -> u64 {
    let manifest = std::fs::read_to_string(image.path().with_file_name("manifest.json")).ok();
    let told = manifest
        .and_then(|text| serde_json::from_str::<Manifest>(&text).ok())
        .and_then(|manifest| manifest.disk_bytes);
    told.unwrap_or_else(|| reckoned(image)).max(image.length())
}

fn reckoned(image: &Image) -> u64 {
    let table = image.table();
    let shipped = table.parts.iter().map(|part| part.end).max().unwrap_or(0);
    let slot = ["root-a", "verity-a", "sig-a"].iter().filter_map(|label| table.labelled(label));
    let second: u64 = slot.map(|part| part.end - part.start).sum();
    if second == 0 {
        // Not one of ours: nothing is known of its first boot.
        return image.length();
    }
    shipped + second + STATE + DATA + REST
}

#[cfg(test)]
mod tests {
    use super::{DATA, STATE};

    /// What images say themselves is in their manifest; this is for those that
    /// came without.
    #[test]
    fn the_smallest_disk_is_reckoned_from_what_the_first_boot_makes() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../overlays/base/usr/lib/repart.d");
        for (name, bytes) in [("50-state", STATE), ("60-data", DATA)] {
            let text = std::fs::read_to_string(format!("{folder}/{name}.conf")).unwrap();
            assert!(text.contains(&format!("SizeMinBytes={}G\n", bytes >> 30)), "{name}:\n{text}");
        }
    }
}
