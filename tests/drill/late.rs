//! A site that comes later than the image: `just drill late-site`. A disk that any
//! flasher wrote takes the site which a person's own computer copied onto its volume
//! `ASHLARSEED`. A box that was started without one says so on its screen, says what is
//! wrong with a stick that brings none it could use, and takes it from the next one that
//! is plugged in while it runs. Pictures are left in `out/drill-late-site`.

use anyhow::{Context, Result, ensure};
use ashlar_site::Site;
use ashlar_tests::console;
use ashlar_tests::image::Built;
use ashlar_tests::machine::{Machine, Setup, drive, telling};
use ashlar_tests::medium::{Volume, copied, sum};
use ashlar_tests::project::scratch;
use ashlar_tests::site;
use serde_json::json;
use std::path::Path;

const DISK: u64 = 16 << 30;
const STICK: u64 = 64 << 20;

/// What its screen says as long as it has no site.
const WITHOUT: &str = "no site yet: plug in a stick called ASHLARSEED with site.toml on it.";

/// Of a stick on which somebody mistyped the name,
const MISTYPED: &str = "on the stick that was plugged in cannot be used: site.toml:";

/// and of one whose file is called otherwise.
const MISNAMED: &str = "the stick that was plugged in has no file site.toml";

/// What it says once it was ready.
const READY: &str = "ashlarctl wait --timeout 1400 && echo DRILL: ready; \
    until grep -aqE \"All is well|It works\" /dev/vcs1; do sleep 1; done; \
    echo \"DRILL: $$(ashlarctl status --json | grep -o \"site.:.[a-z]*\" | head -n1)\"; \
    echo \"DRILL: boot $$(cat /proc/sys/kernel/random/boot_id)\"; ";

#[test]
fn a_disk_that_any_flasher_wrote_takes_the_site_that_a_person_copied_onto_it() -> Result<()> {
    let room = scratch("drill-late-site")?;
    let disk = room.path().join("disk.img");
    copied(&Built::metal()?.disk()?, &disk, DISK)?;
    written_elsewhere(&site::fresh("copied")?, room.path())?;
    let seed = Volume::seed(&disk)?;
    seed.put("site.toml")?;

    let unit = telling(&format!("{READY} echo DRILL: over"));
    let mut machine = Machine::start(
        room.path(),
        "copied",
        &Setup {
            drives: vec![drive("disk", &disk)],
            devices: vec![
                "nvme,drive=disk,serial=drill,bootindex=0".to_owned(),
                "virtio-net-pci,netdev=segment,romfile=".to_owned(),
            ],
            units: vec![("drill.service", &unit, "multi-user.target")],
            ..Setup::default()
        },
    )?;
    machine.until(Some("DRILL: over"))?;
    machine.picture("drill-late-site", "copied.png")?;
    let said = machine.said();
    is_ready_in(&said, "copied")?;
    drop(machine);
    ensure!(seed.is_zeros()?, "the site is still on the disk's volume ASHLARSEED");
    Ok(())
}

