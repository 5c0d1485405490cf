//! `ashlar-agent write-support` onto loop devices that stand for sticks: what the unit
//! `ashlar-support@.service` runs, with the kernel's own FAT.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

const NAME: &str = "ashlar-1a2b3c4d-20261126T034000Z.tar.zst";
const MIB: u64 = 1 << 20;

/// A box with a stick in it.
struct Room {
    root: tempfile::TempDir,
    stick: PathBuf,
}

impl Room {
    /// With a FAT volume of this size, which the kernel may write on or not; nothing
    /// where loop devices cannot be.
    fn new(bytes: u64, options: &[&str]) -> Option<Self> {
        let root = tempfile::tempdir().unwrap();
        let image = root.path().join("stick.img");
        let mut file =
            File::options().create_new(true).read(true).write(true).open(&image).unwrap();
        file.set_len(bytes).unwrap();
        let label = fatfs::FormatVolumeOptions::new().volume_label(*b"PHOTOS     ");
        fatfs::format_volume(&mut file, label).unwrap();
        let mut losetup = Command::new("losetup");
        losetup.args(["--find", "--show"]).args(options).arg(&image);
        let made = losetup.output().ok()?;
        let stick = PathBuf::from(String::from_utf8(made.stdout).unwrap().trim());
        if !stick.exists() || stick.as_os_str().is_empty() {
            println!("skipped: loop devices need root");
            return None;
        }
        let room = Self { root, stick };
        let name = room.name();
        let number = fs::read_to_string(format!("/sys/class/block/{name}/dev")).unwrap();
        let place = format!("sys/devices/usb1/{name}");
        room.write(&format!("{place}/dev"), &number);
        room.write(&format!("{place}/size"), &(bytes / 512).to_string());
        room.write(&format!("run/udev/data/b{}", number.trim()), "E:ID_FS_TYPE=vfat\n");
        room.write("run/ashlar/boot-disk/nvme0n1", "");
        fs::create_dir_all(room.at("sys/class/block")).unwrap();
        symlink(format!("../../devices/usb1/{name}"), room.at(&format!("sys/class/block/{name}")))
            .unwrap();
        Some(room)
    }

    fn name(&self) -> String {
        self.stick.file_name().unwrap().to_str().unwrap().to_owned()
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// What became of a file that the agent left there; its mounts are nobody else's.
    fn outcome(&self, text: &str) -> serde_json::Value {
        self.write("run/ashlar/support/file", text);
        self.write("run/ashlar/support/name", NAME);
        let ran = Command::new("unshare")
            .args(["--mount", "--propagation", "private", env!("CARGO_BIN_EXE_ashlar-agent")])
            .args(["write-support", "--partition"])
            .arg(&self.stick)
            .arg("--root")
            .arg(self.root.path())
            .output()
            .unwrap();
        let said = fs::read(self.at("run/ashlar/support/outcome.json"));
        let said = said.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&ran.stderr)));
        let said: serde_json::Value = serde_json::from_slice(&said).unwrap();
        assert_eq!(ran.status.success(), said.get("Ok").is_some(), "{said}");
        said
    }

    /// The files on the stick, as another system reads them.
    fn files(&self) -> Vec<String> {
        let file = File::options().read(true).write(true).open(&self.stick).unwrap();
        let volume = fatfs::FileSystem::new(file, fatfs::FsOptions::new()).unwrap();
        volume.root_dir().iter().map(|entry| entry.unwrap().file_name()).collect()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("--detach").arg(&self.stick).status();
    }
}

fn refused(said: &serde_json::Value, words: &str) {
    let why = said["Err"].as_str().unwrap_or_default();
    assert!(why.contains(words), "{said}");
}

#[test]
fn a_bundle_is_on_the_stick_beside_what_was_there_and_is_never_written_over() {
    let Some(room) = Room::new(8 * MIB, &[]) else { return };
    let text = "what a helper needs".repeat(40_000);
    let said = room.outcome(&text);
    assert_eq!(said["Ok"]["file"], NAME, "{said}");
    assert_eq!(said["Ok"]["bytes"], text.len());
    assert_eq!(room.files(), [NAME]);
    refused(&room.outcome("another"), "does not take the file");
    assert_eq!(room.files(), [NAME], "nothing half-written is left");
}

#[test]
fn a_full_and_a_locked_stick_and_one_that_is_no_fat_say_what_to_do() {
    let Some(room) = Room::new(MIB, &[]) else { return };
    refused(&room.outcome(&"x".repeat(2 << 20)), "delete something, or take another one");
    assert!(room.files().is_empty());
    fs::write(&room.stick, vec![0; 4096]).unwrap();
    refused(&room.outcome("short"), "cannot be mounted as FAT");
    let Some(room) = Room::new(MIB, &["--read-only"]) else { return };
    refused(&room.outcome("short"), "locked against writing");
}

#[test]
fn the_disk_that_the_box_runs_from_is_not_written_on() {
    let Some(room) = Room::new(MIB, &[]) else { return };
    room.write(&format!("run/ashlar/boot-disk/{}", room.name()), "");
    refused(&room.outcome("short"), "is no stick that may be written on");
    assert!(room.files().is_empty());
    let own = Path::new("run/ashlar/boot-disk");
    fs::remove_dir_all(room.root.path().join(own)).unwrap();
    refused(&room.outcome("short"), "is no stick that may be written on");
}
