//! The tier `single`: one machine by itself in QEMU, beside tiers that compute.

use anyhow::{Context, Result, ensure};
use ashlar_machine::Backend;
use ashlar_tests::command::{Ashlar, workspace};
use ashlar_tests::fleet::Fleet;
use ashlar_tests::image::Built;
use ashlar_tests::till::{Hardware, NVME, Till};
use ashlar_tests::{site, skipped};
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// For a machine to boot without KVM.
const PATIENCE: Duration = Duration::from_secs(1500);

#[test]
fn a_flipped_byte_in_the_root_is_refused_visibly() -> Result<()> {
    let directory = tempfile::tempdir_in(workspace().join("out"))?;
    let disk = directory.path().join("flipped.raw");
    let copied = std::process::Command::new("cp")
        .args(["--sparse=always", "--reflink=auto"])
        .args([&Built::retail()?.disk()?, &disk])
        .status()?;
    ensure!(copied.success(), "cp ended with {copied}");

    let inspection = Ashlar::new(["inspect", "--json"])?.arg(&disk).succeeds()?.json()?;
    let partitions = inspection["partitions"].as_array().context("partitions")?;
    let root = partitions.iter().find(|p| p["label"] == "root-a").context("root-a")?;
    // Before erofs's own superblock, in bytes that the file system never looks
    // at: nobody but verity can notice.
    let place = root["offset"].as_u64().context("offset")? + 100;
    let file = OpenOptions::new().read(true).write(true).open(&disk)?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, place)?;
    file.write_all_at(&[byte[0] ^ 1], place)?;
    drop(file);

    let fleet = Fleet::of_image(Backend::Vm, "vm-flipped", 1, &site::fresh("flipped")?, &disk)?;
    let node = fleet.node(1);
    let console = || fleet.cluster().console_tail(node.name(), 100_000);
    fleet.until("verity's refusal on the console", PATIENCE, || {
        let text = console();
        Ok((text.contains("verity") && text.contains("is corrupted")).then_some(()))
    })?;
    let text = console();
    ensure!(!text.contains("Press Enter"), "a shell is offered:\n{text}");
    ensure!(!text.contains("Ashlar agent"), "the agent was started all the same:\n{text}");
    Ok(())
}

/// The way of a box that nobody stands at, on one kind of hardware; others have a drill.
#[test]
fn a_stick_installs_a_box_over_another_site_s_disk_and_stays_in() -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        return skipped("a_stick_installs_a_box", "loop devices need root");
    }
    // A box of the minimal profile has no ring, and so no address in it.
    let hardware = Hardware { driver: None, ..NVME };
    let till = Till::of(&Built::metal()?.disk()?, hardware, "screenshots")?;
    till.install()?;
    println!("it is {}", till.becomes_ready()?);
    Ok(())
}
