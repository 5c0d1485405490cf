//! A file for whoever helps, from the screen onto a stick: `just drill support`. A
//! virtual machine with a stick in its USB port, which images for virtual machines know
//! nothing of, is asked by its keyboard. Pictures are left in `out/drill-support`.

use crate::PATIENCE;
use crate::built;
use anyhow::{Context, Result, ensure};
use ashlar_machine::Deadline;
use ashlar_site::Site;
use ashlar_tests::machine::{Machine, Setup, stamped, telling};
use ashlar_tests::project::scratch;
use ashlar_tests::site;
use std::fs::File;
use std::io::Read;
use std::time::Duration;

const STICK: u64 = 64 << 20;

/// Says when the screen can be asked, and what became of it.
const TELL: &str = "ashlarctl wait --timeout 1400 && echo DRILL: ready; \
    journalctl --follow --output=cat --grep=\".tar.zst is on sd\"";

/// Letters that are in no name, and that a key has.
const SHORTEST: usize = 24;

#[test]
fn a_box_writes_what_a_helper_needs_onto_a_stick_and_no_secret_of_its_site() -> Result<()> {
    let image = built("retail-metal")?.disk()?;
    let room = scratch("drill-support")?;
    let place = |name: &str| room.path().join(name);
    stamped(&image, &Site { expect: Some(1), ..site::fresh("helped")? }, room.path())?;
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
    let written = Deadline::within(PATIENCE).poll(Duration::from_secs(5), || -> Result<_> {
        let written = machine.said().contains(".tar.zst is on sd");
        if !written {
            machine.press(&["ret"])?;
        }
        Ok(written.then_some(()))
    })?;
    written.with_context(|| format!("nothing was written:\n{}", machine.said()))?;
    machine.picture("drill-support", "written.png")?;
    drop(machine);

    let stick = fatfs::FileSystem::new(File::open(place("stick.img"))?, fatfs::FsOptions::new())?;
    let names = stick.root_dir().iter().map(|entry| Ok(entry?.file_name()));
    let names = names.collect::<Result<Vec<String>>>()?;
    let name = names.iter().find(|name| name.ends_with(".tar.zst"));
    let name = name.with_context(|| format!("no bundle among {names:?}"))?;
    let mut archive = Vec::new();
    ruzstd::decoding::StreamingDecoder::new(stick.root_dir().open_file(name)?)?
        .read_to_end(&mut archive)?;
    let archive = String::from_utf8_lossy(&archive);
    ensure!(archive.contains("ashlar-agent"), "no journal in it");
    let site = std::fs::read_to_string(place("site.toml"))?;
    let secrets: Vec<&str> = site.split('"').filter(|text| text.len() >= SHORTEST).collect();
    ensure!(!secrets.is_empty(), "a site without a secret");
    for secret in secrets {
        ensure!(!archive.contains(secret), "a secret of the site is in it");
    }
    Ok(())
}
