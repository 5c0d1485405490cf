//! From a stick to an installed box, unattended, and back to nothing: `just drill
//! install`. A stick that was flashed as an installer is in a USB port; the box's NVMe
//! disk holds a disk of another site. The box installs itself, restarts with the stick
//! still in, and becomes ready alone; started from the stick once more it asks, and
//! takes a wrong answer for none; an entry of its own menu makes it a box without a
//! site. Pictures of all of it are left in `out/drill-install`.

use crate::built;
use anyhow::{Result, ensure};
use ashlar_site::DiskBus;
use ashlar_tests::skipped;
use ashlar_tests::till::{Hardware, NVME, Till};

/// A box of that kind.
fn till(hardware: Hardware) -> Result<Till> {
    Till::of(&built("retail-metal")?.disk()?, hardware, "drill-install")
}

/// Loop devices need root.
fn may_not(test: &str) -> Option<Result<()>> {
    (!nix::unistd::geteuid().is_root()).then(|| skipped(test, "loop devices need root"))
}

#[test]
fn a_box_installs_itself_over_another_site_s_disk_and_is_reset_from_its_menu() -> Result<()> {
    if let Some(skipped) = may_not("a_box_installs_itself") {
        return skipped;
    }
    let it = till(NVME)?;
    it.install()?;
    it.becomes_ready()?;

    let mut machine = it.start("again", Some("stick"))?;
    machine.until(Some("This box was installed already"))?;
    it.picture(&machine, "again.png")?;
    machine.press(&["n", "o", "ret"])?;
    machine.until(Some("`no` is none of these; nothing was written."))?;
    drop(machine);

    let mut machine = it.start("reset", Some("disk"))?;
    machine.until(Some("Factory reset"))?;
    // After the system and try: a box that was well has no installer in its menu.
    machine.press(&["3", "ret"])?;
    machine.until(Some("All that this box keeps will be gone"))?;
    it.picture(&machine, "resetting.png")?;
    machine.until(Some("Factory reset: done"))?;
    machine.until(Some("DRILL: answers"))?;
    it.picture(&machine, "reset.png")
}

/// This firmware cannot start from a card, as some boxes' cannot: it starts the stick
/// again, which installs nothing a second time. That the card is whole is seen in a
/// reader, from which it can.
#[test]
fn a_box_with_an_sd_card_and_its_cable_in_the_second_port_installs_itself() -> Result<()> {
    if let Some(skipped) = may_not("a_box_with_an_sd_card") {
        return skipped;
    }
    let mut it = till(Hardware {
        disk: &["sdhci-pci", "sd-card,drive=disk"],
        by: "/usb",
        bus: Some(DiskBus::Sd),
        network: &["rtl8139,id=empty,romfile=", "e1000e,netdev=segment,romfile="],
        driver: Some("/e1000e"),
        stick: true,
    })?;
    it.install()?;
    (it.hardware.disk, it.hardware.stick) = (&["usb-storage,drive=disk,removable=on"], false);
    it.becomes_ready().map(drop)
}

#[test]
fn a_box_with_a_sata_disk_and_an_old_network_card_installs_itself_and_is_reset() -> Result<()> {
    if let Some(skipped) = may_not("a_box_with_a_sata_disk") {
        return skipped;
    }
    let it = till(Hardware {
        disk: &["ide-hd,bus=ide.0,drive=disk,serial=drill"],
        by: "/ata",
        bus: None,
        network: &["rtl8139,netdev=segment,romfile="],
        driver: Some("/8139cp"),
        stick: true,
    })?;
    it.install()?;
    let mut machine = it.start("installed", None)?;
    let name = it.is_ready(&mut machine)?;
    let taken = it.resets(&mut machine)?;
    println!("factory: {:.1} s from the command to the reboot", taken.as_secs_f64());
    drop(machine);
    // With its site, and without a keystroke.
    let now = it.becomes_ready()?;
    ensure!(now != name, "{now} is no other box");
    Ok(())
}
