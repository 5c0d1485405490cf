//! One stick for a whole shop: `just drill one-stick`. It installs three boxes of
//! different make, one after the other, the first over another site's disk. Each has
//! an identity of its own; with the stick left in the first they form one cluster.
//! That one is reset with its site, and joins again as another box, without a
//! keystroke. Pictures are left in `out/drill-one-stick`.

use crate::built;
use anyhow::{Result, ensure};
use ashlar_site::InstallRules;
use ashlar_tests::machine::Machine;
use ashlar_tests::skipped;
use ashlar_tests::till::{Hardware, NVME, Till, ours};
use std::collections::BTreeSet;
use std::time::Instant;

/// Of different make, and so with different addresses of their ports.
const BOXES: [Hardware; 3] = [
    Hardware { network: &["virtio-net-pci,netdev=segment,romfile=,mac=52:54:00:0b:0e:01"], ..NVME },
    Hardware {
        disk: &["ide-hd,bus=ide.0,drive=disk,serial=drill"],
        by: "/ata",
        bus: None,
        network: &["e1000e,netdev=segment,romfile=,mac=52:54:00:0b:0e:02"],
        driver: Some("/e1000e"),
        stick: true,
    },
    Hardware {
        disk: &["virtio-blk-pci,drive=disk"],
        by: "/virtio",
        network: &["virtio-net-pci,netdev=segment,romfile=,mac=52:54:00:0b:0e:03"],
        ..NVME
    },
];

#[test]
fn one_stick_makes_three_boxes_a_cluster_and_one_that_is_reset_joins_again() -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        return skipped("one_stick_makes_three_boxes", "loop devices need root");
    }
    let rules = InstallRules { unattended: true, allow_foreign: true, ..Default::default() };
    let image = built("retail-metal")?.disk()?;
    let [first, second, third] = BOXES;
    let first = Till::of_site(&image, first, "drill-one-stick", &ours(3, rules)?)?;
    let mut tills = vec![first.beside(second)?, first.beside(third)?];
    tills.insert(0, first);
    for (number, till) in tills.iter_mut().enumerate() {
        let begun = Instant::now();
        till.install()?;
        println!("box {}: installed in {} s", number + 1, begun.elapsed().as_secs());
        till.hardware.stick = number == 0;
    }

    let begun = Instant::now();
    let mut machines =
        tills.iter().map(|till| till.start("installed", None)).collect::<Result<Vec<Machine>>>()?;
    let mut names = BTreeSet::new();
    for (till, machine) in tills.iter().zip(&mut machines) {
        let name = till.is_ready(machine)?;
        println!("{name}: ready {} s after power-on", begun.elapsed().as_secs());
        names.insert(name);
    }
    ensure!(names.len() == 3, "two of them are one: {names:?}");

    let [machine, others @ ..] = machines.as_mut_slice() else { unreachable!("three boxes") };
    let taken = tills[0].resets(machine)?;
    ensure!(!machine.said().contains("DRILL: by its name"), "it was refused:\n{}", machine.said());
    println!("factory: {:.1} s from the command to the reboot", taken.as_secs_f64());
    let begun = Instant::now();
    *machine = tills[0].start("again", None)?;
    let name = tills[0].is_ready(machine)?;
    println!("{name}: ready {} s after the reboot", begun.elapsed().as_secs());
    ensure!(!names.contains(&name), "{name} is no other box");
    for other in others {
        other.until(Some(&format!("DRILL: ready beside {name}.")))?;
    }
    Ok(())
}
