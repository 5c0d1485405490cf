//! The programs of the overlays, run here with a tree of files for /sys, /proc and
//! /dev, and with stand-ins for the tools that would touch devices.
#![allow(clippy::unwrap_used)]

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
fn the_disk_that_the_loader_came_from_is_kept_to_though_another_holds_the_same_release() {
    let machine = Machine::new();
    machine.write(SAID, "");
    machine.disk("sda", "");
    machine.disk("nvme0n1", "ASHLAR_BOOT_DISK=1\n");
    let output = machine.find_disk();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(machine.chosen(), ["nvme0n1"]);
}

#[test]
fn two_copies_of_the_boot_disk_are_named_and_neither_is_taken() {
    let machine = Machine::new();
    machine.write(SAID, "");
    machine.disk("sda", "ASHLAR_BOOT_DISK=1\nID_MODEL=Stick\nID_SERIAL_SHORT=77\n");
    machine.disk("sdb", "ASHLAR_BOOT_DISK=1\nID_MODEL=Disk\n");
    let output = machine.find_disk();
    assert!(!output.status.success());
    let said = said(&output);
    assert!(said.contains("/dev/sda Stick 77") && said.contains("/dev/sdb Disk"), "{said}");
    assert!(machine.chosen().is_empty());
}

#[test]
fn firmware_that_says_nothing_leaves_the_only_disk_there_is() {
    let machine = Machine::new();
    machine.disk("vda", "");
    machine.write("sys/block/sdz/properties", "");
    let output = machine.find_disk();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(machine.chosen(), ["vda"]);
    // The rules look again, now that the disk is known.
    // At devices alone: udevadm refuses what is none.
    let triggered = fs::read_to_string(machine.at("triggered")).unwrap();
    assert!(triggered.contains("sys/block/vda/vda2"), "{triggered}");
    assert!(!triggered.contains("queue"), "{triggered}");
}

#[test]
fn firmware_that_says_nothing_and_two_disks_of_this_release_are_a_refusal() {
    let machine = Machine::new();
    machine.disk("vda", "");
    machine.disk("vdb", "");
    let output = machine.find_disk();
    assert!(!output.status.success());
    assert!(said(&output).contains("/dev/vda") && said(&output).contains("/dev/vdb"));
    assert!(machine.chosen().is_empty());
}

#[test]
fn a_disk_that_cannot_be_written_gives_state_and_data_in_memory_and_says_so() {
    let machine = Machine::new();
    machine.disk("loop0", "");
    machine.write("sys/block/loop0/ro", "1\n");
    machine.write("proc/meminfo", "MemTotal:        1536000 kB\n");
    machine.tool("mount", "echo mount \"$*\" >>$top/done");
    machine.tool("losetup", "echo /dev/${3##*/}");
    machine.tool("systemd-makefs", "echo made \"$*\" >>$top/done");
    let output = machine.find_disk();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(machine.chosen(), ["loop0"]);
    let done = fs::read_to_string(machine.at("done")).unwrap();
    for text in ["size=768000k", "made ext4 /dev/state", "made xfs /dev/data"] {
        assert!(done.contains(text), "{done}");
    }
    let bytes = |part| machine.at("run/ashlar/memory").join(part).metadata().unwrap().len();
    assert!(bytes("data") > 300 << 20, "too small for XFS");
    assert!((bytes("state") + bytes("data")) / 1024 < 768_000);
    assert!(fs::read_to_string(machine.at("dev/tty1")).unwrap().contains("keeps nothing"));

    // What would write to the disk, or join a cluster, looks for this.
    assert!(machine.at("run/ashlar/in-memory").exists());
    for unit in [
        "initrd/usr/lib/systemd/system/systemd-repart.service.d/10-ashlar.conf",
        "initrd/usr/lib/systemd/system/ashlar-reset-disk.service",
        "base/usr/lib/systemd/system/ashlar-seed.service",
        "base/usr/lib/systemd/system/ashlar-seed@.service",
    ] {
        let text = fs::read_to_string(overlays().join(unit)).unwrap();
        assert!(text.contains("ConditionPathExists=!/run/ashlar/in-memory"), "{unit}");
    }
}

/// What the firmware keeps of a reset of the disk that was booted from.
const NOTE: &str = "1 factory 50000000-0000-0000-0000-00000000000a\n";

