//! From a stick to an installed box, unattended, and back to nothing: `just drill
//! install`. A stick that was flashed as an installer is in a USB port; the box's NVMe
//! disk holds a disk of another site. The box installs itself, restarts with the stick
//! still in, and becomes ready alone; started from the stick once more it asks, and
//! takes a wrong answer for none; an entry of its own menu makes it a box without a
//! site. Pictures of all of it are left in `out/drill-install`.

use crate::built;
use crate::machine::{Machine, Setup, telling};
use anyhow::{Result, ensure};
use ashlar_site::{DiskBus, InstallRules, Site};
use ashlar_tests::command::Ashlar;
use ashlar_tests::project::scratch;
use ashlar_tests::{site, skipped};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const STICK: u64 = 8 << 30;
const DISK: u64 = 16 << 30;

/// A loop device for as long as it is flashed.
fn flash(image: &Path, site: &Path, onto: &Path, more: &[&str]) -> Result<()> {
    let made = Command::new("losetup").args(["--find", "--show"]).arg(onto).output()?;
    let device = String::from_utf8(made.stdout)?.trim().to_owned();
    ensure!(!device.is_empty(), "no loop device: {}", String::from_utf8_lossy(&made.stderr));
    let mut flash = Ashlar::new(["flash", &device, "--yes"])?.arg("--image").arg(image);
    flash = flash.arg("--site").arg(site);
    for word in more {
        flash = flash.arg(word);
    }
    let flashed = flash.succeeds();
    Command::new("losetup").args(["--detach", &device]).status()?;
    flashed.map(drop)
}

/// What the box says at the end, on its serial console. The journal would keep it
/// from there.
const TELL: &str = "ashlarctl wait --answering --timeout 1400; echo DRILL: answers; \
    ashlarctl wait --timeout 1400 && echo DRILL: ready; \
    p=$$(findmnt -no SOURCE /var); \
    echo \"DRILL: state by $$(readlink /sys/class/block/$${p##*/})\"; \
    p=$$(sed -n s/^Name=//p /run/systemd/network/20-ashlar-cluster.network); \
    echo \"DRILL: address on $$(readlink /sys/class/net/$$p/device/driver)\"; \
    echo \"DRILL: site $$(ashlarctl status --json | grep -o installing | head -n1)\"; \
    echo DRILL: over";

/// A kind of box.
struct Hardware {
    /// Its disk, which is the drive `disk`, with what it hangs on.
    disk: &'static [&'static str],
    /// On the way to its partitions, as the kernel has it.
    by: &'static str,
    /// How an installer is told to take it, where it takes none of that kind by itself.
    bus: Option<DiskBus>,
    /// Its ports; the one with the cable is at `segment`, one without is called `empty`.
    network: &'static [&'static str],
    /// What drives the port with the cable.
    driver: &'static str,
    /// The stick is in it.
    stick: bool,
}

const NVME: Hardware = Hardware {
    disk: &["nvme,drive=disk,serial=drill"],
    by: "/nvme/",
    bus: None,
    network: &["virtio-net-pci,netdev=segment,romfile="],
    driver: "virtio_net",
    stick: true,
};

/// A box with an installer's stick of one site in it, whose own disk holds another
/// site's system.
struct Till {
    hardware: Hardware,
    room: TempDir,
}

impl Till {
    fn of(hardware: Hardware) -> Result<Self> {
        let image = built("retail-metal")?.disk()?;
        let room = scratch("drill-install")?;
        let place = |name: &str| room.path().join(name);
        for (name, bytes) in [("stick.img", STICK), ("disk.img", DISK)] {
            File::create(place(name))?.set_len(bytes)?;
        }
        site::fresh("elsewhere")?.save(&place("other.toml"))?;
        flash(&image, &place("other.toml"), &place("disk.img"), &[])?;
        let bus = hardware.bus.into_iter().collect();
        let rules =
            InstallRules { unattended: true, allow_foreign: true, bus, ..Default::default() };
        let ours = Site { expect: Some(1), install: Some(rules), ..site::fresh("installing")? };
        ours.save(&place("ours.toml"))?;
        flash(&image, &place("ours.toml"), &place("stick.img"), &["--installer"])?;
        Ok(Self { hardware, room })
    }

