//! A data partition that does not mount: what the box's own program makes of it, with
//! the kernel's XFS and xfs_repair.

use anyhow::{Context, Result, ensure};
use ashlar_tests::command::{run, workspace};
use ashlar_tests::loop_device::LoopDevice;
use ashlar_tests::skipped;
use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Large enough for four allocation groups of mkfs.xfs.
const SIZE: u64 = 640 << 20;
const KEPT: &str = "kept by the cluster";

/// Why nothing can be shown here, if so.
fn cannot() -> Option<&'static str> {
    let there = |program: &str| Path::new("/usr/sbin").join(program).exists();
    let kernel = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if let Some(why) = crate::loop_device::cannot() {
        return Some(why);
    }
    if !["mkfs.xfs", "xfs_repair", "xfs_db", "xfs_io"].into_iter().all(there) {
        return Some("xfsprogs is not here");
    }
    (!kernel.contains("\txfs\n")).then_some("the kernel has no XFS")
}

/// A box as far as its data partition goes: it was in use, and its power failed.
struct Machine {
    directory: TempDir,
    disk: LoopDevice,
}

impl Machine {
    fn new() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let disk = LoopDevice::new(&directory.path().join("disk.img"), SIZE, &[])?;
        let machine = Self { directory, disk };
        for name in ["bin", "dev/ashlar", "run/ashlar", "var/lib/ashlar", "data"] {
            fs::create_dir_all(machine.at(name))?;
        }
        symlink(&machine.disk.path, machine.at("dev/ashlar/data"))?;
        run(Command::new("mkfs.xfs").arg("-q").arg(&machine.disk.path))?;
        machine.mounted(|data| {
            fs::create_dir_all(data.join("bricks"))?;
            fs::write(data.join("bricks/old"), KEPT)?;
            run(Command::new("sync").arg("-f").arg(data)).map(drop)
        })?;
        machine.tool("systemctl", "echo \"$*\" >>$top/started")?;
        // The note must be there before anything is changed.
        machine.tool(
            "xfs_repair",
            "cp $top/var/lib/ashlar/data-repaired.json $top/before\n\
             echo \"$*\" >>$top/repairs\nexec /usr/sbin/xfs_repair \"$@\"",
        )?;
        Ok(machine)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap_or_default()
    }

    fn tool(&self, name: &str, script: &str) -> Result<()> {
        let path = self.at("bin").join(name);
        let top = self.directory.path().display();
        fs::write(&path, format!("#!/bin/sh\ntop={top}\n{script}\n"))?;
        Ok(fs::set_permissions(path, Permissions::from_mode(0o755))?)
    }

    /// Does something to its files.
    fn mounted(&self, with: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let data = self.at("data");
        run(Command::new("mount").args(["-t", "xfs"]).args([&self.disk.path, &data]))?;
        let done = with(&data);
        run(Command::new("umount").arg(&data))?;
        done
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let disk = OpenOptions::new().write(true).open(&self.disk.path)?;
        disk.write_all_at(bytes, offset)?;
        Ok(disk.sync_all()?)
    }

    fn zero(&self, length: u64) -> Result<()> {
        const PIECE: usize = 32 << 20;
        (0..length).step_by(PIECE).try_for_each(|start| self.write(start, &vec![0; PIECE]))
    }

    /// As its unit runs it.
    fn program(&self, how: &str) -> Result<bool> {
        let path = format!("{}:/usr/bin:/bin", self.at("bin").display());
        let program = workspace().join("overlays/base/usr/lib/ashlar/mend-data");
        let mut command = Command::new("/bin/sh");
        command.arg(program).arg(how).arg(self.directory.path()).env("PATH", path);
        let output = command.output()?;
        println!("{}", String::from_utf8_lossy(&output.stdout));
        println!("{}", String::from_utf8_lossy(&output.stderr));
        Ok(output.status.success())
    }

    fn repair(&self) -> Result<()> {
        ensure!(self.program("repair")?, "it failed");
        Ok(())
    }

    /// It mounts, and systemd was told so.
    fn is_handed_over(&self) -> Result<()> {
        ensure!(!self.at("run/ashlar/data.json").exists(), "{}", self.text("run/ashlar/data.json"));
        ensure!(self.text("started") == "start data.mount\n", "{}", self.text("started"));
        self.mounted(|_| Ok(()))
    }

    /// What the agent reads of it.
    fn stands(&self, word: &str) -> Result<String> {
        let text = self.text("run/ashlar/data.json");
        let told: serde_json::Value =
            serde_json::from_str(&text).with_context(|| format!("it said {text:?}"))?;
        ensure!(told["version"] == 1 && told["standing"] == word, "{text}");
        ensure!(!self.at("started").exists(), "it was handed over all the same");
        Ok(told["why"].as_str().context("no reason")?.to_owned())
    }

    /// What it noted of a repair: whether the log was dropped.
    fn noted(&self) -> Result<bool> {
        let note: serde_json::Value =
            serde_json::from_str(&self.text("var/lib/ashlar/data-repaired.json"))?;
        ensure!(note["version"] == 1 && note["at"].as_u64() > Some(0), "{note}");
        ensure!(note["torn"].is_u64(), "{note}");
        let before: serde_json::Value = serde_json::from_str(&self.text("before"))?;
        ensure!(before["version"] == 1, "the repair began without a note: {before}");
        note["log_dropped"].as_bool().context("no log")
    }

    fn has_what_it_kept(&self) -> Result<()> {
        self.mounted(|data| {
            ensure!(fs::read_to_string(data.join("bricks/old"))? == KEPT, "another text");
            Ok(())
        })
    }

    /// Where its log begins, in bytes.
    fn log(&self) -> Result<u64> {
        let asked = |words: &str| {
            let mut xfs_db = Command::new("xfs_db");
            run(xfs_db.args(["-r", "-c", "sb 0", "-c", words]).arg(&self.disk.path))
        };
        let start = asked("print logstart")?;
        let start = start.trim().rsplit(' ').next().context("no log")?.to_owned();
        let sector = asked(&format!("convert fsblock {start} daddr"))?;
        let sector = sector.split(['(', ')']).nth(1).context("no sector")?.parse::<u64>()?;
        Ok(sector * 512)
    }
}

