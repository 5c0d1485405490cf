//! Clocks that are wrong: `just drill clocks`. Three boxes without a time server are
//! switched on at once; the clock of one is years ahead. They form one cluster, by the
//! time that two of them show.

use crate::built;
use anyhow::{Context, Result, ensure};
use ashlar_tests::machine::{Machine, Setup, drive, stamped, telling};
use ashlar_tests::project::scratch;
use ashlar_tests::site;
use jiff::Timestamp;

/// What the wrong one shows.
const AHEAD: &str = "2031-03-01T12:00:00";

const TELL: &str = "echo \"DRILL: began $$(date +%%s)\"; \
    ashlarctl wait --timeout 1400 && echo DRILL: ready; ashlarctl history; \
    echo \"DRILL: ends $$(date +%%s)\"; echo DRILL: over";

#[test]
fn a_box_that_is_years_ahead_goes_by_the_others_and_joins_them() -> Result<()> {
    let image = built("retail")?.disk()?;
    let room = scratch("drill-clocks")?;
    let site = site::expecting(3, "clocks")?;
    let unit = telling(TELL);
    let mut machines = Vec::new();
    for (number, clock) in [Some(AHEAD), None, None].into_iter().enumerate() {
        let place = room.path().join(format!("box{number}"));
        std::fs::create_dir(&place)?;
        let disk = stamped(&image, &site, &place)?;
        let setup = Setup {
            drives: vec![drive("disk", &disk)],
            devices: vec![
                "virtio-blk-pci,drive=disk,bootindex=0".to_owned(),
                format!("virtio-net-pci,netdev=segment,mac=52:54:00:0c:10:{number:02x},romfile="),
            ],
            units: vec![("drill.service", &unit, "multi-user.target")],
            clock,
            ..Setup::default()
        };
        machines.push(Machine::start(&place, "clocks", &setup)?);
    }
    for machine in &mut machines {
        machine.until(Some("DRILL: over"))?;
    }
    for (number, machine) in machines.iter().enumerate() {
        let said = machine.said();
        let shows = |words: &str| -> Result<i64> {
            let rest = said.split(words).nth(1).and_then(|rest| rest.split_whitespace().next());
            Ok(rest.with_context(|| format!("no {words}:\n{said}"))?.parse()?)
        };
        let (began, ends) = (shows("DRILL: began ")?, shows("DRILL: ends ")?);
        println!("box {number}: began at {began}, ended at {ends}");
        ensure!(said.contains("DRILL: ready"), "box {number} was not ready:\n{said}");
        let now = Timestamp::now().as_second();
        ensure!(ends.abs_diff(now) < 600, "box {number} shows {ends}, and it is {now}:\n{said}");
        let set = said.contains("set the clock, which is 4 years ahead of the others'");
        ensure!(set == (number == 0), "box {number} set its clock: {set}:\n{said}");
    }
    Ok(())
}
