//! A box with an installer's stick of one site in a USB port, whose own disk holds
//! another site's system.

use crate::command::Ashlar;
use crate::console;
use crate::loop_device::LoopDevice;
use crate::machine::{Machine, Setup, drive, telling};
use crate::medium::{Volume, sum};
use crate::project::scratch;
use crate::site;
use anyhow::{Context, Result, ensure};
use ashlar_site::{DiskBus, InstallRules, Site};
use serde_json::json;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const STICK: u64 = 8 << 30;
const DISK: u64 = 16 << 30;
const RESET: u64 = 16 << 20;

/// The site that the stick carries.
const OURS: &str = "installing";

/// What the box says, on its serial console. The journal would keep it from there.
const TELL: &str = "ashlarctl wait --answering --timeout 1400; echo DRILL: answers; \
    echo \"DRILL: at first $$(ashlarctl status --json | grep -o \"site.:.[a-z]*\" | head -n1), \
    /var on $$(findmnt -no FSTYPE /var), /data on $$(findmnt -no FSTYPE /data), \
    $$(ashlarctl status | grep -o \"this box is only tried\")\"; \
    ashlarctl wait --timeout 1400 && echo DRILL: ready; \
    p=$$(findmnt -no SOURCE /var); \
    echo \"DRILL: state by $$(readlink /sys/class/block/$${p##*/})\"; \
    p=$$(sed -n s/^Name=//p /run/systemd/network/20-ashlar-cluster.network); \
    echo \"DRILL: address on $$(readlink /sys/class/net/$$p/device/driver)\"; \
    echo \"DRILL: site $$(ashlarctl status --json | grep -o installing | head -n1)\"; \
    echo \"DRILL: name $$(cat /proc/sys/kernel/hostname)\"; \
    echo DRILL: over; ";

/// From then on: beside which others it is ready, whenever that changes, until a stick
/// is plugged in that tells it to reset itself.
const GO_ON: &str = "until [ -e /dev/disk/by-label/RESET ]; do \
    now=$$(ashlarctl status >/run/drill && ashlarctl members | while read -r mark name at is rest; \
    do [ \"$$is$$rest\" != alive ] || echo $$name; done); \
    [ \"$$now\" = \"$$before\" ] || for name in $$now; do echo DRILL: ready beside $$name.; done; \
    before=$$now; sleep 10; done; \
    echo DRILL: resets; ashlarctl reset factory --keep-site --json --yes || { \
    echo DRILL: by its name; ashlarctl reset factory --keep-site --json \
    --name $$(cat /proc/sys/kernel/hostname); }";

/// A kind of box.
#[derive(Debug)]
pub struct Hardware {
    /// Its disk, which is the drive `disk`, with what it hangs on.
    pub disk: &'static [&'static str],
    /// On the way to its partitions, as the kernel has it.
    pub by: &'static str,
    /// How an installer is told to take it, where it takes none of that kind by itself.
    pub bus: Option<DiskBus>,
    /// Its ports; the one with the cable is at `segment`, one without is called `empty`.
    pub network: &'static [&'static str],
    /// What drives the port with the cable, where a cluster gives it an address.
    pub driver: Option<&'static str>,
    /// The stick is in it.
    pub stick: bool,
}

/// With a disk on NVMe.
pub const NVME: Hardware = Hardware {
    disk: &["nvme,drive=disk,serial=drill"],
    by: "/nvme/",
    bus: None,
    network: &["virtio-net-pci,netdev=segment,romfile="],
    driver: Some("virtio_net"),
    stick: true,
};

/// The box, its stick and its disk.
#[derive(Debug)]
pub struct Till {
    /// What it is made of.
    pub hardware: Hardware,
    pictures: &'static str,
    room: TempDir,
}

impl Till {
    /// With systems of this image, and a stick that installs without a keystroke;
    /// pictures of it go to `out/<pictures>`.
    ///
    /// # Errors
    /// When stick and disk cannot be flashed, for which it takes root.
    pub fn of(image: &Path, hardware: Hardware, pictures: &'static str) -> Result<Self> {
        let bus = hardware.bus.into_iter().collect();
        let rules =
            InstallRules { unattended: true, allow_foreign: true, bus, ..Default::default() };
        Self::of_site(image, hardware, pictures, &ours(1, rules)?)
    }

    /// The same with a stick of this site.
    ///
    /// # Errors
    /// As [`Till::of`].
    pub fn of_site(
        image: &Path,
        hardware: Hardware,
        pictures: &'static str,
        site: &Site,
    ) -> Result<Self> {
        let till = Self::empty(hardware, pictures)?;
        let (room, other) = (till.room.path(), till.room.path().join("other.toml"));
        site::fresh("elsewhere")?.save(&other)?;
        flash(image, &other, &room.join("disk.img"), &[])?;
        installer(image, site, room)?;
        Ok(till)
    }

