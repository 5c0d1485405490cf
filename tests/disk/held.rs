//! Disks that somebody uses: each refused, with who it is, and not touched.

use crate::loop_device::{Bench, LoopDevice, cannot};
use anyhow::{Context, Result, ensure};
use ashlar_tests::command::run;
use ashlar_tests::skipped;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Flashing it is refused with these words, and changes nothing.
fn is_refused(bench: &Bench, disk: &LoopDevice, words: &[&str]) -> Result<()> {
    let before = disk.start()?;
    bench.flash(&disk.path)?.arg("--yes").fails_with(words)?;
    ensure!(disk.start()? == before, "it was written all the same");
    Ok(())
}

/// A file system that is mounted for as long as this lives.
struct Mount(PathBuf);

impl Mount {
    fn new(device: &Path, at: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(&at)?;
        run(Command::new("mount").args([device, &at]))?;
        Ok(Self(at))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_disk_with_a_mounted_file_system_is_refused() -> Result<()> {
    if let Some(why) = cannot() {
        return skipped("a_disk_with_a_mounted_file_system_is_refused", why);
    }
    let bench = Bench::new()?;
    // btrfs has device numbers of its own, which hide it from whoever compares them.
    for format in ["mkfs.ext4", "mkfs.btrfs"] {
        let disk = bench.disk()?;
        let force = if format == "mkfs.ext4" { "-qF" } else { "-qf" };
        run(Command::new(format).arg(force).arg(&disk.path))?;
        let mount = Mount::new(&disk.path, bench.place("mounted"))?;
        is_refused(&bench, &disk, &["in use", "is mounted at", "mounted"])
            .with_context(|| format.to_owned())?;
        drop(mount);
    }
    Ok(())
}

/// A partition of a disk, for kernels that do not look for any on loop devices.
struct Partition<'a> {
    disk: &'a LoopDevice,
    path: PathBuf,
}

impl<'a> Partition<'a> {
    fn new(disk: &'a LoopDevice) -> Result<Self> {
        run(Command::new("addpart").arg(&disk.path).args(["1", "2048", "400000"]))?;
        let mut name = disk.path.clone().into_os_string();
        name.push("p1");
        Ok(Self { disk, path: name.into() })
    }
}

impl Drop for Partition<'_> {
    fn drop(&mut self) {
        let _ = Command::new("swapoff").arg(&self.path).stderr(Stdio::null()).status();
        // A partition outlives its loop device, and would be in the way of the next.
        let _ = Command::new("delpart").arg(&self.disk.path).arg("1").status();
    }
}

#[test]
fn a_disk_with_a_used_partition_is_refused_and_so_is_the_partition() -> Result<()> {
    if let Some(why) = cannot() {
        return skipped("a_disk_with_a_used_partition_is_refused_and_so_is_the_partition", why);
    }
    let bench = Bench::new()?;
    let disk = bench.disk()?;
    let part = Partition::new(&disk)?;
    run(Command::new("mkfs.ext4").arg("-q").arg(&part.path))?;
    let mount = Mount::new(&part.path, bench.place("mounted"))?;
    is_refused(&bench, &disk, &["in use", "p1 is mounted at"])?;
    drop(mount);
    run(Command::new("mkswap").arg(&part.path))?;
    run(Command::new("swapon").arg(&part.path))?;
    is_refused(&bench, &disk, &["p1 is swap space"])?;
    run(Command::new("swapoff").arg(&part.path))?;
    let whole = disk.path.to_str().context("a name")?;
    bench.flash(&part.path)?.arg("--yes").fails_with(&["is a partition", whole])?;
    Ok(())
}

#[test]
fn a_disk_that_is_mounted_in_a_container_is_refused() -> Result<()> {
    if let Some(why) = cannot() {
        return skipped("a_disk_that_is_mounted_in_a_container_is_refused", why);
    }
    let bench = Bench::new()?;
    let disk = bench.disk()?;
    run(Command::new("mkfs.ext4").arg("-qF").arg(&disk.path))?;
    std::fs::create_dir(bench.place("inside"))?;
    let script = "mount \"$1\" \"$2\" && echo here && exec sleep 60";
    let mut container = Container(
        Command::new("unshare")
            .args(["--mount", "sh", "-c", script, "sh"])
            .args([&disk.path, &bench.place("inside")])
            .stdout(Stdio::piped())
            .spawn()?,
    );
    let mut line = String::new();
    let output = container.0.stdout.take().context("its output")?;
    BufReader::new(output).read_line(&mut line)?;
    ensure!(line == "here\n", "it is not mounted: {line}");
    is_refused(&bench, &disk, &["inside for process", "sleep"])
}

struct Container(Child);

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
