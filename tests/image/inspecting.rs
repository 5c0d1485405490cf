//! What can be told of a finished image: sizes, differences, materials, holes.

use anyhow::{Context, Result, ensure};
use ashlar_sandbox::{Sandbox, Trace};
use ashlar_tests::command::{Ashlar, run};
use ashlar_tests::image::Built;
use ashlar_tests::project::{scratch, tools_root};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;

/// `ashlar WORDS… IMAGE --json`, which must succeed.
fn told(words: &[&str]) -> Result<Value> {
    Ashlar::new(words)?.arg(Built::retail()?.disk()?).arg("--json").succeeds()?.json()
}

fn list<'a>(value: &'a Value, what: &str) -> Result<&'a Vec<Value>> {
    value.as_array().with_context(|| format!("{what} is no list"))
}

#[test]
fn every_byte_of_the_root_is_somebodys() -> Result<()> {
    let sizes = told(&["size"])?;
    let sum = |key: &str| -> Result<u64> {
        let costs = list(&sizes[key], key)?.iter();
        Ok(costs.filter_map(|cost| cost["stored"].as_u64()).sum())
    };
    let root = sizes["root"].as_u64().context("root")?;
    let told = sum("packages")? + sum("modules")?;
    println!("{told} of {root} bytes are told");
    // The rest is directories, links and inodes.
    ensure!(told <= root && told * 100 >= root * 97, "{told} of {root} bytes");
    let packages = list(&sizes["packages"], "packages")?;
    ensure!(packages.iter().any(|cost| cost["name"] == "docker.io"), "no docker.io");
    let others = list(&sizes["others"], "others")?;
    ensure!(others.iter().any(|cost| cost["name"] == "/usr/bin/ashlar-agent"), "no agent");
    ensure!(list(&sizes["modules"], "modules")?.len() > 100, "modules");
    Ok(())
}

#[test]
fn a_machine_is_told_what_the_image_lacks_for_it() -> Result<()> {
    let room = scratch("scanned")?;
    let device = |bus: &str, id: &str, modalias: &str| {
        let place = room.path().join("sys/bus").join(bus).join("devices").join(id);
        std::fs::create_dir_all(&place)?;
        std::fs::write(place.join("modalias"), modalias)?;
        anyhow::Ok(place)
    };
    device("virtio", "virtio0", "virtio:d00000002v00001AF4")?;
    // A sound card: the small kernel has none.
    let sound = device("pci", "0000:00:1b.0", "pci:v00008086d0000A170sv0sd0bc04sc03i00")?;
    std::os::unix::fs::symlink("../../drivers/snd_hda_intel", sound.join("driver"))?;
    let (sys, till) = (room.path().join("sys"), room.path().join("till.txt"));
    let (sys, file) = (sys.to_str().context("sys")?, till.to_str().context("till")?);
    let scan = told(&["scan", "--sys", sys, "--write", file])?;
    ensure!(scan["lacking"] == json!(["snd_hda_intel"]), "{scan}");
    let disk = &list(&scan["devices"], "devices")?[1];
    ensure!(disk["driven"] == "yes" && disk["modules"] == json!(["virtio_blk"]), "{disk}");
    ensure!(std::fs::read_to_string(&till)?.lines().last() == Some("snd_hda_intel"));
    Ok(())
}

#[test]
fn an_image_does_not_differ_from_itself() -> Result<()> {
    let image = Built::retail()?.disk()?;
    let same = told(&["compare", image.to_str().context("a path")?])?;
    ensure!(same["same"] == true && same["concerns_security"] == false, "{same}");
    // Nothing differs; but something was looked at.
    ensure!(list(&same["parts"], "parts")?.len() > 10, "{same}");
    Ok(())
}

