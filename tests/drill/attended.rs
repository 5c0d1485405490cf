//! An installer that somebody stands at: `just drill attended`. The site of the stick
//! does not say that it installs by itself, so the menu waits; the installer asks on
//! the screen. Each question is answered wrongly once, by which nothing is written; a
//! disk with something on it is taken when its name is typed; the box restarts when the
//! stick is pulled, and is ready. Pictures are left in `out/drill-attended`.

use anyhow::{Context, Result, ensure};
use ashlar_machine::{Deadline, Tools};
use ashlar_site::Site;
use ashlar_tests::command::run;
use ashlar_tests::image::Built;
use ashlar_tests::machine::{Machine, Setup, drive, telling};
use ashlar_tests::medium::sum;
use ashlar_tests::project::{scratch, tools_root};
use ashlar_tests::till::installer;
use ashlar_tests::{site, skipped};
use serde_json::json;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

/// Too small for a first boot.
const SMALL: u64 = 4 << 30;
const DISK: u64 = 16 << 30;

/// For a disk that was plugged in or pulled to be noticed.
const PATIENCE: Duration = Duration::from_secs(300);

const FOREIGN: &str = "Something is on the disk of this box:";
const SEVERAL: &str = "Several disks could be installed onto:";

#[test]
fn whoever_stands_at_an_installer_loses_nothing_by_a_wrong_answer() -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        return skipped("whoever_stands_at_an_installer", "loop devices need root");
    }
    let room = scratch("drill-attended")?;
    let place = |name: &str| room.path().join(format!("{name}.img"));
    let ours = Site { expect: Some(1), ..site::fresh("attended")? };
    installer(&Built::metal()?.disk()?, &ours, room.path())?;
    for (name, size) in [("small", SMALL), ("disk", DISK), ("other", DISK)] {
        File::create_new(place(name))?.set_len(size)?;
    }
    let mut format = Tools::Root(tools_root()?).command("mkfs.ext4", &[room.path()], &[]);
    run(format.args(["-q", "-F", "-L", "takings"]).arg(place("disk")))?;
    let sums = || ["stick", "small", "disk", "other"].map(|name| sum(&place(name)).ok());
    let before = sums();

    let mut machine = installing(room.path())?;
    machine.until(Some("Install to this box"))?;
    let mut it = Person { machine: &mut machine, pictures: 0 };
    it.sees("menu")?;
    // No entry has this key. What starts by itself would have, by then.
    it.machine.press(&["x"])?;
    it.machine.press(&["2", "ret"])?;

    it.machine.until(Some("No disk of this box can be installed onto:"))?;
    it.sees("none")?;
    it.answers_wrongly("help")?;
    ensure!(sums() == before, "something was written");

    it.machine.plug(json!(
        { "driver": "nvme", "drive": "disk", "id": "disk", "serial": "drill", "bus": "bay1" }
    ))?;
    it.machine.until(Some(FOREIGN))?;
    it.sees("foreign")?;
    it.answers_wrongly("yes")?;
    it.sees("wrong")?;
    ensure!(sums() == before, "something was written");

    it.machine.plug(json!(
        { "driver": "virtio-blk-pci", "drive": "other", "id": "other", "bus": "bay2" }
    ))?;
    it.looks_until(SEVERAL, FOREIGN)?;
    it.sees("several")?;
    it.answers_wrongly("1")?;
    ensure!(sums() == before, "something was written");

    it.machine.pull("other")?;
    it.looks_until(FOREIGN, SEVERAL)?;
    it.machine.types("nvme0n1")?;
    it.machine.until(Some("Writing"))?;
    it.sees("writing")?;
    it.machine.until(Some("Pull the stick: the box restarts when it is out."))?;
    // Only Enter is an answer.
    it.machine.press(&["x"])?;
    it.sees("pull")?;
    it.machine.pull("stick")?;
    it.machine.until(None)?;
    drop(machine);
    let now = sums();
    ensure!(now[..2] == before[..2] && now[3] == before[3], "it wrote onto another disk");

    let mut machine = installed(room.path())?;
    machine.until(Some("DRILL: ready"))?;
    machine.picture("drill-attended", "ready.png")
}

/// The box with the stick in it, and two bays without a disk.
fn installing(room: &Path) -> Result<Machine> {
    Machine::start(
        room,
        "installing",
        &Setup {
            drives: ["stick", "small", "disk", "other"]
                .map(|name| drive(name, &room.join(format!("{name}.img"))))
                .into(),
            devices: vec![
                "usb-storage,drive=stick,removable=on,id=stick,bootindex=0".to_owned(),
                "ide-hd,bus=ide.0,drive=small,serial=small".to_owned(),
                "pcie-root-port,id=bay1,chassis=1".to_owned(),
                "pcie-root-port,id=bay2,chassis=2".to_owned(),
                "virtio-net-pci,netdev=segment,romfile=".to_owned(),
            ],
            ..Setup::default()
        },
    )
}

/// Without it.
fn installed(room: &Path) -> Result<Machine> {
    let unit = telling("ashlarctl wait --timeout 1400 && echo DRILL: ready");
    Machine::start(
        room,
        "installed",
        &Setup {
            drives: ["small", "disk"]
                .map(|name| drive(name, &room.join(format!("{name}.img"))))
                .into(),
            devices: vec![
                "ide-hd,bus=ide.0,drive=small,serial=small".to_owned(),
                "nvme,drive=disk,serial=drill".to_owned(),
                "virtio-net-pci,netdev=segment,romfile=".to_owned(),
            ],
            units: vec![("drill.service", &unit, "multi-user.target")],
            ..Setup::default()
        },
    )
}

/// Who stands at it.
struct Person<'a> {
    machine: &'a mut Machine,
    pictures: usize,
}

impl Person<'_> {
    fn sees(&mut self, what: &str) -> Result<()> {
        self.pictures += 1;
        self.machine.picture("drill-attended", &format!("{}-{what}.png", self.pictures))
    }

    fn answers_wrongly(&mut self, answer: &str) -> Result<()> {
        self.machine.types(answer)?;
        let words = format!("`{answer}` is none of these; nothing was written.");
        self.machine.until(Some(&words))
    }

    /// Presses Enter until the screen asks this, and no more the other.
    fn looks_until(&mut self, question: &str, before: &str) -> Result<()> {
        let deadline = Deadline::within(PATIENCE);
        let asked = deadline.poll(Duration::from_secs(5), || -> Result<Option<()>> {
            let said = self.machine.said();
            if said.rfind(question) > said.rfind(before) {
                return Ok(Some(()));
            }
            self.machine.press(&["ret"]).map(|()| None)
        })?;
        asked.with_context(|| format!("no {question:?} in time:\n{}", self.machine.said()))
    }
}
