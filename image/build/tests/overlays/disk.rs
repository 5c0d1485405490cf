//! Which disk a start keeps to, and what is said of one that cannot be written.

use super::{Machine, SAID, overlays, said};
use std::fs;

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
