//! A file for whoever helps, from the screen onto a stick: `just drill support`. A
//! virtual machine with a stick in its USB port, which images for virtual machines know
//! nothing of, is asked by its keyboard. Pictures are left in `out/drill-support`.

use crate::PATIENCE;
use crate::built;
use anyhow::{Context, Result};
use ashlar_machine::Deadline;
use ashlar_site::{PinHash, Proxy, SecretText, Site, Wifi};
use ashlar_tests::claims::a_bundle_holds_no_secret;
use ashlar_tests::machine::{Machine, Setup, stamped, telling};
use ashlar_tests::project::scratch;
use ashlar_tests::site;
use std::fs::File;
use std::time::Duration;

const STICK: u64 = 64 << 20;

/// Says when the screen can be asked, and what became of it.
const TELL: &str = "ashlarctl wait --timeout 1400 && echo DRILL: ready; \
    until grep -aqF \"PIN of this site\" /dev/vcs1; do sleep 1; done; \
    echo DRILL: asks for the PIN; \
    journalctl --follow --output=cat --grep=\".tar.zst is on sd\"";

const PIN: &str = "4711";

/// A site with every kind of secret that a box is given, in letters that JSON and URLs
/// write otherwise.
fn secretive() -> Result<Site> {
    let mut site = Site { expect: Some(1), ..site::fresh("helped")? };
    site.console.pin_hash = Some(PinHash::of(PIN)?);
    let passphrase = Some(SecretText::new("a \"quiet\" passphrase & more".into()));
    site.network.wifi = Some(Wifi { ssid: "shop".into(), passphrase });
    let proxy = SecretText::new("http://till:s3cret%2Fproxy-w0rd@192.168.7.1:3128".into());
    site.network.proxy = Some(Proxy { http: Some(proxy), ..Proxy::default() });
    Ok(site)
}

#[test]
fn a_box_writes_what_a_helper_needs_onto_a_stick_and_no_secret_of_its_site() -> Result<()> {
    let image = built("retail-metal")?.disk()?;
    let room = scratch("drill-support")?;
    let place = |name: &str| room.path().join(name);
    let site = secretive()?;
    stamped(&image, &site, room.path())?;
    let mut stick = File::create_new(place("stick.img"))?;
    stick.set_len(STICK)?;
    let label = fatfs::FormatVolumeOptions::new().volume_label(*b"PHOTOS     ");
    fatfs::format_volume(&mut stick, label)?;

    let drive = |id: &str| {
        format!("if=none,id={id},format=raw,file={}", place(&format!("{id}.img")).display())
    };
    let unit = telling(TELL);
    let setup = Setup {
        drives: vec![drive("disk"), drive("stick")],
        devices: vec![
            "virtio-blk-pci,drive=disk,bootindex=0".to_owned(),
            "usb-storage,drive=stick,removable=on".to_owned(),
            "virtio-net-pci,netdev=segment,romfile=".to_owned(),
        ],
        units: vec![("drill.service", &unit, "multi-user.target")],
        ..Setup::default()
    };
    let mut machine = Machine::start(room.path(), "support", &setup)?;
    machine.until(Some("DRILL: ready"))?;
    machine.picture("drill-support", "before.png")?;
    machine.picture_after(&["a"], "drill-support", "actions.png")?;
    // After restart and power off.
    machine.picture_after(&["down", "down"], "drill-support", "chosen.png")?;
    machine.picture_after(&["ret"], "drill-support", "which.png")?;
    // A key that is pressed while the agent is asked counts for nothing.
    let asked = Deadline::within(PATIENCE).poll(Duration::from_secs(15), || -> Result<_> {
        let asked = machine.said().contains("DRILL: asks for the PIN");
        if !asked {
            machine.press(&["ret"])?;
        }
        Ok(asked.then_some(()))
    })?;
    asked.with_context(|| format!("no PIN is asked for:\n{}", machine.said()))?;
    machine.picture("drill-support", "pin.png")?;
    machine.press(&["4", "7", "1", "1", "ret"])?;
    machine.until(Some(".tar.zst is on sd"))?;
    machine.picture("drill-support", "written.png")?;
    drop(machine);

    let stick = fatfs::FileSystem::new(File::open(place("stick.img"))?, fatfs::FsOptions::new())?;
    let names = stick.root_dir().iter().map(|entry| Ok(entry?.file_name()));
    let names = names.collect::<Result<Vec<String>>>()?;
    let name = names.iter().find(|name| name.ends_with(".tar.zst"));
    let name = name.with_context(|| format!("no bundle among {names:?}"))?;
    a_bundle_holds_no_secret(stick.root_dir().open_file(name)?, &site)
}