#[test]
fn a_box_without_a_site_takes_one_from_a_stick_that_is_plugged_in_and_does_not_restart()
-> Result<()> {
    let room = scratch("drill-late-site")?;
    let place = |name: &str| room.path().join(name);
    copied(&Built::metal()?.disk()?, &place("disk.img"), DISK)?;
    // One as sticks are sold, with somebody's photographs; another one without a table.
    let sticks = [
        ("bought", Volume::of_stick(&place("bought.img"), STICK, "ASHLARSEED")?),
        ("plain", Volume::all_of_stick(&place("plain.img"), STICK, "ASHLARSEED")?),
    ];
    let broken = [
        ("mistyped", Volume::of_stick(&place("mistyped.img"), STICK, "ASHLARSEED")?, "site.toml"),
        ("misnamed", Volume::of_stick(&place("misnamed.img"), STICK, "ASHLARSEED")?, "site.txt"),
    ];
    for (name, volume, file) in &broken {
        let text = written_elsewhere(&site::fresh(name)?, room.path())?;
        std::fs::write(place(file), text.replace("name = \"mistyped\"", "name = mistyped"))?;
        volume.put(file)?;
    }
    std::fs::write(place("IMG_0001.JPG"), [0xFF, 0xD8].repeat(100_000))?;
    for (name, volume) in &sticks {
        written_elsewhere(&site::fresh(name)?, room.path())?;
        volume.put("site.toml")?;
        volume.put("IMG_0001.JPG")?;
    }
    let sums = || sticks.iter().map(|(name, _)| sum(&place(&format!("{name}.img")))).collect();
    let before: Result<Vec<String>> = sums();

    let shows = "see() { until grep -aqF \"$$1\" /dev/vcs1; do sleep 1; done; }; ";
    let unit = telling(&format!(
        "{shows} ashlarctl wait --answering --timeout 1400; see \"{WITHOUT}\"; \
         echo \"DRILL: boot $$(cat /proc/sys/kernel/random/boot_id)\"; echo DRILL: without; \
         see \"{MISTYPED}\"; echo DRILL: mistyped; see \"{MISNAMED}\"; echo DRILL: misnamed; \
         {READY} echo DRILL: taken; \
         until journalctl -b -u \"ashlar-seed@sd?.service\" -o cat | \
         grep -q \"this node has its own\"; do sleep 1; done; \
         {READY} echo DRILL: over"
    ));
    let mut machine = Machine::start(
        room.path(),
        "without",
        &Setup {
            drives: ["disk", "bought", "plain", "mistyped", "misnamed"]
                .map(|name| drive(name, &place(&format!("{name}.img"))))
                .into(),
            devices: vec![
                "virtio-blk-pci,drive=disk,bootindex=0".to_owned(),
                "virtio-net-pci,netdev=segment,romfile=".to_owned(),
            ],
            units: vec![("drill.service", &unit, "multi-user.target")],
            ..Setup::default()
        },
    )?;
    machine.until(Some("DRILL: without"))?;
    machine.picture("drill-late-site", "without.png")?;
    for (name, ..) in &broken {
        machine.plug(json!({ "driver": "usb-storage", "drive": name, "id": name }))?;
        machine.until(Some(&format!("DRILL: {name}")))?;
        machine.picture("drill-late-site", &format!("{name}.png"))?;
        machine.pull(name)?;
    }
    machine.plug(json!({ "driver": "usb-storage", "drive": "bought", "id": "bought" }))?;
    machine.until(Some("DRILL: taken"))?;
    machine.picture("drill-late-site", "taken.png")?;
    is_ready_in(&machine.said(), "bought")?;
    // A box keeps its site for life.
    machine.plug(json!({ "driver": "usb-storage", "drive": "plain", "id": "plain" }))?;
    machine.until(Some("DRILL: over"))?;
    let said = machine.said();
    is_ready_in(&said, "bought")?;
    ensure!(!said.contains("DRILL: site\":\"plain"), "it took another site:\n{said}");
    let mut boots: Vec<&str> =
        said.lines().filter_map(|line| line.split("DRILL: boot ").nth(1)).collect();
    ensure!(boots.len() == 3, "{said}");
    boots.dedup();
    ensure!(boots.len() == 1, "it restarted: {boots:?}");
    drop(machine);
    ensure!(sums()? == before?, "it wrote on a stick");
    Ok(())
}

/// `site.toml` with the ends of lines that an editor of Windows writes.
fn written_elsewhere(site: &Site, directory: &Path) -> Result<String> {
    let path = site::write(site, directory)?;
    let text = std::fs::read_to_string(&path)?.replace('\n', "\r\n");
    std::fs::write(&path, &text).with_context(|| path.display().to_string())?;
    Ok(text)
}

fn is_ready_in(said: &str, site: &str) -> Result<()> {
    for words in ["DRILL: ready", &format!("DRILL: site\":\"{site}")] {
        ensure!(said.contains(words), "no {words}:\n{said}");
    }
    let mut trouble = console::trouble(said);
    // That of the mistyped site.
    trouble.retain(|line| !line.contains("ashlar-seed@"));
    ensure!(trouble.is_empty(), "its console tells of trouble:\n{}", trouble.join("\n"));
    Ok(())
}