/// A machine with state and data, whose tools count their calls and stop at one of
/// them as if power had failed: before they do anything, or after.
fn resetting(mark: bool) -> Machine {
    let machine = Machine::new();
    for part in ["state", "data"] {
        machine.write(&format!("dev/ashlar/{part}"), "old");
    }
    if mark {
        machine.write(MARK, &format!("\x07\0\0\0{NOTE}"));
    }
    machine.write("run/ashlar/boot-disk/sda", "");
    // The power fails at the call whose number is in `fails-at`.
    let count = "n=$(($(cat $top/calls 2>/dev/null || echo 0) + 1)); echo $n >$top/calls\n\
                 cut() { [ \"$n$1\" != \"$(cat $top/fails-at 2>/dev/null)\" ] || { \
                 kill -KILL $PPID; exit 1; }; }\ncut before\n";
    let tool = |name: &str, script: &str| {
        machine.tool(name, &format!("{count}{script}\ncut after"));
    };
    tool("blkdiscard", "");
    // As dd would, but for the size.
    tool(
        "dd",
        "for word in \"$@\"; do case $word in of=*) of=${word#of=} ;; if=*) zero=1 ;; esac; done\n\
         if [ -n \"${zero:-}\" ]; then : >$of; else cat >$of; fi",
    );
    // The medium is pulled before its time is up, unless it is a disc.
    machine.tool(
        "udevadm",
        &format!(
            "case $1 in\n\
             info) echo {} ;;\n\
             wait) echo \"$*\" >>$top/done; [ ! -e $top/stays ] ;;\n\
             esac",
            NOTE.trim().rsplit(' ').next().unwrap()
        ),
    );
    machine.tool("systemctl", "echo \"$*\" >>$top/done");
    // Formats what is empty, and nothing else.
    tool("systemd-makefs", "[ -s $2 ] || echo $1 >$2");
    tool("chattr", "");
    tool("rm", "/bin/rm $1");
    tool("sync", "");
    machine
}

fn is_reset(machine: &Machine) -> bool {
    let read = |part| fs::read_to_string(machine.at(part)).unwrap();
    read("dev/ashlar/state") == "ext4\n" && read("dev/ashlar/data") == "xfs\n"
}

#[test]
fn a_reset_that_loses_power_at_any_call_is_finished_by_the_next_boot() {
    let calls = {
        let whole = resetting(true);
        assert!(whole.run("reset-disk").status.success());
        assert!(is_reset(&whole) && !whole.at(MARK).exists());
        fs::read_to_string(whole.at("calls")).unwrap().trim().parse::<u32>().unwrap()
    };
    assert!(calls > 8, "{calls}");
    for call in 1..=calls {
        for moment in ["before", "after"] {
            let machine = resetting(true);
            machine.write("fails-at", &format!("{call}{moment}\n"));
            let output = machine.run("reset-disk");
            assert!(!output.status.success(), "call {call} did not fail");
            if !machine.at(MARK).exists() {
                assert!(is_reset(&machine), "{moment} call {call}: forgotten and not done");
                continue;
            }
            let again = machine.run("reset-disk");
            assert!(again.status.success(), "{moment} call {call}: {}", said(&again));
            assert!(is_reset(&machine) && !machine.at(MARK).exists(), "{moment} call {call}");
        }
    }
}

#[test]
fn a_reset_from_the_menu_says_so_first_and_notes_it_before_anything_is_gone() {
    let machine = resetting(false);
    machine.tool("sleep", "cat $top/dev/ashlar/state >>$top/during; [ $1 = 10 ]");
    // Power fails at the first discard.
    machine.write("fails-at", "2before\n");
    assert!(!machine.asked("reset-disk", "menu").status.success());
    assert_eq!(fs::read_to_string(machine.at("during")).unwrap(), "oldoldold");
    let screen = fs::read_to_string(machine.at("dev/tty1")).unwrap();
    assert!(screen.starts_with("\x1b[2J"), "the kernel's lines stand above it: {screen}");
    for words in ["begins in 30 seconds", "\n20 seconds", "\n10 seconds"] {
        assert!(screen.contains(words), "{screen}");
    }
    let mark = fs::read(machine.at(MARK)).unwrap();
    assert_eq!(mark, format!("\x07\0\0\0{NOTE}").as_bytes());
    // It goes on without asking again, whatever is chosen then.
    fs::remove_file(machine.at("during")).unwrap();
    assert!(machine.run("reset-disk").status.success());
    assert!(is_reset(&machine) && !machine.at("during").exists());
}

