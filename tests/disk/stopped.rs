//! Flashing that does not come to its end, and what is said about the disk then.

use crate::loop_device::{Bench, LARGE, LoopDevice, METAL, cannot};
use crate::small_image;
use anyhow::{Context, Result, ensure};
use ashlar_tests::command::run;
use ashlar_tests::skipped;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

/// Its first MiB holds nothing that firmware would start.
fn does_not_boot(disk: &LoopDevice) -> Result<()> {
    let mut bytes = vec![0xFF; 1 << 20];
    File::open(&disk.path)?.read_exact_at(&mut bytes, 0)?;
    ensure!(bytes.iter().all(|byte| *byte == 0), "its first MiB is not empty");
    Ok(())
}

#[test]
fn a_disk_that_fails_in_the_middle_is_called_what_it_is() -> Result<()> {
    if let Some(why) = cannot() {
        return skipped("a_disk_that_fails_in_the_middle_is_called_what_it_is", why);
    }
    let bench = Bench::new()?;
    // A disk whose file finds no room any more fails as one that is pulled does.
    let room = bench.place("room");
    std::fs::create_dir(&room)?;
    run(Command::new("mount").args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"]).arg(&room))?;
    let tried = (|| {
        let disk = LoopDevice::new(&room.join("disk.img"), LARGE, &[])?;
        bench.flash(&disk.path)?.arg("--yes").fails_with(&["not bootable", "again"])?;
        does_not_boot(&disk)
    })();
    run(Command::new("umount").arg("--lazy").arg(&room))?;
    tried
}

/// What a rule that mounts every new disk does while this one is written.
fn is_not_mounted(disk: &LoopDevice, at: &Path) -> Result<()> {
    std::fs::create_dir(at)?;
    let mut mount = Command::new("mount");
    let tried = mount.args(["-t", "ext4"]).arg(&disk.path).arg(at).env("LC_ALL", "C").output()?;
    let said = String::from_utf8_lossy(&tried.stderr).into_owned();
    // Not that nothing is on it yet.
    ensure!(!tried.status.success() && said.contains("busy"), "mount: {} {said}", tried.status);
    Ok(())
}

#[test]
fn ctrl_c_leaves_a_disk_that_does_not_boot_and_can_be_flashed_again() -> Result<()> {
    if let Some(why) = cannot() {
        return skipped("ctrl_c_leaves_a_disk_that_does_not_boot_and_can_be_flashed_again", why);
    }
    let bench = Bench::new()?;
    // Enough that there is a middle: seconds of writing and reading back.
    let folder = bench.place("large");
    std::fs::create_dir(&folder)?;
    let large = small_image::write_with(&folder, METAL, 320);
    let file = File::options().read(true).write(true).open(&large)?;
    let root = {
        let table = gpt::GptConfig::new().open_from_device(file.try_clone()?)?;
        let root = table.partitions().values().find(|part| part.name == "root-a");
        root.context("a root")?.first_lba * 512
    };
    file.write_all_at(&vec![0xA5; 300 << 20], root)?;
    let disk = bench.disk()?;
    // Without --json, which would not say when it begins to write.
    let mut command = Command::new(bench.flash(&disk.path)?.into_command().get_program());
    command.arg("flash").arg(&disk.path).arg("--yes").arg("--image").arg(&large);
    command.arg("--site").arg(&bench.site);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(child.stderr.take().context("its words")?);
    let mut line = String::new();
    while line.trim() != "writing" {
        line.clear();
        ensure!(lines.read_line(&mut line)? > 0, "it ended before it wrote");
    }
    is_not_mounted(&disk, &bench.place("by-a-rule"))?;
    kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGINT)?;
    let mut rest = String::new();
    lines.read_to_string(&mut rest)?;
    let status = child.wait()?;
    ensure!(status.code() == Some(1), "{status}: {rest}");
    let words = rest.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
    ensure!(words.contains("stopped by you") && words.contains("not bootable"), "{rest}");
    does_not_boot(&disk)?;
    bench.flash(&disk.path)?.arg("--yes").succeeds()?;
    Ok(())
}

#[test]
fn while_a_person_thinks_nobody_else_gets_the_disk_and_a_wrong_name_writes_nothing() -> Result<()> {
    if let Some(why) = cannot() {
        return skipped(
            "while_a_person_thinks_nobody_else_gets_the_disk_and_a_wrong_name_writes_nothing",
            why,
        );
    }
    let bench = Bench::new()?;
    let disk = bench.disk()?;
    let before = disk.start()?;
    let program = bench.flash(&disk.path)?.into_command().get_program().to_owned();
    let words = format!(
        "{} --quiet flash {} --image {} --site {}",
        program.to_string_lossy(),
        disk.path.display(),
        bench.image.display(),
        bench.site.display()
    );
    // `script` gives it a terminal.
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--command", &words, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut output = child.stdout.take().context("its output")?;
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("to go on:") {
        let mut byte = [0];
        ensure!(output.read(&mut byte)? == 1, "{}", String::from_utf8_lossy(&seen));
        seen.extend(byte);
    }
    let asked = String::from_utf8_lossy(&seen).into_owned();
    ensure!(asked.contains("17.2 GB") && asked.contains("will be lost"), "{asked}");
    // What a mount does first.
    let taken =
        File::options().read(true).custom_flags(nix::fcntl::OFlag::O_EXCL.bits()).open(&disk.path);
    let busy = taken.err().and_then(|error| error.raw_os_error());
    ensure!(busy == Some(nix::errno::Errno::EBUSY as i32), "it could be taken: {busy:?}");
    child.stdin.take().context("its input")?.write_all(b"/dev/sda\n")?;
    output.read_to_end(&mut seen)?;
    ensure!(!child.wait()?.success(), "a wrong name was taken");
    ensure!(String::from_utf8_lossy(&seen).contains("nothing was written"), "other words");
    ensure!(disk.start()? == before, "it was written all the same");
    Ok(())
}
