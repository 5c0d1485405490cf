//! `ashlar-install` from a stick that `ashlar flash --installer` wrote: both are
//! loop devices, and the firmware's variables are files.

use crate::loop_device::{Bench, LoopDevice, cannot};
use crate::small_image::{self, SITE};
use anyhow::{Context, Result, ensure};
use ashlar_tests::command::{built, run};
use ashlar_tests::skipped;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A room with a stick in it.
struct Room {
    bench: Bench,
    stick: LoopDevice,
    site: String,
    efivars: PathBuf,
}

impl Room {
    /// The site says this about installing.
    fn new(rules: &str) -> Result<Self> {
        let bench = Bench::new()?;
        let site = format!("{SITE}\n[install]\n{rules}\n");
        std::fs::write(&bench.site, &site)?;
        let stick = LoopDevice::new(&bench.place("stick.img"), 32 << 30, &[])?;
        let said = bench.flash(&stick.path)?.arg("--yes").arg("--installer").succeeds()?.json()?;
        ensure!(said["installer"] == true, "{said}");
        let efivars = bench.place("efivars");
        std::fs::create_dir(&efivars)?;
        Ok(Self { bench, stick, site, efivars })
    }

    fn disk(&self, name: &str) -> Result<LoopDevice> {
        LoopDevice::new(&self.bench.place(name), crate::loop_device::LARGE, &[])
    }

    /// What the installer says, to whom somebody types; whether it succeeded.
    fn install(&self, disks: &[&LoopDevice], typed: &str) -> Result<(bool, String)> {
        let mut command = Command::new(built("ashlar-install")?);
        command.arg("--medium").arg(&self.stick.path).arg("--efivars").arg(&self.efivars);
        for disk in disks {
            command.arg("--disk").arg(&disk.path);
        }
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        child.stdin.take().context("its input")?.write_all(typed.as_bytes())?;
        let output = child.wait_with_output()?;
        let said = [output.stdout, output.stderr].concat();
        Ok((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
    }

    /// Its entries are gone.
    fn firmware_forgets(&self) -> Result<()> {
        std::fs::remove_dir_all(&self.efivars)?;
        Ok(std::fs::create_dir(&self.efivars)?)
    }

    /// A disk is a whole box: it starts by itself, with the site.
    fn is_installed(&self, disk: &LoopDevice) -> Result<()> {
        let file = File::open(&disk.path)?;
        ensure!(small_image::seed(&file).1 == self.site, "another site");
        let menu = small_image::menu(&file);
        ensure!(!menu.contains("default ashlar-install"), "it would install itself: {menu}");
        gpt::GptConfig::new().only_valid_headers(true).open(&disk.path)?;
        Ok(())
    }
}

fn name(disk: &LoopDevice) -> Result<&str> {
    disk.path.file_name().and_then(|name| name.to_str()).context("a name")
}

fn order(efivars: &Path) -> Result<Vec<u8>> {
    Ok(std::fs::read(efivars.join("BootOrder-8be4df61-93ca-11d2-aa0d-00e098032b8c"))?)
}

#[test]
fn one_stick_installs_one_box_after_the_other_and_keeps_the_site() -> Result<()> {
    if let Some(why) = cannot() {
        return skipped("one_stick_installs_one_box_after_the_other_and_keeps_the_site", why);
    }
    let mut room = Room::new("unattended = true\nallow-foreign = false")?;
    let before = room.stick.start()?;
    for number in ["one.img", "two.img"] {
        let disk = room.disk(number)?;
        let (done, said) = room.install(&[&room.stick, &disk], "")?;
        ensure!(done && said.contains("This box is installed."), "{said}");
        ensure!(said.contains("Reading back: 100 %"), "{said}");
        room.is_installed(&disk)?;
        ensure!(order(&room.efivars)?[4..] == [0, 0], "the firmware starts from something else");
        // Another box has firmware of its own.
        room.efivars = room.bench.place(&format!("efivars-{number}"));
        std::fs::create_dir(&room.efivars)?;
    }
    ensure!(room.stick.start()? == before, "the stick was written");
    ensure!(small_image::seed(&File::open(&room.stick.path)?).1 == room.site, "its site is gone");
    Ok(())
}

#[test]
fn what_is_on_a_disk_is_shown_and_lost_only_to_whoever_types_its_name() -> Result<()> {
    if let Some(why) = cannot() {
        return skipped("what_is_on_a_disk_is_shown_and_lost_only_to_whoever_types_its_name", why);
    }
    let room = Room::new("unattended = true")?;
    let disk = room.disk("full.img")?;
    run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&disk.path))?;
    let before = disk.start()?;
    for typed in ["", "yes\n\n", "sda\n"] {
        let (done, said) = room.install(&[&disk], typed)?;
        ensure!(!done && said.contains("ext4") && said.contains("will be lost"), "{said}");
        ensure!(disk.start()? == before, "{typed:?}: it was written all the same");
    }
    let (done, said) = room.install(&[&disk], &format!("no\n{}\n", name(&disk)?))?;
    ensure!(done && said.contains("`no` is none of these; nothing was written"), "{said}");
    room.is_installed(&disk)
}

