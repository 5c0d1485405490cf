//! Disks and images that will not do.

use crate::loop_device::{Bench, LARGE, LoopDevice, cannot};
use anyhow::{Context, Result, ensure};
use ashlar_tests::command::Ashlar;
use ashlar_tests::skipped;

#[test]
fn a_disk_that_is_too_small_for_the_first_boot_is_refused() -> Result<()> {
    if let Some(why) = cannot() {
        return skipped("a_disk_that_is_too_small_for_the_first_boot_is_refused", why);
    }
    let bench = Bench::new()?;
    // The image itself would fit many times.
    let disk = LoopDevice::new(&bench.place("small.img"), 4 << 30, &[])?;
    bench.flash(&disk.path)?.arg("--yes").fails_with(&["first boot needs", "4.3 GB"])?;
    // A manifest beside the image knows better than its table.
    std::fs::write(bench.place("manifest.json"), "{\"disk_bytes\": 3000000000}")?;
    bench.flash(&disk.path)?.arg("--yes").succeeds()?;
    Ok(())
}

#[test]
fn a_disk_with_sectors_of_4096_bytes_is_refused() -> Result<()> {
    if let Some(why) = cannot() {
        return skipped("a_disk_with_sectors_of_4096_bytes_is_refused", why);
    }
    let bench = Bench::new()?;
    let disk = LoopDevice::new(&bench.place("4k.img"), LARGE, &["--sector-size", "4096"])?;
    bench.flash(&disk.path)?.arg("--yes").fails_with(&["sectors of 4096 bytes"])?;
    Ok(())
}

#[test]
fn a_write_protected_disk_is_refused() -> Result<()> {
    if let Some(why) = cannot() {
        return skipped("a_write_protected_disk_is_refused", why);
    }
    let bench = Bench::new()?;
    let disk = LoopDevice::new(&bench.place("ro.img"), LARGE, &["--read-only"])?;
    bench.flash(&disk.path)?.arg("--yes").fails_with(&["write-protected"])?;
    Ok(())
}

#[test]
fn an_image_for_virtual_machines_is_not_flashed_without_a_word() -> Result<()> {
    if let Some(why) = cannot() {
        return skipped("an_image_for_virtual_machines_is_not_flashed_without_a_word", why);
    }
    let bench = Bench::with_kernel("6.12.1+deb13-cloud-amd64")?;
    let disk = bench.disk()?;
    bench.flash(&disk.path)?.arg("--yes").fails_with(&["virtual machines", "--vm-image"])?;
    bench.flash(&disk.path)?.arg("--yes").arg("--vm-image").succeeds()?;
    Ok(())
}

#[test]
fn what_is_no_disk_is_refused() -> Result<()> {
    let bench = Bench::new()?;
    bench.flash(&bench.place("site.toml"))?.arg("--yes").fails_with(&["is not a disk"])?;
    bench.flash("/dev/nope".as_ref())?.arg("--yes").fails_with(&["/dev/nope"])?;
    Ok(())
}

#[test]
fn nobody_is_there_to_confirm_and_nothing_is_written() -> Result<()> {
    if let Some(why) = cannot() {
        return skipped("nobody_is_there_to_confirm_and_nothing_is_written", why);
    }
    let bench = Bench::new()?;
    let disk = bench.disk()?;
    let before = disk.start()?;
    bench.flash(&disk.path)?.fails_with(&["nobody is here to confirm", "--yes"])?;
    ensure!(disk.start()? == before, "it was written all the same");
    Ok(())
}

#[test]
fn without_a_disk_the_disks_are_listed() -> Result<()> {
    let listed = Ashlar::new(["flash", "--json"])?.run()?;
    ensure!(listed.to_string().contains("exit status: 2"), "{listed}");
    let answer = listed.json()?;
    let disks = answer["disks"].as_array().context("a list")?;
    for disk in disks {
        ensure!(disk["size"].as_u64() > Some(0) && disk["bus"].is_string(), "{disk}");
    }
    let mut paths: Vec<_> = disks.iter().filter_map(|disk| disk["path"].as_str()).collect();
    paths.sort_unstable();
    ensure!(paths == disks_of_this_host()?, "{listed}");
    Ok(())
}

/// What the kernel drives itself, and has sectors: no file, no optical drive, nothing made
/// of other disks.
fn disks_of_this_host() -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/sys/block")? {
        let (name, path) = {
            let entry = entry?;
            (entry.file_name(), entry.path())
        };
        let name = name.to_string_lossy().into_owned();
        let odd = name.starts_with("sr") || name.starts_with("fd") || name.contains("boot");
        let size = std::fs::read_to_string(path.join("size"))?;
        if path.join("device").exists() && !odd && size.trim() != "0" {
            found.push(format!("/dev/{name}"));
        }
    }
    found.sort();
    Ok(found)
}
