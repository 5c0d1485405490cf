//! *Try without touching a disk*: `just drill try`. A box with a disk of one site in it
//! is started from an installer's stick of another, and tried: it answers, and has no
//! site. Every byte of disk and stick is as it was. The picture is left in
//! `out/drill-try`.

use anyhow::{Result, ensure};
use ashlar_site::InstallRules;
use ashlar_tests::image::Built;
use ashlar_tests::skipped;
use ashlar_tests::till::{NVME, Till, ours};

#[test]
fn a_box_that_is_tried_answers_and_not_a_byte_of_disk_or_stick_is_another_one() -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        return skipped("a_box_that_is_tried", "loop devices need root");
    }
    let image = Built::metal()?.disk()?;
    // Its menu waits: a drill on a busy machine is slower than a person.
    let it = Till::of_site(&image, NVME, "drill-try", &ours(1, InstallRules::default())?)?;
    let before = it.sums()?;
    let mut machine = it.start("try", Some("stick"))?;
    machine.until(Some("Factory reset"))?;
    // After the system and the installer.
    machine.press(&["3", "ret"])?;
    machine.until(Some("DRILL: at first "))?;
    it.picture(&machine, "try.png")?;
    let said = machine.said();
    let first = said.lines().find(|line| line.contains("DRILL: at first")).unwrap_or_default();
    ensure!(
        first.contains("site\":null, /var on tmpfs, /data on tmpfs, this box is only tried"),
        "{first}"
    );
    drop(machine);
    ensure!(it.sums()? == before, "it was touched");
    Ok(())
}
