//! The real image on a block device. What can go wrong with a disk is the tier
//! `disk`'s, with a small image.

use anyhow::{Context, Result, ensure};
use ashlar_tests::command::Ashlar;
use ashlar_tests::image::Built;
use ashlar_tests::loop_device::LoopDevice;
use ashlar_tests::project::scratch;
use ashlar_tests::{site, skipped};
use std::fs::File;
use std::os::unix::fs::FileExt;

#[test]
fn a_flashed_disk_has_the_image_s_root_and_hash_tree_in_their_places() -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        let name = "a_flashed_disk_has_the_image_s_root_and_hash_tree_in_their_places";
        return skipped(name, "loop devices need root");
    }
    let built = Built::retail()?;
    let image = built.disk()?;
    let directory = scratch("flash")?;
    let site = site::write(&site::fresh("flashed")?, directory.path())?;
    // The smallest disk that people have, full of something else.
    let disk = LoopDevice::new(&directory.path().join("disk.img"), 15_500_000_000, &[])?;
    let said = Ashlar::new(["flash", "--json", "--yes", "--vm-image", "--site"])?
        .arg(&site)
        .arg("--image")
        .arg(&image)
        .arg(&disk.path)
        .succeeds()?
        .json()?;
    // Published with a SHA256SUMS, and a kernel that says its name.
    ensure!(said["checksum"] == true, "{said}");
    ensure!(said["kernel"].as_str().is_some_and(|kernel| kernel.contains("cloud")), "{said}");
    let (from, to) = (gpt::GptConfig::new().open(&image)?, gpt::GptConfig::new().open(&disk.path)?);
    let (source, target) = (File::open(&image)?, File::open(&disk.path)?);
    for (number, part) in from.partitions() {
        let there = to.partitions().get(number).context("a partition is gone")?;
        ensure!(there.first_lba == part.first_lba && there.last_lba == part.last_lba);
        let own = matches!(part.name.as_str(), "esp" | "seed");
        ensure!((there.part_guid != part.part_guid) == own, "the id of {}", part.name);
        let used = match part.name.as_str() {
            "root-a" => std::fs::metadata(built.root()?)?.len(),
            "verity-a" => {
                std::fs::metadata(built.one(|name| name.ends_with(".root.verity"))?)?.len()
            }
            _ => continue,
        };
        let start = part.first_lba * 512;
        for at in (0..used).step_by(1 << 20) {
            let length = usize::try_from((used - at).min(1 << 20))?;
            let (mut expected, mut found) = (vec![0; length], vec![0; length]);
            source.read_exact_at(&mut expected, start + at)?;
            target.read_exact_at(&mut found, start + at)?;
            ensure!(expected == found, "{} differs near byte {at}", part.name);
        }
    }
    Ok(())
}