    /// Switches it on. `first` is the drive that a person chooses in the firmware's
    /// menu, after which this firmware forgets every entry; by itself it starts what
    /// it was told.
    fn start(&self, name: &str, first: Option<&str>) -> Result<Machine> {
        let drive = |id: &str| {
            let file: PathBuf = self.room.path().join(format!("{id}.img"));
            format!("if=none,id={id},format=raw,discard=unmap,file={}", file.display())
        };
        let stick = self.hardware.stick.then_some(&"usb-storage,drive=stick,removable=on");
        let all = stick.into_iter().chain(self.hardware.disk).chain(self.hardware.network);
        let chosen =
            |device: &str| first.is_some_and(|first| device.contains(&format!("drive={first}")));
        let devices = all
            .map(|device| format!("{device}{}", if chosen(device) { ",bootindex=0" } else { "" }))
            .collect();
        let unit = telling(TELL);
        let setup = Setup {
            drives: self
                .hardware
                .stick
                .then_some("stick")
                .into_iter()
                .chain(["disk"])
                .map(drive)
                .collect(),
            devices,
            units: vec![("drill.service", &unit, "multi-user.target")],
            ..Setup::default()
        };
        let machine = Machine::start(self.room.path(), name, &setup)?;
        if self.hardware.network.iter().any(|port| port.contains("id=empty")) {
            machine.unplug("empty")?;
        }
        Ok(machine)
    }

    /// Lets the stick install it.
    fn install(&self) -> Result<()> {
        let mut machine = self.start("installer", Some("stick"))?;
        machine.until(Some("Install to this box"))?;
        machine.picture("install", "menu.png")?;
        machine.until(Some("Writing"))?;
        machine.picture("install", "installer.png")?;
        machine.until(Some("This box is installed."))?;
        machine.until(None)?;
        let said = machine.said();
        ensure!(said.contains("starts from its own disk from now on"), "{said}");
        Ok(())
    }

    /// Switches it on with the stick still in, and waits until it is ready, from its
    /// own disk.
    fn becomes_ready(&self) -> Result<()> {
        let mut machine = self.start("installed", None)?;
        machine.until(Some("DRILL: over"))?;
        machine.picture("install", "installed.png")?;
        let said = machine.said();
        for words in ["DRILL: ready", "DRILL: site installing"] {
            ensure!(said.contains(words), "no {words}:\n{said}");
        }
        let told = |start: &str| said.lines().find(|line| line.contains(start)).unwrap_or_default();
        let (state, address) = (told("DRILL: state by"), told("DRILL: address on"));
        ensure!(state.contains(self.hardware.by), "another disk: {state}");
        ensure!(address.contains(self.hardware.driver), "another port: {address}");
        Ok(())
    }
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
    let it = Till::of(NVME)?;
    it.install()?;
    it.becomes_ready()?;

    let mut machine = it.start("again", Some("stick"))?;
    machine.until(Some("This box was installed already"))?;
    machine.picture("install", "again.png")?;
    machine.press(&["n", "o", "ret"])?;
    machine.until(Some("`no` is none of these; nothing was written."))?;
    drop(machine);

    let mut machine = it.start("reset", Some("disk"))?;
    machine.until(Some("Factory reset"))?;
    // After the system and try: a box that was well has no installer in its menu.
    machine.press(&["3", "ret"])?;
    machine.until(Some("All that this box keeps will be gone"))?;
    machine.picture("install", "resetting.png")?;
    machine.until(Some("Factory reset: done"))?;
    machine.until(Some("DRILL: answers"))?;
    machine.picture("install", "reset.png")
}

/// This firmware cannot start from a card, as some boxes' cannot: it starts the stick
/// again, which installs nothing a second time. That the card is whole is seen in a
/// reader, from which it can.
#[test]
fn a_box_with_an_sd_card_and_its_cable_in_the_second_port_installs_itself() -> Result<()> {
    if let Some(skipped) = may_not("a_box_with_an_sd_card") {
        return skipped;
    }
    let mut it = Till::of(Hardware {
        disk: &["sdhci-pci", "sd-card,drive=disk"],
        by: "/usb",
        bus: Some(DiskBus::Sd),
        network: &["rtl8139,id=empty,romfile=", "e1000e,netdev=segment,romfile="],
        driver: "/e1000e",
        stick: true,
    })?;
    it.install()?;
    (it.hardware.disk, it.hardware.stick) = (&["usb-storage,drive=disk,removable=on"], false);
    it.becomes_ready()
}

#[test]
fn a_box_with_a_sata_disk_and_an_old_network_card_installs_itself() -> Result<()> {
    if let Some(skipped) = may_not("a_box_with_a_sata_disk") {
        return skipped;
    }
    let it = Till::of(Hardware {
        disk: &["ide-hd,bus=ide.0,drive=disk,serial=drill"],
        by: "/ata",
        bus: None,
        network: &["rtl8139,netdev=segment,romfile="],
        driver: "/8139cp",
        stick: true,
    })?;
    it.install()?;
    it.becomes_ready()
}
