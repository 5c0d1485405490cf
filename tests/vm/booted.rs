//! How a machine looks after its first boot.

use super::THREE;
use anyhow::{Context, Result, ensure};
use ashlar_tests::claims;
use ashlar_tests::command::{Ashlar, workspace};
use std::time::Duration;

#[test]
fn the_root_is_read_only_erofs_under_verity() -> Result<()> {
    THREE.lend(|three| {
        let node = three.fleet.node(1);
        let root = node.sh("findmnt --noheadings --output SOURCE,FSTYPE,OPTIONS /")?;
        ensure!(root.contains("erofs") && root.contains("ro,"), "{root}");
        node.sh("cat /sys/block/dm-*/dm/uuid | grep ^CRYPT-VERITY")?;
        let tried = node.try_sh("touch /usr/changed")?;
        ensure!(tried.error_text().contains("Read-only file system"), "{}", tried.error_text());
        Ok(())
    })
}

#[test]
fn the_first_boot_made_and_grew_the_other_partitions() -> Result<()> {
    THREE.lend(|three| {
        three.fleet.nodes().try_for_each(|node| {
            let disk =
                node.sh("lsblk --bytes --noheadings --raw --output PARTLABEL,SIZE,FSTYPE")?;
            let size = |label: &str| -> Result<u64> {
                let line = disk.lines().find(|line| line.split(' ').next() == Some(label));
                let line = line.with_context(|| format!("no {label} in:\n{disk}"))?;
                Ok(line.split(' ').nth(1).context("a size")?.parse()?)
            };
            for label in
                ["esp", "root-a", "verity-a", "sig-a", "root-b", "verity-b", "sig-b", "seed"]
            {
                size(label)?;
            }
            ensure!(size("root-a")? == size("root-b")?, "the slots differ:\n{disk}");
            ensure!(size("state")? >= 4 << 30, "{disk}");
            // The data partition has what is left of the disk.
            ensure!(size("data")? > 4 << 30, "{disk}");
            node.sh("findmnt --types ext4 /var && findmnt --types xfs /data").map(drop)
        })
    })
}

#[test]
fn the_seed_is_wiped_after_its_import() -> Result<()> {
    THREE.lend(|three| {
        three.fleet.nodes().try_for_each(|node| {
            node.sh("seed=/dev/ashlar/seed && \
             cmp --bytes=$(blockdev --getsize64 $seed) $seed /dev/zero")
                .map(drop)
        })
    })
}

#[test]
fn state_and_data_are_on_the_disk_that_was_booted_from() -> Result<()> {
    THREE.lend(|three| {
        three.fleet.nodes().try_for_each(|node| {
            node.sh("disk=$(basename $(realpath /dev/ashlar/disk)) && \
                 for mount in /var /data; do \
                     source=$(findmnt -no SOURCE $mount) && \
                     test \"$(lsblk --noheadings --output PKNAME $source)\" = $disk || exit 1; \
                 done && test \"$(ls /run/ashlar/boot-disk)\" = $disk")
                .map(drop)
        })
    })
}

#[test]
fn a_good_boot_is_blessed() -> Result<()> {
    THREE.lend(|three| {
        three.fleet.nodes().try_for_each(|node| {
            node.sh("systemctl is-active boot-complete.target")?;
            // A counter that is left would be in the name: ashlar_0.1.0+3.efi.
            let entries = node.sh("ls \"$(bootctl --print-esp-path)/EFI/Linux\"")?;
            ensure!(entries.contains("ashlar_") && !entries.contains('+'), "{entries}");
            Ok(())
        })
    })
}

#[test]
fn the_monitor_shows_who_the_box_is_and_that_it_is_ready() -> Result<()> {
    THREE.lend(|three| {
        let node = three.fleet.node(1);
        let address = node.address()?;
        // The characters of the first virtual terminal, as the kernel has them.
        let read = "cols=$(stty size </dev/tty1 | cut -d' ' -f2); fold -w \"$cols\" /dev/vcs1";
        three.fleet.until("its own screen on the monitor", Duration::from_secs(60), || {
            let screen = node.sh(read)?;
            // It works, whether or not something wants to be looked at besides.
            let works = screen.contains("All is well") || screen.contains("It works");
            ensure!(works, "the word is another:\n{screen}");
            for text in ["site vm-three", &address, "network", "swarm", "members"] {
                ensure!(screen.contains(text), "no {text:?} on the screen:\n{screen}");
            }
            ensure!(!screen.contains("login:"), "{screen}");
            Ok(Some(()))
        })?;
        // And the picture of it is no black one: that packs into less.
        let picture = three.fleet.cluster().screenshot("node1")?;
        let directory = workspace().join("out/screenshots");
        std::fs::create_dir_all(&directory)?;
        std::fs::write(directory.join("node1.png"), &picture)?;
        ensure!(picture.starts_with(b"\x89PNG"), "no PNG");
        ensure!(picture.len() > 6000, "{} bytes: an empty screen", picture.len());
        Ok(())
    })
}

/// What is pressed at a computer to find a shell behind its screen.
#[test]
fn no_key_leads_to_a_login_or_a_shell() -> Result<()> {
    THREE.lend(|three| {
        let node = three.fleet.node(2);
        let boot = node.boot_id()?;
        for keys in ["alt-f2", "ctrl-alt-f3", "alt-f6", "ctrl-alt-delete", "ctrl-c", "ctrl-z"] {
            Ashlar::new([
                "vm",
                "press",
                "--name",
                three.fleet.cluster().name(),
                node.name(),
                keys,
            ])?
            .succeeds()?;
        }
        // A crash of the screen is another way; what comes back is the screen.
        let screen = || node.sh("systemctl show --value -p MainPID ashlar-console");
        let before = screen()?;
        node.sh("systemctl kill -s KILL ashlar-console")?;
        three.fleet.until("the screen is back", Duration::from_secs(120), || {
            let now = screen()?;
            let begun = now != "0" && now != before;
            // Until then it is systemd's, which sets it up.
            Ok((begun && node.sh(&format!("cat /proc/{now}/comm || true"))? == "ashlar-console")
                .then_some(()))
        })?;
        let shown = node.sh("cat /sys/class/tty/tty0/active")?;
        ensure!(shown == "tty1", "{shown} is shown");
        // Whoever has a terminal for its own, but for the harness's way in.
        let who = node.sh("ps -e --no-headers -o tty=,comm= | grep -v '^?' || true")?;
        for line in who.lines() {
            ensure!(line.ends_with("ashlar-console"), "on a terminal: {line}");
        }
        let logins = node.sh("systemctl list-units --no-legend 'getty@*' 'serial-getty@*'")?;
        ensure!(logins.is_empty(), "{logins}");
        ensure!(node.boot_id()? == boot, "a key restarted the box");
        Ok(())
    })
}

#[test]
fn no_unit_has_failed_and_no_console_tells_of_trouble() -> Result<()> {
    // Consoles are looked through after every test to which three were lent.
    THREE.lend(|three| claims::no_unit_has_failed(&three.fleet))
}