/// Nobody ran from it, or it cannot be written and has its state in memory.
fn with_nothing_of_its_own(disc: bool) -> Machine {
    let machine = resetting(false);
    if disc {
        machine.write("run/ashlar/in-memory", "");
    } else {
        fs::remove_dir_all(machine.at("dev/ashlar")).unwrap();
    }
    machine
}

#[test]
fn a_medium_that_no_box_ran_from_says_that_it_has_nothing_to_reset_and_starts_nothing() {
    for (disc, stays, then) in
        [(false, false, "reboot --force"), (false, true, "poweroff --force"), (true, true, "power")]
    {
        let machine = with_nothing_of_its_own(disc);
        if stays {
            machine.write("stays", "");
        }
        let output = machine.asked("reset-disk", "menu");
        assert!(output.status.success(), "{}", said(&output));
        let screen = fs::read_to_string(machine.at("dev/tty1")).unwrap();
        for words in ["holds nothing of its own to reset", "start it from its own disk"] {
            assert!(screen.contains(words), "{screen}");
        }
        assert!(!screen.contains("done") && !screen.contains("will be gone"), "{screen}");
        let done = fs::read_to_string(machine.at("done")).unwrap();
        let (waited, left) = done.split_once('\n').unwrap();
        assert_eq!(waited, "wait --removed --timeout=600 /dev/sda");
        assert!(left.starts_with(then), "{done}");
        assert!(!machine.at(MARK).exists() && !machine.at("calls").exists(), "it did something");
    }
}

#[test]
fn a_reset_of_the_box_s_disk_is_neither_done_nor_ended_by_a_stick_that_was_left_in() {
    let unused = with_nothing_of_its_own(false);
    let disc = with_nothing_of_its_own(true);
    let used = resetting(false);
    let elsewhere = NOTE.replace("5000", "6000");
    for (machine, note) in [(&unused, NOTE), (&disc, NOTE), (&used, elsewhere.as_str())] {
        machine.write(MARK, &format!("\x07\0\0\0{note}"));
        let output = machine.run("reset-disk");
        assert!(output.status.success(), "{}", said(&output));
        assert!(said(&output).contains("another disk"), "{}", said(&output));
        assert!(machine.at(MARK).exists() && !machine.at("calls").exists(), "it did something");
        assert_eq!(fs::read_to_string(machine.at("dev/tty1")).unwrap(), "");
    }
    assert_eq!(fs::read_to_string(used.at("dev/ashlar/state")).unwrap(), "old");
}

#[test]
fn a_reset_that_an_older_release_noted_is_carried_out() {
    let machine = resetting(false);
    machine.write(MARK, "\x07\0\0\x001 factory\n");
    assert!(machine.run("reset-disk").status.success());
    assert!(is_reset(&machine) && !machine.at(MARK).exists());
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
        ] {
            assert!(page.contains(words), "{console} lacks {words:?}:\n{page}");
        }
        let last = page.lines().rfind(|line| !line.trim().is_empty()).unwrap();
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
        let list = include_str!("../data/initrd.toml");
        assert!(!list.contains(&format!("\"{shell}\"")), "the initrd has {shell}");
    }
}

impl Machine {
    /// One of the boot loader's variables.
    fn loader(&self, name: &str, text: &str) {
        let path = format!("sys/firmware/efi/efivars/{name}-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f");
        fs::create_dir_all(self.at(&path).parent().unwrap()).unwrap();
        let text = text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes);
        fs::write(self.at(&path), [6, 0, 0, 0].into_iter().chain(text).collect::<Vec<_>>())
            .unwrap();
    }

    /// The units that the generator makes, in the initrd or in the root.
    fn role(&self, initrd: bool) -> Vec<String> {
        let units = self.at("units");
        let _ = fs::remove_dir_all(&units);
        fs::create_dir(&units).unwrap();
        self.write("etc/hostname", "");
        if initrd {
            self.write("etc/initrd-release", "");
        } else {
            let _ = fs::remove_file(self.at("etc/initrd-release"));
        }
        let path = "initrd/usr/lib/systemd/system-generators/ashlar-role";
        let output = Command::new("sh")
            .arg(overlays().join(path))
            .args(["/nonexistent", units.to_str().unwrap(), "/nonexistent"])
            .arg(self.0.path())
            .output()
            .unwrap();
        assert!(output.status.success() && said(&output).is_empty(), "{}", said(&output));
        let mut made: Vec<_> = fs::read_dir(&units)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        made.sort();
        made
    }
}