/// Garbage, and always the same.
fn garbage(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 31 + n / 251) as u8 | 1).collect()
}

#[test]
fn a_partition_that_mounts_after_all_is_mounted_and_nothing_is_noted() -> Result<()> {
    if let Some(why) = cannot() {
        return skipped("a_partition_that_mounts_after_all_is_mounted_and_nothing_is_noted", why);
    }
    let machine = Machine::new()?;
    machine.repair()?;
    machine.is_handed_over()?;
    ensure!(
        !machine.at("repairs").exists()
            && !machine.at("var/lib/ashlar/data-repaired.json").exists()
    );
    machine.has_what_it_kept()
}

#[test]
fn a_file_system_without_its_first_superblock_or_with_garbage_beside_it_is_repaired() -> Result<()>
{
    const NAME: &str =
        "a_file_system_without_its_first_superblock_or_with_garbage_beside_it_is_repaired";
    if let Some(why) = cannot() {
        return skipped(NAME, why);
    }
    for (offset, bytes) in [(0, vec![0; 4096]), (512, garbage(1536))] {
        let machine = Machine::new()?;
        machine.write(offset, &bytes)?;
        machine.repair()?;
        machine.is_handed_over()?;
        ensure!(!machine.noted()?, "no log had to be dropped");
        machine.has_what_it_kept()?;
    }
    Ok(())
}

#[test]
fn a_log_that_cannot_be_replayed_is_dropped_and_that_is_noted() -> Result<()> {
    if let Some(why) = cannot() {
        return skipped("a_log_that_cannot_be_replayed_is_dropped_and_that_is_noted", why);
    }
    let machine = Machine::new()?;
    let log = machine.log()?;
    // Power fails while files are written, and more of the log is broken than what was
    // under way just then: the kernel does without that by itself.
    machine.mounted(|data| {
        for n in 0..40 {
            fs::write(data.join(format!("new-{n}")), "new")?;
            run(Command::new("sync").arg("-f").arg(data))?;
        }
        run(Command::new("xfs_io").args(["-x", "-c", "shutdown -f"]).arg(data)).map(drop)
    })?;
    for sector in (2..3000).step_by(7) {
        machine.write(log + sector * 512, &garbage(512))?;
    }
    machine.repair()?;
    machine.is_handed_over()?;
    ensure!(machine.noted()?, "the log was dropped");
    machine.has_what_it_kept()
}

#[test]
fn a_file_system_that_is_gone_is_called_gone_once_and_made_anew_only_when_told() -> Result<()> {
    const NAME: &str =
        "a_file_system_that_is_gone_is_called_gone_once_and_made_anew_only_when_told";
    if let Some(why) = cannot() {
        return skipped(NAME, why);
    }
    let machine = Machine::new()?;
    ensure!(!machine.program("remake")?, "nobody said that it is gone");
    machine.has_what_it_kept()?;
    machine.zero(SIZE)?;
    machine.repair()?;
    let why = machine.stands("gone")?;
    ensure!(why.starts_with("xfs_repair: ") && !why.contains(".."), "{why}");
    ensure!(machine.noted().is_ok(), "what was tried stays noted");
    // Every unit that wants it tries again.
    let repairs = machine.text("repairs");
    machine.repair()?;
    ensure!(machine.text("repairs") == repairs, "it was scanned again");

    ensure!(machine.program("remake")?);
    machine.is_handed_over()?;
    machine.mounted(|data| {
        ensure!(fs::read_dir(data)?.next().is_none(), "it is not new");
        Ok(())
    })?;
    ensure!(!machine.at("var/lib/ashlar/data-repaired.json").exists(), "nothing is in doubt");
    Ok(())
}