    /// Another box, with nothing on its disk and the same stick.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn beside(&self, hardware: Hardware) -> Result<Self> {
        let till = Self::empty(hardware, self.pictures)?;
        let stick = |of: &Self| of.room.path().join("stick.img");
        // The same bytes by another name: a machine sees its own directory alone.
        std::fs::hard_link(stick(self), stick(&till))?;
        Ok(till)
    }

    fn empty(hardware: Hardware, pictures: &'static str) -> Result<Self> {
        let room = scratch("till")?;
        File::create(room.path().join("disk.img"))?.set_len(DISK)?;
        Volume::all_of_stick(&room.path().join("reset.img"), RESET, "RESET")?;
        Ok(Self { hardware, pictures, room })
    }

    /// Switches it on. `first` is the drive that a person chooses in the firmware's
    /// menu, after which this firmware forgets every entry; by itself it starts what
    /// it was told.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(&self, name: &str, first: Option<&str>) -> Result<Machine> {
        let stick = self.hardware.stick.then_some(&"usb-storage,drive=stick,removable=on");
        let all = stick.into_iter().chain(self.hardware.disk).chain(self.hardware.network);
        let chosen =
            |device: &str| first.is_some_and(|first| device.contains(&format!("drive={first}")));
        let devices = all
            .map(|device| format!("{device}{}", if chosen(device) { ",bootindex=0" } else { "" }))
            .collect();
        let unit = telling(&format!("{TELL}{GO_ON}"));
        let drives = self.hardware.stick.then_some("stick").into_iter().chain(["disk", "reset"]);
        let setup = Setup {
            drives: drives
                .map(|name| drive(name, &self.room.path().join(format!("{name}.img"))))
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
    ///
    /// # Errors
    /// When it does not, or writes onto the stick.
    pub fn install(&self) -> Result<()> {
        let before = self.start_of_stick()?;
        let mut machine = self.start("installer", Some("stick"))?;
        machine.until(Some("Install to this box"))?;
        self.picture(&machine, "menu.png")?;
        machine.until(Some("Writing"))?;
        self.picture(&machine, "installer.png")?;
        machine.until(Some("This box is installed."))?;
        machine.until(None)?;
        let said = machine.said();
        ensure!(said.contains("starts from its own disk from now on"), "{said}");
        ensure!(self.start_of_stick()? == before, "it became this box's own stick");
        Ok(())
    }

    /// Switches it on with the stick still in, and waits until it is ready, from its
    /// own disk. Gives its name, which no stick carries.
    ///
    /// # Errors
    /// When it is not.
    pub fn becomes_ready(&self) -> Result<String> {
        self.is_ready(&mut self.start("installed", None)?)
    }

    /// The same of one that was switched on.
    ///
    /// # Errors
    /// When it is not.
    pub fn is_ready(&self, machine: &mut Machine) -> Result<String> {
        machine.until(Some("DRILL: over"))?;
        self.picture(machine, "installed.png")?;
        let said = machine.said();
        for words in ["DRILL: ready", &format!("DRILL: site {OURS}")] {
            ensure!(said.contains(words), "no {words}:\n{said}");
        }
        let told = |start: &str| said.lines().find(|line| line.contains(start)).unwrap_or_default();
        let (state, address) = (told("DRILL: state by"), told("DRILL: address on"));
        ensure!(state.contains(self.hardware.by), "another disk: {state}");
        let driver = self.hardware.driver.unwrap_or_default();
        ensure!(address.contains(driver), "another port: {address}");
        let name = told("DRILL: name").split("DRILL: name ").nth(1).context("no name")?.trim();
        ensure!(name.starts_with("ashlar-"), "no identity of its own: {name}");
        let trouble = console::trouble(&said);
        ensure!(trouble.is_empty(), "its console tells of trouble:\n{}", trouble.join("\n"));
        Ok(name.to_owned())
    }

    /// Has it reset itself with its site, and gives how long that takes from the command
    /// to the reboot, at which it goes off.
    ///
    /// # Errors
    /// When it does not.
    pub fn resets(&self, machine: &mut Machine) -> Result<Duration> {
        machine.plug(json!({ "driver": "usb-storage", "drive": "reset", "id": "reset" }))?;
        machine.until(Some("DRILL: resets"))?;
        let begun = Instant::now();
        machine.until(None)?;
        Ok(begun.elapsed())
    }

    /// What is on its disk and on its stick, in short.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn sums(&self) -> Result<[String; 2]> {
        let sum = |name| sum(&self.room.path().join(name));
        Ok([sum("disk.img")?, sum("stick.img")?])
    }

    /// Keeps a picture of its screen.
    ///
    /// # Errors
    /// When there is none.
    pub fn picture(&self, machine: &Machine, name: &str) -> Result<()> {
        machine.picture(self.pictures, name)
    }

    /// Its table, to which the first boot of a box adds.
    fn start_of_stick(&self) -> Result<Vec<u8>> {
        let mut start = vec![0; 1 << 20];
        File::open(self.room.path().join("stick.img"))?.read_exact_at(&mut start, 0)?;
        Ok(start)
    }
}

/// The site that a stick carries: of so many boxes, with these rules of installing.
///
/// # Errors
/// When the system gives no random numbers.
pub fn ours(boxes: u8, rules: InstallRules) -> Result<Site> {
    Ok(Site { install: Some(rules), ..site::expecting(boxes, OURS)? })
}

/// An installer's stick of this site: `stick.img` in `directory`.
///
/// # Errors
/// When it cannot be flashed, for which it takes root.
pub fn installer(image: &Path, site: &Site, directory: &Path) -> Result<()> {
    let (text, stick) = (directory.join("ours.toml"), directory.join("stick.img"));
    site.save(&text)?;
    File::create(&stick)?.set_len(STICK)?;
    flash(image, &text, &stick, &["--installer"])
}

/// `ashlar flash` onto a file, which is a loop device for as long as that takes.
fn flash(image: &Path, site: &Path, onto: &Path, more: &[&str]) -> Result<()> {
    let device = LoopDevice::new(onto, onto.metadata()?.len(), &[])?;
    let flash = Ashlar::new(["flash"])?.arg(&device.path).arg("--yes");
    flash.arg("--image").arg(image).arg("--site").arg(site).args(more).succeeds().map(drop)
}
