//! `manifest.json` and the bills of materials: what is in an image and what it
//! was made from. Nothing in them differs between two builds of the same inputs.

use crate::error::{At, BuildError, Result};
use crate::execute::Build;
use crate::layer::PROGRAMS;
use crate::plan::shown;
use crate::sbom::{Format, Gather, SbomInput, crates, render};
use crate::step::{ALL, BASE, DISK, MODULES, ROOT, SYSTEM, StepId};
use crate::tools::Toolbox;
use crate::{digest, loader, programs};
use ashlar_recipe::{Composed, Lock, LockedPackage};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// An artefact.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Made {
    /// Its size.
    pub bytes: u64,
    /// Its hash.
    pub sha256: String,
}

#[derive(Clone, Debug, Serialize)]
struct Manifest<'a> {
    /// Format version.
    manifest: u32,
    profile: &'a str,
    version: &'a str,
    architecture: &'static str,
    root_hash: String,
    kernel: String,
    command_line: String,
    /// Bytes of the smallest disk that it boots from.
    disk_bytes: u64,
    partitions: Vec<ManifestPartition>,
    artefacts: &'a BTreeMap<String, Made>,
    packages: &'a [LockedPackage],
    /// What the firmware runs before the kernel.
    boot: Vec<ManifestBoot<'a>>,
    programs: Vec<ManifestProgram>,
    tools: BTreeMap<String, String>,
    /// The key of each step, and its inputs.
    steps: BTreeMap<&'static str, ManifestStep>,
}

#[derive(Clone, Debug, Serialize)]
struct ManifestBoot<'a> {
    name: &'static str,
    sha256: String,
    package: &'static str,
    package_version: &'a str,
}

#[derive(Clone, Debug, Serialize)]
struct ManifestProgram {
    path: String,
    sha256: String,
    /// By its own words.
    compiler: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
struct ManifestStep {
    key: String,
    inputs: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Serialize)]
struct ManifestPartition {
    label: String,
    kind: String,
    uuid: String,
    offset: u64,
    size: u64,
}

/// One line of systemd-repart's `--json`.
#[derive(Debug, Deserialize)]
struct RepartPartition {
    label: String,
    #[serde(rename = "type")]
    kind: String,
    uuid: String,
    offset: u64,
    raw_size: u64,
}

/// The documents of a build by name.
pub(crate) fn documents(
    build: &Build<'_>,
    composed: &Composed,
    lock: &Lock,
    name: &str,
    made: &BTreeMap<String, Made>,
) -> Result<Vec<(String, String)>> {
    let bill = bill(build, composed, lock)?;
    Ok(vec![
        ("manifest.json".to_owned(), json(&manifest(build, composed, lock, made)?)?),
        (format!("{name}.spdx.json"), render(&bill, Format::Spdx)?),
        (format!("{name}.cdx.json"), render(&bill, Format::CycloneDx)?),
    ])
}

fn manifest<'a>(
    build: &'a Build<'_>,
    composed: &'a Composed,
    lock: &'a Lock,
    artefacts: &'a BTreeMap<String, Made>,
) -> Result<Manifest<'a>> {
    let read = |path: &Path| std::fs::read_to_string(path).at("read", path);
    let text = read(&build.output(DISK).join("partitions.json"))?;
    let partitions: Vec<RepartPartition> =
        serde_json::from_str(&text).map_err(|error| BuildError::Unexpected {
            what: format!("systemd-repart described the partitions in an unknown way: {error}"),
        })?;
    let step = |id: StepId| {
        let planned = build.plan.step(id)?;
        let inputs = planned.inputs.iter().map(|(name, value)| (name.clone(), shown(value)));
        Some((id.as_str(), ManifestStep { key: planned.key.clone(), inputs: inputs.collect() }))
    };
    // The steps that make the disk: what else is made from it changes nothing in it.
    let disk = ALL.iter().map(|step| step.id()).take_while(|id| *id != DISK).chain([DISK]);
    Ok(Manifest {
        manifest: 2,
        profile: &composed.name,
        version: build.version,
        architecture: "x86-64",
        root_hash: read(&build.output(ROOT).join("roothash"))?.trim().to_owned(),
        kernel: read(&build.output(MODULES).join("version"))?,
        command_line: loader::command_line(composed),
        disk_bytes: composed.recipe.disk.smallest(),
        partitions: partitions
            .into_iter()
            .map(|part| ManifestPartition {
                label: part.label,
                kind: part.kind,
                uuid: part.uuid,
                offset: part.offset,
                size: part.raw_size,
            })
            .collect(),
        artefacts,
        packages: &lock.packages,
        boot: boot(build, lock)?,
        programs: PROGRAMS.into_iter().map(|name| program(build, name)).collect::<Result<_>>()?,
        tools: build.toolbox.map(Toolbox::named_versions).unwrap_or_default(),
        steps: disk.filter_map(step).collect(),
    })
}

fn boot<'a>(build: &Build<'_>, lock: &'a Lock) -> Result<Vec<ManifestBoot<'a>>> {
    let package = lock.packages.iter().find(|package| package.name == loader::PACKAGE);
    let folder = build.output(BASE).join("root").join(loader::FOLDER);
    let one = |name: &'static str| {
        Ok(ManifestBoot {
            name,
            sha256: digest::file(&folder.join(name))?,
            package: loader::PACKAGE,
            package_version: package.map_or("", |package| package.version.as_str()),
        })
    };
    [loader::LOADER, loader::STUB].into_iter().map(one).collect()
}

fn program(build: &Build<'_>, name: &str) -> Result<ManifestProgram> {
    let place = staged_program(build, name)?;
    let content = std::fs::read(place).at("read", place)?;
    Ok(ManifestProgram {
        path: format!("/usr/bin/{name}"),
        sha256: digest::text(&content),
        compiler: programs::compiler_of(&content),
    })
}

fn staged_program<'a>(build: &'a Build<'_>, name: &str) -> Result<&'a Path> {
    let found = build.staged.get(&ROOT).and_then(|staged| staged.place(name));
    found.ok_or_else(|| BuildError::Unexpected { what: format!("{name} was not staged") })
}

/// What is in the root: the unpacked packages, and all that is laid over them.
fn bill(build: &Build<'_>, composed: &Composed, lock: &Lock) -> Result<SbomInput> {
    let mut gather = Gather::new(&composed.name, build.version);
    gather.root(&build.output(BASE).join("root"))?;
    gather.hashes(lock);
    let places = build.staged.get(&SYSTEM).into_iter().flat_map(|staged| &staged.places);
    for (_, overlay) in places.filter(|(name, _)| name.starts_with("overlay ")) {
        gather.overlay(overlay)?;
    }
    for program in PROGRAMS {
        gather.file(staged_program(build, program)?, &format!("/usr/bin/{program}"), true)?;
    }
    if let Some(crates) = build.staged.get(&ROOT).and_then(|staged| staged.place(crates::LIST)) {
        gather.listed_crates(crates)?;
    }
    Ok(gather.finish())
}

fn json(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(value);
    text.map(|text| text + "\n").map_err(|error| BuildError::Unexpected {
        what: format!("a document cannot be written as JSON: {error}"),
    })
}
