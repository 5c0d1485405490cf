//! Every form that an image is published in boots: `just drill formats`. One machine at
//! a time, of the minimal image.

use anyhow::{Context, Result, ensure};
use ashlar_machine::Backend;
use ashlar_tests::command::workspace;
use ashlar_tests::fleet::Fleet;
use ashlar_tests::project::entries;
use ashlar_tests::site;
use std::path::PathBuf;
use std::time::Duration;

/// For a machine to boot without KVM.
const PATIENCE: Duration = Duration::from_secs(600);

/// What the drill has built.
fn image(ending: &str) -> Result<PathBuf> {
    let latest = workspace().join("out/minimal/latest");
    let found = entries(&latest)?.into_iter().find(|path| path.to_string_lossy().ends_with(ending));
    found.with_context(|| format!("no *{ending} in {}: see `just drill`", latest.display()))
}

/// Waits until the agent of its only node says why it has no identity.
fn waits_for(fleet: &Fleet, what: &str) -> Result<()> {
    fleet.until(&format!("an agent that says {what:?}"), PATIENCE, || {
        let phases = fleet.node(1).status()?.phases;
        let identity = phases.first().context("a phase")?;
        Ok((!identity.holds && identity.detail.contains(what)).then_some(()))
    })?;
    println!("its agent answered {:.0} s after power-on", fleet.since_power_on().as_secs_f64());
    fleet.until("a boot that has ended well", PATIENCE, || {
        let state = fleet.node(1).try_sh("systemctl is-system-running")?;
        Ok((state.text().trim() == "running").then_some(()))
    })?;
    fleet.consoles_are_clean()
}

/// A node with a site and with its partitions on its disk.
fn is_ready_from_its_disk(name: &str, ending: &str) -> Result<()> {
    let site = site::fresh("stick")?;
    let fleet = Fleet::of_image(Backend::Vm, name, 1, &site, &image(ending)?)?;
    let node = fleet.node(1);
    fleet.until("a ready node", PATIENCE, || {
        Ok(node.status()?.phases.iter().all(|phase| phase.holds).then_some(()))
    })?;
    println!("it was ready {:.0} s after power-on", fleet.since_power_on().as_secs_f64());
    node.sh("findmnt --types ext4 /var && findmnt --types xfs /data")?;
    ensure!(node.sh("basename $(realpath /dev/ashlar/disk)")? == "vda");
    fleet.consoles_are_clean()
}

#[test]
fn a_qcow2_is_a_node_with_its_site_and_its_partitions() -> Result<()> {
    is_ready_from_its_disk("vm-qcow2", ".qcow2")
}

#[test]
fn a_vmdk_is_a_node_with_its_site_and_its_partitions() -> Result<()> {
    is_ready_from_its_disk("vm-vmdk", ".vmdk")
}

#[test]
fn an_iso_on_a_stick_is_a_node_with_its_site_and_its_partitions() -> Result<()> {
    is_ready_from_its_disk("vm-iso-stick", ".iso")
}

#[test]
fn a_dvd_boots_keeps_everything_in_memory_and_says_that_it_does() -> Result<()> {
    let fleet = Fleet::without_site("vm-dvd", &image(".iso")?)?;
    waits_for(&fleet, "cannot be written")?;
    let node = fleet.node(1);
    let sources = node.sh("findmnt -no SOURCE /var && findmnt -no SOURCE /data")?;
    ensure!(sources.lines().all(|source| source.starts_with("/dev/loop")), "{sources}");
    // The box's own disk is as it was.
    node.sh("cmp --bytes=16777216 /dev/vda /dev/zero")?;
    let screen = "cols=$(stty size </dev/tty1 | cut -d' ' -f2); fold -w \"$cols\" /dev/vcs1";
    fleet.until("a word of it on the monitor", Duration::from_secs(60), || {
        let screen = node.sh(screen)?;
        ensure!(screen.contains("cannot be written"), "{screen}");
        Ok(Some(()))
    })
}
