//! The programs of the overlays, run here with a tree of files for /sys, /proc and
//! /dev, and with stand-ins for the tools that would touch devices.
#![allow(clippy::unwrap_used)]

mod disk;
mod reset;
mod start;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const ROOT: &str = "0011aaaa-0000-0000-0000-000000000001";
const SAID: &str =
    "sys/firmware/efi/efivars/LoaderDevicePartUUID-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
const MARK: &str = "sys/firmware/efi/efivars/AshlarReset-0c7e1c0a-62b7-4d3f-9b0e-3f2f1f7c8a55";

fn overlays() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../overlays")
}

/// A machine made of files.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        for directory in ["bin", "dev/ashlar", "proc", "sys/block", "sys/firmware/efi/efivars"] {
            fs::create_dir_all(machine.at(directory)).unwrap();
        }
        // What the initrd has, and nothing else.
        fs::create_dir(machine.at("programs")).unwrap();
        let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/initrd.toml");
        for line in fs::read_to_string(list).unwrap().lines() {
            let quoted = line.trim().strip_prefix('"').and_then(|rest| rest.split('"').next());
            let Some(program) = quoted.filter(|path| path.contains("bin/")) else { continue };
            let name = program.rsplit('/').next().unwrap();
            symlink(program, machine.at("programs").join(name)).unwrap();
        }
        machine.write("sys/class/tty/console/active", "tty0\n");
        machine.write("dev/tty1", "");
        let half = "0123456789abcdef".repeat(2);
        let line = format!("ro roothash={}{half} quiet\n", ROOT.replace('-', ""));
        machine.write("proc/cmdline", &line);
        machine.tool("sleep", "");
        machine
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), text).unwrap();
    }

    /// A stand-in for a tool: it does `script`, in the machine's own directory.
    fn tool(&self, name: &str, script: &str) {
        let path = format!("bin/{name}");
        let top = self.0.path().display();
        self.write(
            &path,
            &format!("#!/bin/sh\nset -eu\nPATH=/usr/bin:/bin\ntop={top}\n{script}\n"),
        );
        fs::set_permissions(self.at(&path), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A disk with the root of this release, and what udev knows of it.
    fn disk(&self, name: &str, properties: &str) {
        self.write(&format!("sys/block/{name}/properties"), properties);
        self.write(&format!("sys/block/{name}/ro"), "0\n");
        self.write(&format!("sys/block/{name}/queue/rotational"), "0\n");
        self.write(&format!("sys/block/{name}/{name}2/partition"), "2");
        let part = format!("ID_PART_ENTRY_UUID={ROOT}\n");
        self.write(&format!("sys/block/{name}/{name}2/properties"), &part);
    }

    fn run(&self, program: &str) -> Output {
        self.asked(program, "")
    }

    /// As if somebody had asked for it in the boot menu.
    fn asked(&self, program: &str, by: &str) -> Output {
        self.with(program, by, &[])
    }

    fn with(&self, program: &str, by: &str, words: &[&str]) -> Output {
        let path = format!("{}:{}", self.at("bin").display(), self.at("programs").display());
        Command::new("/bin/sh")
            .arg(overlays().join("initrd/usr/lib/ashlar").join(program))
            .args(words)
            .arg(self.0.path())
            .env("PATH", path)
            .env("ASHLAR_ASKED", by)
            .output()
            .unwrap()
    }

    fn find_disk(&self) -> Output {
        self.tool(
            "udevadm",
            "case $1 in\n\
             info) key=${3#--property=}; [ ! -e \"$5/properties\" ] || \
                 sed -n \"s/^$key=//p\" \"$5/properties\" ;;\n\
             trigger) echo \"$*\" >>\"$top/triggered\" ;;\n\
             esac",
        );
        self.run("find-disk")
    }

    fn chosen(&self) -> Vec<String> {
        let Ok(found) = fs::read_dir(self.at("run/ashlar/boot-disk")) else { return Vec::new() };
        found.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

#[test]
fn initrd_and_root_share_what_both_have() {
    for file in [
        "usr/lib/udev/rules.d/65-ashlar-disk.rules",
        "usr/lib/ashlar/show-failure",
        "usr/lib/systemd/system/emergency.service",
        "usr/lib/systemd/system-generators/ashlar-role",
    ] {
        let read = |overlay| fs::read_to_string(overlays().join(overlay).join(file)).unwrap();
        assert_eq!(read("base"), read("initrd"), "{file}");
    }
}

#[test]
fn a_boot_that_fails_says_why_on_every_console_gives_no_shell_and_tries_again() {
    const TITLE: &str = "This box could not start.";
    let machine = Machine::new();
    machine.write("sys/class/tty/console/active", "tty0 ttyS0\n");
    machine.write("dev/ttyS0", "");
    machine.tool(
        "systemctl",
        // What waits for a disk gives up while the page is there already.
        "case $1 in\n\
         list-units) [ ! -e $top/slept ] || echo \"ashlar-disk.service loaded failed\" ;;\n\
         show) echo \"The disk that this box was booted from\" ;;\n\
         esac",
    );
    machine.tool("journalctl", "echo \"No disk holds the root of this release.\"");
    let again = "[   1.5] nvme0: I/O error\\n[   1.7] nvme0: I/O error";
    machine.tool("dmesg", &format!("printf '[ 1.2] ata1: no link\\n{again}\\n'"));
    machine.tool("sleep", "echo \"$1\" >>$top/slept");
    machine.tool("date", "echo 2026-11-26 03:40 UTC");
    machine.write("sys/class/dmi/id/sys_vendor", "LENOVO\n");
    machine.write("sys/class/dmi/id/product_name", "11JQS0AB00 with a name that goes on and on\n");
    machine.write("sys/class/dmi/id/product_serial", "CZC1234567\n");
    machine.write("etc/os-release", "ID=debian\nPRETTY_NAME=\"Ashlar 7 (shop)\"\n");
    // The state is there before the root is.
    let state = "sysroot/var/lib/ashlar";
    let me = "{\n  \"id\": \"1a2b3c4d\",\n  \"name\": \"ashlar-1a2b3c4d\"\n}\n";
    machine.write(&format!("{state}/identity.json"), me);
    let site = "version = 1\nname = \"shop-42\"\nring-key = \"c2VjcmV0\"\n";
    machine.write(&format!("{state}/site.toml"), site);
    let output = machine.with("show-failure", "", &["300"]);
    assert!(output.status.success(), "{}", said(&output));
    for console in ["dev/tty1", "dev/ttyS0"] {
        let pages = fs::read_to_string(machine.at(console)).unwrap();
        let told: Vec<_> = pages.split(TITLE).skip(1).collect();
        assert!(told[0].contains("in 5 minutes") && !told[0].contains("No disk holds"), "{pages}");
        // On a serial console only what is new comes again.
        assert_eq!(told.len(), if console == "dev/tty1" { 30 } else { 2 }, "{console}");
        let page = told.last().unwrap();
        for words in [
            "ashlar-disk.service  The disk that this box was booted from",
            "No disk holds the root of this release.",
            "\n      ata1: no link\n      nvme0: I/O error\n\n",
            "Nothing needs to be typed, and nothing can be: it tries again in ",
            "\n  ashlar-1a2b3c4d of the site shop-42\n",
            "  LENOVO  11JQS0AB00 with a name that goes on and   CZC1234567\n",
            "\n  Ashlar 7 (shop)  2026-11-26 03:40 UTC\n",
        ] {
            assert!(page.contains(words), "{console} lacks {words:?}:\n{page}");
        }
        assert!(!page.contains("state cannot be mounted"), "{page}");
        let last = page.lines().rfind(|line| !line.trim().is_empty()).unwrap();
        assert!(!page.contains("c2VjcmV0"), "a secret on the screen");
        assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
        assert!(last.starts_with('─'), "something covers its end: {last}");
    }
    assert_eq!(fs::read_to_string(machine.at("slept")).unwrap(), "10\n".repeat(30));

    // What would be a shell is this page, before and after the root is there; whatever
    // becomes of the page, the box restarts.
    for overlay in ["base", "initrd"] {
        let unit = overlays().join(overlay).join("usr/lib/systemd/system/emergency.service");
        let unit = fs::read_to_string(unit).unwrap();
        let starts: Vec<_> = unit.lines().filter(|line| line.starts_with("Exec")).collect();
        assert_eq!(starts, ["ExecStart=/usr/lib/ashlar/show-failure 300"]);
        for words in ["SuccessAction=reboot-force", "FailureAction=reboot-force"] {
            assert!(unit.contains(words), "{overlay}");
        }
        assert!(!unit.contains("StandardInput"), "{overlay}: nobody types here");
    }
    for shell in ["rescue.service", "debug-shell.service"] {
        let masked = overlays().join("base/etc/systemd/system").join(shell);
        assert_eq!(fs::read_link(masked).unwrap(), Path::new("/dev/null"), "{shell}");
        let list = include_str!("../../data/initrd.toml");
        assert!(!list.contains(&format!("\"{shell}\"")), "the initrd has {shell}");
    }
}

#[test]
fn a_state_that_fsck_cannot_mend_is_said_to_be_lost_and_what_to_do() {
    let machine = Machine::new();
    machine.tool("systemctl", "[ $1 = show ] || echo sysroot-var.mount loaded failed");
    for tool in ["journalctl", "dmesg", "date"] {
        machine.tool(tool, "");
    }
    let page = || {
        machine.write("dev/tty1", "");
        assert!(machine.with("show-failure", "", &["10"]).status.success());
        fs::read_to_string(machine.at("dev/tty1")).unwrap()
    };
    // A disk that does not appear lost nothing.
    assert!(!page().contains("state cannot be mounted"));
    machine.write("dev/ashlar/state", "");
    let page = page();
    assert!(page.contains("state cannot be mounted") && page.contains("Factory reset"), "{page}");
    assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
}

#[test]
fn a_state_is_repaired_without_asking_whatever_is_left_of_its_superblock() {
    // What fsck starts by the type that udev read, and by none.
    let list = include_str!("../../data/initrd.toml");
    for program in ["fsck.ext4", "fsck.ext2", "e2fsck"] {
        assert!(list.contains(&format!("\"/usr/sbin/{program}\",")), "{program}");
    }
    let mount = overlays().join("initrd/usr/lib/systemd/system/sysroot-var.mount");
    let mount = fs::read_to_string(mount).unwrap();
    let wants = mount.lines().find(|line| line.starts_with("Wants=")).unwrap();
    assert!(wants.contains("systemd-fsck@dev-ashlar-state.service"), "{wants}");
}
