//! A boot that fails: `just drill failing`. A virtual machine whose kernel is told of
//! a root that no disk has shows why on screen and serial console, takes no key, and
//! restarts after five minutes. The picture is left in `out/drill-failing`.

use crate::built;
use anyhow::{Result, ensure};
use ashlar_tests::machine::{Machine, Setup};
use ashlar_tests::project::scratch;
use std::time::{Duration, Instant};

/// No root has this hash, and its disk is not waited for as long as others.
const WRONG: &str = "roothash=0000000000000000000000000000000000000000000000000000000000000000 \
    systemd.default_device_timeout_sec=20";

/// As long as the page is shown, without the second that its last words take.
const SHOWN: Duration = Duration::from_secs(299);

#[test]
fn a_boot_that_fails_says_why_takes_no_key_and_tries_again_after_five_minutes() -> Result<()> {
    let image = built("retail")?.disk()?;
    let room = scratch("drill-failing")?;
    let disk = format!("if=none,id=disk,format=raw,snapshot=on,file={}", image.display());
    let setup = Setup {
        drives: vec![disk],
        devices: vec!["virtio-blk-pci,drive=disk,bootindex=0".to_owned()],
        shown: vec![&image],
        command_line: WRONG,
        ..Setup::default()
    };
    let mut machine = Machine::start(room.path(), "failing", &setup)?;
    machine.until(Some("This box could not start."))?;
    machine.until(Some("it tries again in 5 minutes"))?;
    let shown = Instant::now();
    // What waited for the disk may give up later than what waited for its partitions.
    machine.until(Some("lacks this release's root"))?;
    machine.until(Some("ashlar-disk.service  "))?;
    machine.picture("drill-failing", "failed.png")?;
    machine.press(&["ret", "l", "s", "ret"])?;
    machine.until(None)?;
    let after = shown.elapsed();
    ensure!(after >= SHOWN, "it restarted after {} s", after.as_secs());
    let said = machine.said();
    let page = said.rsplit("This box could not start.").next().unwrap_or_default();
    for shell in ["# ", "login:", "Press Enter for maintenance"] {
        ensure!(!page.contains(shell), "a shell:\n{page}");
    }
    Ok(())
}
