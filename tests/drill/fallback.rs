//! Another network at the screen, by which nobody answers: `just drill fallback`. A box
//! with a lease is given a wrong address by its keyboard, is cut off, and is back two
//! minutes later without a keystroke. Pictures are left in `out/drill-fallback`.

use crate::built;
use anyhow::{Result, ensure};
use ashlar_site::{PinHash, Site};
use ashlar_tests::machine::{Machine, Setup, drive, stamped, telling};
use ashlar_tests::project::scratch;
use ashlar_tests::site;

const PIN: &str = "4711";

/// What the screen shows, one after the other. The kernel tells what is on it.
const SHOWN: [&str; 9] = [
    "change the network of this box",
    "an address of its own",
    "Address: _",
    "Expected an address",
    "Router: _",
    "Name servers: _",
    "y try it",
    "PIN of this site",
    "and undone in",
];

/// Says how the box stands and what its screen shows.
fn tells() -> String {
    let shown = SHOWN.map(|words| format!("see \"{words}\"; ")).concat();
    let out = "until ip -4 route show default | grep -q \"via 10.0.2.2 \"; do sleep 1; done; ";
    telling(&format!(
        "see() {{ until grep -aqF \"$$1\" /dev/vcs1; do sleep 1; done; echo \"DRILL: shows $$1.\"; }}; \
         ashlarctl wait --timeout 1400 && echo DRILL: ready; {out} echo DRILL: out before; {shown} \
         until ip -4 address | grep -q 192.168.7.21; do sleep 1; done; \
         until ip neigh show 192.168.7.1 | grep -q FAILED; \
         do bash -c \"echo > /dev/udp/192.168.7.1/9\"; sleep 1; done; \
         echo \"DRILL: during: $$(ip -4 route show default) $$(ip neigh show 192.168.7.1).\"; \
         see \"a change of the network was undone: no router\"; {out} \
         ip neigh flush dev $$(ip -4 route show default | cut -d \" \" -f 5); \
         until ip neigh show 10.0.2.2 | grep -q lladdr; \
         do bash -c \"echo > /dev/udp/10.0.2.2/9\"; sleep 1; done; \
         echo DRILL: out again; \
         ashlarctl wait --timeout 120 && echo DRILL: ready still"
    ))
}

#[test]
fn a_wrong_address_typed_at_the_screen_cuts_a_box_off_for_two_minutes_and_no_longer() -> Result<()>
{
    let image = built("retail")?.disk()?;
    let room = scratch("drill-fallback")?;
    let mut site = Site { expect: Some(1), ..site::fresh("mistyped")? };
    site.console.pin_hash = Some(PinHash::of(PIN)?);
    let disk = stamped(&image, &site, room.path())?;
    let unit = tells();
    let setup = Setup {
        drives: vec![drive("disk", &disk)],
        networks: vec!["user,id=shop".to_owned()],
        devices: vec![
            "virtio-blk-pci,drive=disk,bootindex=0".to_owned(),
            "virtio-net-pci,netdev=shop,romfile=".to_owned(),
        ],
        units: vec![("drill.service", &unit, "multi-user.target")],
        apart: true,
        ..Setup::default()
    };
    let mut machine = Machine::start(room.path(), "fallback", &setup)?;
    machine.until(Some("DRILL: out before"))?;
    ensure!(machine.said().contains("DRILL: ready"), "it was not ready:\n{}", machine.said());
    machine.picture("drill-fallback", "0-before.png")?;

    let mut stage = Stage { machine: &mut machine, shown: 0 };
    stage.press(&["a"])?;
    // After restart, power off and the stick.
    stage.press(&["down", "down", "down", "ret"])?;
    stage.press(&["down", "ret"])?;
    stage.types("192.168.7.21")?;
    stage.types("/24")?;
    stage.types("192.168.7.1")?;
    stage.types("")?;
    stage.press(&["y"])?;
    stage.types(PIN)?;
    machine.until(Some("DRILL: during: "))?;
    machine.picture("drill-fallback", "10-during.png")?;
    machine.until(Some("DRILL: shows a change of the network was undone"))?;
    machine.picture("drill-fallback", "11-undone.png")?;
    machine.until(Some("DRILL: ready still"))?;
    machine.picture_after(&["ret"], "drill-fallback", "12-after.png")?;

    let said = machine.said();
    let during = said.lines().find(|line| line.contains("DRILL: during: ")).unwrap_or_default();
    println!("{during}");
    ensure!(!during.contains("10.0.2.2") && !during.contains("lladdr"), "it was not cut off");
    ensure!(said.contains("DRILL: out again"), "nobody answers:\n{said}");
    Ok(())
}

/// A person before the screen, who reads before the next key.
struct Stage<'a> {
    machine: &'a mut Machine,
    shown: usize,
}

impl Stage<'_> {
    fn press(&mut self, keys: &[&str]) -> Result<()> {
        self.machine.press(keys)?;
        self.reads()
    }

    fn types(&mut self, text: &str) -> Result<()> {
        self.machine.types(text)?;
        self.reads()
    }

    fn reads(&mut self) -> Result<()> {
        let words = SHOWN[self.shown];
        self.shown += 1;
        self.machine.until(Some(&format!("DRILL: shows {words}.")))?;
        self.machine.picture("drill-fallback", &format!("{}.png", self.shown))
    }
}
