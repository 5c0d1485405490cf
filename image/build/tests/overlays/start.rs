//! What the boot menu and the kernel's command line choose.

use super::{Machine, overlays, said};
use std::fs;
use std::path::Path;
use std::process::Command;

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
        let (agent, seed) = ("ashlar-agent.service.d", "ashlar-seed.service");
        assert_eq!(made, [agent, seed, "ashlar-seed@.service", "data.mount"], "{entry}");
        let told = fs::read_to_string(machine.at("units").join(agent).join("role.conf")).unwrap();
        assert!(
            told.contains("Environment=ASHLAR_TRIED=1\n"),
            "its screen asks for a site: {told}"
        );
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