#[test]
fn a_file_system_whose_first_64_mib_were_emptied_comes_back_in_doubt_or_is_gone() -> Result<()> {
    const NAME: &str =
        "a_file_system_whose_first_64_mib_were_emptied_comes_back_in_doubt_or_is_gone";
    if let Some(why) = cannot() {
        return skipped(NAME, why);
    }
    let machine = Machine::new()?;
    machine.zero(64 << 20)?;
    machine.repair()?;
    machine.noted()?;
    // As the version of xfs_repair goes.
    machine.stands("gone").map(drop).or_else(|_| machine.is_handed_over())
}

#[test]
fn a_disk_that_cannot_be_read_or_holds_something_else_is_left_as_it_is() -> Result<()> {
    if let Some(why) = cannot() {
        return skipped("a_disk_that_cannot_be_read_or_holds_something_else_is_left_as_it_is", why);
    }
    let file = |machine: &Machine| OpenOptions::new().write(true).open(machine.at("disk.img"));
    // The first superblock is there, or all of it but for the last 64 MiB.
    for length in [64 << 10, SIZE - (64 << 20)] {
        let machine = Machine::new()?;
        machine.write(0, &[0; 4])?;
        file(&machine)?.set_len(length)?;
        run(Command::new("blockdev").arg("--flushbufs").arg(&machine.disk.path))?;
        let before = start(&machine, 32 << 10)?;
        machine.repair()?;
        let why = machine.stands("failing")?;
        ensure!(why.contains("disk or its cable") || why.contains("cannot be read"), "{why}");
        ensure!(!machine.program("remake")?, "it was made anew");
        ensure!(start(&machine, 32 << 10)? == before, "it was written");
        ensure!(!machine.at("repairs").exists(), "it was repaired");
    }
    let machine = Machine::new()?;
    machine.write(0, &vec![0; 1 << 20])?;
    run(Command::new("mkfs.ext4").arg("-qF").arg(&machine.disk.path))?;
    let before = start(&machine, 4 << 20)?;
    machine.repair()?;
    ensure!(machine.stands("foreign")?.ends_with("ext4"));
    ensure!(!machine.program("remake")? && start(&machine, 4 << 20)? == before);

    let machine = Machine::new()?;
    fs::remove_file(machine.at("dev/ashlar/data"))?;
    machine.repair()?;
    machine.stands("absent")?;
    // It comes back, and is looked at.
    symlink(&machine.disk.path, machine.at("dev/ashlar/data"))?;
    machine.repair()?;
    machine.is_handed_over()
}

fn start(machine: &Machine, length: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    File::open(machine.at("disk.img"))?.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

#[test]
fn a_file_system_with_which_nothing_was_wrong_is_in_no_doubt() -> Result<()> {
    if let Some(why) = cannot() {
        return skipped("a_file_system_with_which_nothing_was_wrong_is_in_no_doubt", why);
    }
    let machine = Machine::new()?;
    machine.tool(
        "mount",
        "[ -e $top/repairs ] || { echo 'mount: Cannot allocate memory' >&2; exit 32; }\n\
         exec /bin/mount \"$@\"",
    )?;
    machine.repair()?;
    machine.is_handed_over()?;
    ensure!(machine.text("repairs").lines().count() == 1 && machine.noted().is_err());
    machine.has_what_it_kept()
}

/// What systemd-fsck runs where the kernel's command line says `fsck.repair=yes`, and
/// udev could not read the type.
#[test]
fn a_state_partition_without_its_first_superblock_is_repaired_by_fsck() -> Result<()> {
    if let Some(why) = crate::loop_device::cannot() {
        return skipped("a_state_partition_without_its_first_superblock_is_repaired_by_fsck", why);
    }
    let directory = tempfile::tempdir()?;
    let disk = LoopDevice::new(&directory.path().join("disk.img"), 64 << 20, &[])?;
    run(Command::new("mkfs.ext4").arg("-qF").arg(&disk.path))?;
    OpenOptions::new().write(true).open(&disk.path)?.write_all_at(&[0; 1024], 1024)?;
    let fsck = Command::new("fsck").args(["-T", "-l", "-y"]).arg(&disk.path).output()?;
    let said = String::from_utf8_lossy(&fsck.stdout);
    ensure!(fsck.status.code() == Some(1), "{:?}: {said}", fsck.status);
    let clean = Command::new("fsck").args(["-T", "-l", "-y"]).arg(&disk.path).output()?;
    ensure!(clean.status.success(), "{:?}", clean.status);
    Ok(())
}

#[test]
fn a_repair_that_lost_power_goes_on_and_stays_noted() -> Result<()> {
    if let Some(why) = cannot() {
        return skipped("a_repair_that_lost_power_goes_on_and_stays_noted", why);
    }
    let machine = Machine::new()?;
    machine.write(512, &garbage(1536))?;
    // All is written, and power fails before anything is noted of it.
    machine.tool("xfs_repair", "/usr/sbin/xfs_repair \"$@\"; kill -KILL $PPID")?;
    ensure!(!machine.program("repair")?, "power did not fail");
    ensure!(machine.text("var/lib/ashlar/data-repaired.json").contains("\"at\""), "not noted");
    // The next boot mounts it by itself, and the note stands.
    machine.has_what_it_kept()
}
