//! A reset that is chosen on a stick which no box has run from: `just drill stick`. It
//! says that there is nothing to reset, and the box restarts when it is pulled. The
//! picture is left in `out/drill-stick`.

use crate::built;
use anyhow::{Result, ensure};
use ashlar_tests::machine::{Machine, Setup};
use ashlar_tests::project::scratch;
use std::fs::File;

/// As large as a stick that could become a box.
const STICK: u64 = 16 << 30;

#[test]
fn a_reset_chosen_on_a_stick_that_no_box_ran_from_says_so_and_ends_when_it_is_pulled() -> Result<()>
{
    let image = built("retail")?.disk()?;
    let room = scratch("drill-stick")?;
    let stick = room.path().join("stick.img");
    std::fs::copy(&image, &stick)?;
    File::options().write(true).open(&stick)?.set_len(STICK)?;
    let before = partitions(&stick)?;
    let setup = Setup {
        drives: vec![format!("if=none,id=disk,format=raw,file={}", stick.display())],
        devices: vec![
            "pcie-root-port,id=bay,chassis=1".to_owned(),
            "virtio-blk-pci,drive=disk,bus=bay,id=stick,bootindex=0".to_owned(),
        ],
        // As the menu's entry, which the firmware of a test cannot be told of.
        command_line: "ashlar.role=reset",
        ..Setup::default()
    };
    let mut machine = Machine::start(room.path(), "stick", &setup)?;
    machine.until(Some("holds nothing of its own to reset"))?;
    machine.until(Some("switches itself off in 10 minutes"))?;
    machine.picture("drill-stick", "nothing.png")?;
    machine.pull("stick")?;
    machine.until(None)?;
    let said = machine.said();
    for words in ["All that this box keeps will be gone", "could not start", "Factory reset: done"]
    {
        ensure!(!said.contains(words), "{words}:\n{said}");
    }
    ensure!(partitions(&stick)? == before, "the stick was written");
    Ok(())
}

/// Its table, which a first boot would change.
fn partitions(disk: &std::path::Path) -> Result<Vec<u8>> {
    use std::os::unix::fs::FileExt;
    let mut table = vec![0; 1 << 20];
    File::open(disk)?.read_exact_at(&mut table, 0)?;
    Ok(table)
}