#[test]
fn the_bill_of_materials_has_every_package_of_the_root_with_a_licence() -> Result<()> {
    let bill = told(&["sbom", "--format", "spdx"])?;
    let packages = list(&bill["packages"], "packages")?;
    let of = |kind: &str| {
        let prefix = format!("SPDXRef-{kind}-");
        let is = move |package: &&Value| {
            package["SPDXID"].as_str().is_some_and(|id| id.starts_with(&prefix))
        };
        packages.iter().filter(is).collect::<Vec<_>>()
    };
    let debian = of("deb");
    let names = |list: &[&Value]| -> BTreeSet<String> {
        list.iter().filter_map(|package| package["name"].as_str().map(str::to_owned)).collect()
    };
    let root = told(&["inspect", "--packages"])?;
    let installed: Vec<&Value> = list(&root["packages"], "packages")?.iter().collect();
    ensure!(names(&debian) == names(&installed), "the bill and the root have other packages");

    let unknown: Vec<_> =
        debian.iter().filter(|package| package["licenseDeclared"] == "NOASSERTION").collect();
    ensure!(unknown.len() * 20 < debian.len(), "without licence: {:?}", unknown);
    ensure!(names(&of("bin")).contains("ashlar-agent"), "our own programs");
    ensure!(names(&of("crate")).contains("tokio"), "the crates that they are made of");
    Ok(())
}

/// A tracker that knows one hole of one package of the image.
fn tracker(directory: &Path) -> Result<std::path::PathBuf> {
    let hole = json!({ "releases": { "trixie": { "status": "open", "urgency": "high" } } });
    let path = directory.join("tracker.json");
    std::fs::write(&path, json!({ "docker.io": { "CVE-2026-0001": hole } }).to_string())?;
    Ok(path)
}

#[test]
fn a_known_hole_is_open_until_somebody_gives_a_reason_and_a_day() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let tracker = tracker(directory.path())?;
    let ignore = directory.path().join("cve.toml");
    let cve = |until: Option<&str>| -> Result<(bool, Value)> {
        let mut cve = Ashlar::new(["cve", "--json", "--tracker"])?.arg(&tracker);
        if let Some(until) = until {
            let entry =
                format!("[[ignore]]\nid = 'CVE-2026-0001'\nreason = 'a test'\nuntil = '{until}'\n");
            std::fs::write(&ignore, entry)?;
            cve = cve.arg("--ignore").arg(&ignore);
        }
        let ran = cve.arg(Built::retail()?.disk()?).run()?;
        Ok((ran.succeeded(), ran.json()?))
    };
    let (clean, said) = cve(None)?;
    ensure!(!clean && said["open"][0]["packages"][0] == "docker-cli", "{said}");
    let (clean, said) = cve(Some("9999-12-31"))?;
    ensure!(clean && said["ignored"][0]["id"] == "CVE-2026-0001", "{said}");
    let (clean, said) = cve(Some("2020-01-01"))?;
    ensure!(!clean && said["expired"][0]["reason"] == "a test", "{said}");
    Ok(())
}

#[test]
fn a_line_that_verbose_prints_does_the_same_when_it_is_pasted() -> Result<()> {
    let directory = scratch("pasted")?;
    let file = directory.path().join("a file");
    std::fs::write(&file, "it's read")?;
    let (told, lines) = mpsc::channel();
    let trace = Trace::new(move |_: &str, line: &str| drop(told.send(line.to_owned())));
    let sandbox = Sandbox::new(&tools_root()?).traced(Some(trace));
    let script = r#"umask; hostname; printf '%s|' "$1" "$TZ" "$ODD" "$(cat /run/in)""#;
    let tool = sandbox.script("asking", script).args(["sh", "$HOME 'and' \"more\""]);
    let said = tool.env("ODD", "two\nlines").read(&file, "in").run()?;
    let line = lines.recv()?;
    let pasted = run(Command::new("sh").arg("-c").arg(&line))?;
    ensure!(said == pasted && said.contains("it's read"), "{line}\n{said}\n{pasted}");
    Ok(())
}