const VOLATILE: [&str; 2] = ["sysroot-var.mount", "systemd-repart.service"];

#[test]
fn a_start_that_nobody_chose_anything_for_is_an_ordinary_one() {
    let machine = Machine::new();
    for initrd in [false, true] {
        assert!(machine.role(initrd).is_empty());
        machine.loader("LoaderEntrySelected", "ashlar_1.2.3.efi");
        assert!(machine.role(initrd).is_empty());
    }
}

#[test]
fn the_installer_repartitions_nothing_and_takes_the_place_of_the_node() {
    let machine = Machine::new();
    machine.loader("LoaderEntrySelected", "ashlar-install.conf");
    assert_eq!(machine.role(true), VOLATILE);
    let made = machine.role(false);
    assert_eq!(
        made,
        ["ashlar-seed.service", "ashlar-seed@.service", "data.mount", "default.target"]
    );
    let target = fs::read_link(machine.at("units/default.target")).unwrap();
    assert_eq!(target, Path::new("/usr/lib/systemd/system/ashlar-install.target"));
    assert!(overlays().join("base").join(target.strip_prefix("/").unwrap()).is_file());
}

#[test]
fn a_system_that_is_tried_keeps_everything_in_memory_and_takes_no_site() {
    let machine = Machine::new();
    for entry in ["ashlar-try.conf", "ashlar-try-first.conf"] {
        machine.loader("LoaderEntrySelected", entry);
        assert_eq!(machine.role(true), VOLATILE, "{entry}");
        let state = fs::read_to_string(machine.at("units/sysroot-var.mount")).unwrap();
        assert!(state.contains("\nWhat=tmpfs\nWhere=/sysroot/var\n"), "{state}");
        let made = machine.role(false);
        assert_eq!(made, ["ashlar-seed.service", "ashlar-seed@.service", "data.mount"], "{entry}");
        let data = fs::read_to_string(machine.at("units/data.mount")).unwrap();
        assert!(data.contains("\nWhat=tmpfs\nWhere=/data\n"), "{data}");
    }
}

#[test]
fn the_menu_s_reset_is_the_initrd_s_alone() {
    let machine = Machine::new();
    for entry in ["ashlar-reset.conf", "ashlar-reset-first.conf"] {
        machine.loader("LoaderEntrySelected", entry);
        assert_eq!(machine.role(true), ["ashlar-reset-disk.service.d"], "{entry}");
        assert!(machine.role(false).is_empty(), "{entry}");
    }
    // A medium that cannot be written says that there is nothing to reset, instead of
    // starting without a word.
    machine.role(true);
    let more = machine.at("units/ashlar-reset-disk.service.d/role.conf");
    let more = fs::read_to_string(more).unwrap();
    assert!(
        more.contains("ConditionPathExists=\n") && more.contains("ASHLAR_ASKED=menu"),
        "{more}"
    );
}

#[test]
fn an_entry_that_somebody_made_the_default_was_not_chosen_today() {
    let machine = Machine::new();
    for entry in ["ashlar-reset.conf", "ashlar-install.conf", "ashlar-try.conf"] {
        machine.loader("LoaderEntrySelected", entry);
        machine.loader("LoaderEntryDefault", entry);
        assert!(machine.role(true).is_empty() && machine.role(false).is_empty(), "{entry}");
    }
}

#[test]
fn the_kernel_s_command_line_chooses_as_the_menu_does() {
    let machine = Machine::new();
    machine.write("proc/cmdline", "ro ashlar.role=install quiet\n");
    assert_eq!(machine.role(true), VOLATILE);
    assert_eq!(machine.role(false).len(), 4);
}
