//! Disks that were flashed.

use crate::loop_device::{Bench, METAL, cannot};
use crate::small_image::{self, SITE};
use anyhow::{Context, Result, ensure};
use ashlar_tests::command::{Ashlar, run};
use ashlar_tests::skipped;
use std::fs::File;
use std::process::Command;

#[test]
fn a_disk_is_flashed_with_neither_project_nor_home_nor_tools() -> Result<()> {
    if let Some(why) = cannot() {
        return skipped("a_disk_is_flashed_with_neither_project_nor_home_nor_tools", why);
    }
    let bench = Bench::new()?;
    let disk = bench.disk()?;
    let said = bench.flash(&disk.path)?.arg("--yes").succeeds()?.json()?;
    ensure!(said["site"] == "shop" && said["kernel"] == METAL, "{said}");
    let (label, site) = small_image::seed(&File::open(&disk.path)?);
    ensure!(label == "ASHLARSEED" && site == SITE, "{label}: {site}");
    // Both copies of the table, the second at the disk's end.
    let table = gpt::GptConfig::new().only_valid_headers(true).open(&disk.path)?;
    let backup = table.backup_header()?.current_lba;
    ensure!(backup == crate::loop_device::LARGE / 512 - 1, "the second copy is at {backup}");
    Ok(())
}

#[test]
fn what_was_on_the_disk_is_shown_and_gone_afterwards() -> Result<()> {
    if let Some(why) = cannot() {
        return skipped("what_was_on_the_disk_is_shown_and_gone_afterwards", why);
    }
    let bench = Bench::new()?;
    let disk = bench.disk()?;
    run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&disk.path))?;
    let flash = bench.flash(&disk.path)?;
    // Without --json, which shows nothing on the way.
    let mut plain = Command::new(flash.into_command().get_program());
    plain.arg("flash").arg(&disk.path).arg("--yes");
    plain.arg("--image").arg(&bench.image).arg("--site").arg(&bench.site);
    let output = plain.output()?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && error.contains("ext4"), "{error}");
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(out.contains("one box") && out.contains("MB/s"), "{out}");
    let found = run(Command::new("blkid").args(["-p"]).arg(&disk.path))?;
    ensure!(found.contains("gpt") && !found.contains("ext4"), "{found}");
    Ok(())
}

#[test]
fn a_packed_image_with_its_checksum_is_written() -> Result<()> {
    if let Some(why) = cannot() {
        return skipped("a_packed_image_with_its_checksum_is_written", why);
    }
    let mut bench = Bench::new()?;
    let packed = bench.place("small.raw.zst");
    run(Command::new("zstd").arg("--quiet").arg(&bench.image).arg("-o").arg(&packed))?;
    let sums = bench.place("SHA256SUMS");
    let sum = run(Command::new("sha256sum")
        .arg("small.raw.zst")
        .current_dir(packed.parent().context("/")?))?;
    std::fs::write(&sums, sum)?;
    bench.image = packed;
    let disk = bench.disk()?;
    let said = bench.flash(&disk.path)?.arg("--yes").succeeds()?.json()?;
    ensure!(said["checksum"] == true, "{said}");
    ensure!(small_image::seed(&File::open(&disk.path)?).1 == SITE, "another site");

    let before = disk.start()?;
    std::fs::write(&sums, format!("{}  small.raw.zst\n", "0".repeat(64)))?;
    bench.flash(&disk.path)?.arg("--yes").fails_with(&["SHA256SUMS", "nothing was written"])?;
    ensure!(disk.start()? == before, "it was written all the same");
    Ok(())
}

#[test]
fn a_stamped_copy_carries_the_site() -> Result<()> {
    let bench = Bench::new()?;
    let copy = bench.place("till-7.raw");
    Ashlar::new(["stamp"])?
        .arg(&bench.image)
        .arg("--site")
        .arg(&bench.site)
        .arg("-o")
        .arg(&copy)
        .succeeds()?;
    ensure!(small_image::seed(&File::open(&copy)?).1 == SITE, "another site");
    Ok(())
}

#[test]
fn an_image_for_virtual_machines_is_stamped_with_a_warning_or_with_a_word() -> Result<()> {
    for (kernel, more, warns) in [
        ("6.12.1+deb13-cloud-amd64", None, true),
        ("6.12.1+deb13-cloud-amd64", Some("--vm-image"), false),
        (METAL, None, false),
    ] {
        let bench = Bench::with_kernel(kernel)?;
        let stamp = Ashlar::new(["stamp"])?.arg(&bench.image).arg("--site").arg(&bench.site);
        let mut command = stamp.into_command();
        let output = command.args(more).arg("-o").arg(bench.place("copy.raw")).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{said}");
        ensure!(said.contains("for virtual machines") == warns, "{kernel} {more:?}: {said}");
    }
    Ok(())
}
