//! How a machine looks after its first boot.

use super::THREE;
use anyhow::{Context, Result, ensure};
use ashlar_tests::command::workspace;

#[test]
fn the_root_is_read_only_erofs_under_verity() -> Result<()> {
    let three = THREE.borrow()?;
    let node = three.fleet.node(1);
    let root = node.sh("findmnt --noheadings --output SOURCE,FSTYPE,OPTIONS /")?;
    ensure!(root.contains("erofs") && root.contains("ro,"), "{root}");
    node.sh("cat /sys/block/dm-*/dm/uuid | grep ^CRYPT-VERITY")?;
    let tried = node.try_sh("touch /usr/changed")?;
    ensure!(tried.error_text().contains("Read-only file system"), "{}", tried.error_text());
    Ok(())
}

#[test]
fn the_first_boot_made_and_grew_the_other_partitions() -> Result<()> {
    for node in THREE.borrow()?.fleet.nodes() {
        let disk = node.sh("lsblk --bytes --noheadings --raw --output PARTLABEL,SIZE,FSTYPE")?;
        let size = |label: &str| -> Result<u64> {
            let line = disk.lines().find(|line| line.split(' ').next() == Some(label));
            let line = line.with_context(|| format!("no {label} in:\n{disk}"))?;
            Ok(line.split(' ').nth(1).context("a size")?.parse()?)
        };
        for label in ["esp", "root-a", "verity-a", "sig-a", "root-b", "verity-b", "sig-b", "seed"] {
            size(label)?;
        }
        ensure!(size("root-a")? == size("root-b")?, "the slots differ:\n{disk}");
        ensure!(size("state")? >= 1 << 30, "{disk}");
        // The data partition has what is left of the disk.
        ensure!(size("data")? > 4 << 30, "{disk}");
        node.sh("findmnt --types ext4 /var && findmnt --types xfs /data")?;
    }
    Ok(())
}

#[test]
fn the_seed_is_wiped_after_its_import() -> Result<()> {
    for node in THREE.borrow()?.fleet.nodes() {
        node.sh("seed=/dev/disk/by-partlabel/seed && \
             cmp --bytes=$(blockdev --getsize64 $seed) $seed /dev/zero")?;
    }
    Ok(())
}

#[test]
fn a_good_boot_is_blessed() -> Result<()> {
    for node in THREE.borrow()?.fleet.nodes() {
        node.sh("systemctl is-active boot-complete.target")?;
        // A counter that is left would be in the name: ashlar_0.1.0+3.efi.
        let entries = node.sh("ls \"$(bootctl --print-esp-path)/EFI/Linux\"")?;
        ensure!(entries.contains("ashlar_") && !entries.contains('+'), "{entries}");
    }
    Ok(())
}

#[test]
fn the_monitor_shows_something() -> Result<()> {
    let three = THREE.borrow()?;
    let picture = three.fleet.cluster().screenshot("node1")?;
    let directory = workspace().join("out/screenshots");
    std::fs::create_dir_all(&directory)?;
    std::fs::write(directory.join("node1.png"), &picture)?;
    ensure!(picture.starts_with(b"\x89PNG"), "no PNG");
    // An empty screen packs into two or three kilobytes.
    ensure!(picture.len() > 6000, "{} bytes: an empty screen", picture.len());
    Ok(())
}

#[test]
fn no_unit_has_failed_and_no_console_tells_of_trouble() -> Result<()> {
    let three = THREE.borrow()?;
    for node in three.fleet.nodes() {
        let failed = node.sh("systemctl --failed --no-legend --plain")?;
        ensure!(failed.is_empty(), "{}:\n{failed}", node.name());
    }
    three.fleet.consoles_are_clean()
}