#[test]
fn a_site_that_allows_it_overwrites_without_a_word_but_not_what_it_installed_itself() -> Result<()>
{
    if let Some(why) = cannot() {
        return skipped("a_site_that_allows_it_overwrites_without_a_word", why);
    }
    let room = Room::new("unattended = true\nallow-foreign = true")?;
    let disk = room.disk("full.img")?;
    run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&disk.path))?;
    let (done, said) = room.install(&[&disk], "")?;
    ensure!(done && !said.contains("will be lost"), "{said}");
    room.is_installed(&disk)?;
    // The stick stayed in, and the firmware prefers it.
    let before = disk.start()?;
    let (done, said) = room.install(&[&disk], "")?;
    ensure!(!done && said.contains("was installed already"), "{said}");
    // Some firmware forgets its entries, and prefers it still.
    room.firmware_forgets()?;
    let (done, said) = room.install(&[&disk], "")?;
    ensure!(!done && said.contains("was installed already"), "{said}");
    ensure!(disk.start()? == before, "it was installed again");
    Ok(())
}

#[test]
fn of_two_disks_that_would_do_the_named_one_is_written() -> Result<()> {
    if let Some(why) = cannot() {
        return skipped("of_two_disks_that_would_do_the_named_one_is_written", why);
    }
    let room = Room::new("unattended = true")?;
    let (a, b) = (room.disk("a.img")?, room.disk("b.img")?);
    let before = a.start()?;
    let typed = format!("both\n\n{}\n", name(&b)?);
    let (done, said) = room.install(&[&room.stick, &a, &b], &typed)?;
    ensure!(done && said.contains("`both` is none of these; nothing was written."), "{said}");
    // After a wrong answer and after none, they are shown again.
    ensure!(said.matches("Several disks").count() == 3, "{said}");
    room.is_installed(&b)?;
    ensure!(a.start()? == before, "the other one was written");
    Ok(())
}

#[test]
fn a_disk_that_stops_anywhere_does_not_start_and_is_installed_the_next_time() -> Result<()> {
    if let Some(why) = cannot() {
        return skipped("a_disk_that_stops_anywhere_does_not_start", why);
    }
    let room = Room::new("unattended = true")?;
    // A disk whose file finds no room any more stops as one without power does.
    let place = room.bench.place("room");
    std::fs::create_dir(&place)?;
    run(Command::new("mount").args(["-t", "tmpfs", "-o", "size=512k", "tmpfs"]).arg(&place))?;
    let tried = (|| {
        let disk = LoopDevice::new(&place.join("disk.img"), crate::loop_device::LARGE, &[])?;
        for size in ["512k", "2m", "6m", "8m"] {
            let bytes = format!("remount,size={size}");
            run(Command::new("mount").args(["-o", &bytes]).arg(&place))?;
            let (done, said) = room.install(&[&disk], "")?;
            ensure!(!done && said.contains("it does not start"), "{size}: {said}");
            let mut head = vec![0xFF; 1 << 20];
            File::open(&disk.path)?.read_exact_at(&mut head, 0)?;
            ensure!(head.iter().all(|byte| *byte == 0), "{size}: its first MiB is not empty");
        }
        run(Command::new("mount").args(["-o", "remount,size=1g"]).arg(&place))?;
        let (done, said) = room.install(&[&disk], "")?;
        ensure!(done && !said.contains("will be lost"), "{said}");
        room.is_installed(&disk)
    })();
    run(Command::new("umount").arg("--lazy").arg(&place))?;
    tried
}

#[test]
fn a_stick_that_became_a_box_or_lost_its_site_installs_nothing() -> Result<()> {
    if let Some(why) = cannot() {
        return skipped("a_stick_that_became_a_box_or_lost_its_site_installs_nothing", why);
    }
    let room = Room::new("unattended = true")?;
    let disk = room.disk("disk.img")?;
    let mut table = gpt::GptConfig::new().writable(true).open(&room.stick.path)?;
    let seed = table.partitions().values().find(|part| part.name == "seed");
    let seed = seed.context("a seed")?.first_lba * 512;
    File::options().write(true).open(&room.stick.path)?.write_all_at(&[0; 65_536], seed)?;
    let (done, said) = room.install(&[&disk], "")?;
    ensure!(!done && said.contains("no site is on the stick"), "{said}");
    table.add_partition("state", 4 << 20, gpt::partition_types::LINUX_FS, 0, None)?;
    table.write()?;
    let (done, said) = room.install(&[&disk], "")?;
    ensure!(!done && said.contains("a box has run from it"), "{said}");
    Ok(())
}
