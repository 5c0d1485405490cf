//! Puts a finished build into `out/<profile>/<version>/`: whole, or not at all.

use crate::digest;
use crate::error::{At, BuildError, Result};
use crate::layer::PROGRAMS;
use crate::plan::StepId;
use crate::project::Project;
use crate::sbom::{Format, Gather, SbomInput, render};
use crate::steps::Steps;
use crate::store::set_mode;
use ashlar_recipe::LockedPackage;
use ashlar_sandbox::SandboxError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// `manifest.json`: what is in an image and what it was made from. Nothing in it
/// differs between two builds of the same inputs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Manifest<'a> {
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
    artefacts: BTreeMap<String, Artefact>,
    packages: &'a [LockedPackage],
    tools: BTreeMap<String, String>,
    /// The key of each step, and its inputs.
    steps: BTreeMap<StepId, ManifestStep<'a>>,
}

#[derive(Clone, Debug, Serialize)]
struct ManifestStep<'a> {
    key: &'a str,
    inputs: &'a BTreeMap<String, String>,
}

#[derive(Clone, Debug, Serialize)]
struct Artefact {
    bytes: u64,
    sha256: String,
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

/// A build in its place.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    /// `out/<profile>/<version>/`.
    pub directory: PathBuf,
    /// Every file, with its size.
    pub files: BTreeMap<String, u64>,
}

/// The directory of a version.
pub(crate) fn place(project: &Project, profile: &str, version: &str) -> PathBuf {
    project.out().join(profile).join(version)
}

/// Publishes the outputs of `steps`; `wanted` tells whether the compressed image
/// is among them.
pub(crate) fn publish(
    steps: &Steps<'_>,
    project: &Project,
    wanted: &[StepId],
) -> Result<Published> {
    let profile = &steps.sources.composed.name;
    let parent = project.out().join(profile);
    std::fs::create_dir_all(&parent).at("made", &parent)?;
    // Builds with different caches may publish to one place.
    let lock = std::fs::File::create(parent.join(".lock")).at("made", &parent)?;
    lock.lock().at("locked", &parent)?;
    let name = format!("ashlar-{profile}-{}", steps.version);
    let draft = tempfile::Builder::new().prefix(".new-").tempdir_in(&parent).at("made", &parent)?;
    set_mode(draft.path(), 0o755)?;

    use StepId::{Checksum, Compressed, Disk, Root, Uki};
    let mut taken = vec![
        (Disk, "disk.raw", Checksum, format!("{name}.raw")),
        (Uki, "uki.efi", Uki, format!("{name}.efi")),
        (Root, "root.erofs", Root, format!("{name}.root.erofs")),
        (Root, "root.verity", Root, format!("{name}.root.verity")),
    ];
    if wanted.contains(&Compressed) {
        taken.push((Compressed, "disk.raw.zst", Compressed, format!("{name}.raw.zst")));
    }
    let mut artefacts = BTreeMap::new();
    for (step, file, hashed, name) in taken {
        let path = draft.path().join(&name);
        take(&steps.output(step).join(file), &path, step == Disk)?;
        let bytes = std::fs::metadata(&path).at("read", &path)?.len();
        let sum = steps.output(hashed).join(format!("{file}.sha256"));
        let sha256 = std::fs::read_to_string(&sum).at("read", &sum)?;
        artefacts.insert(name, Artefact { bytes, sha256 });
    }

    let manifest = json(&manifest(steps, artefacts.clone())?)?;
    let bill = bill(steps, project)?;
    let texts = [
        ("manifest.json".to_owned(), manifest),
        (format!("{name}.spdx.json"), render(&bill, Format::Spdx)?),
        (format!("{name}.cdx.json"), render(&bill, Format::CycloneDx)?),
    ];
    for (name, text) in texts {
        let path = draft.path().join(&name);
        std::fs::write(&path, &text).at("written", &path)?;
        let artefact = Artefact { bytes: text.len() as u64, sha256: digest::text(&text) };
        artefacts.insert(name, artefact);
    }
    let sums: String =
        artefacts.iter().map(|(name, made)| format!("{}  {name}\n", made.sha256)).collect();
    let path = draft.path().join("SHA256SUMS");
    std::fs::write(&path, sums).at("written", &path)?;

    let directory = place(project, profile, steps.version);
    replace(draft, &directory)?;
    point_latest_at(&parent, steps.version)?;
    let files = artefacts.into_iter().map(|(name, made)| (name, made.bytes)).collect();
    Ok(Published { directory, files })
}

/// Shares a file with the cache, or, for a disk image, which people boot and
/// change, copies it without its holes.
fn take(from: &Path, to: &Path, copy: bool) -> Result<()> {
    if !copy && std::fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    let status = std::process::Command::new("cp")
        .args(["--sparse=always", "--reflink=auto", "--"])
        .args([from, to])
        .stderr(std::process::Stdio::null())
        .status()
        .at("copied", from)?;
    if status.success() {
        return Ok(());
    }
    let place = to.parent().unwrap_or(to).to_owned();
    Err(SandboxError::DiskFull { what: "copying the image".into(), place }.into())
}

/// Puts a directory in the place of another one.
fn replace(draft: tempfile::TempDir, place: &Path) -> Result<()> {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    let old = place.with_file_name(format!(".old-{name}"));
    if place.exists() {
        if old.exists() {
            std::fs::remove_dir_all(&old).at("removed", &old)?;
        }
        std::fs::rename(place, &old).at("replaced", place)?;
    }
    std::fs::rename(draft.keep(), place).at("made", place)?;
    if old.exists() {
        std::fs::remove_dir_all(&old).at("removed", &old)?;
    }
    Ok(())
}

fn point_latest_at(parent: &Path, version: &str) -> Result<()> {
    let (new, link) = (parent.join(".latest"), parent.join("latest"));
    let _ = std::fs::remove_file(&new);
    std::os::unix::fs::symlink(version, &new).at("made", &new)?;
    Ok(std::fs::rename(&new, &link).at("made", &link)?)
}

fn manifest<'a>(
    steps: &'a Steps<'_>,
    artefacts: BTreeMap<String, Artefact>,
) -> Result<Manifest<'a>> {
    let path = steps.output(StepId::Disk).join("partitions.json");
    let text = std::fs::read_to_string(&path).at("read", &path)?;
    let partitions: Vec<RepartPartition> =
        serde_json::from_str(&text).map_err(|error| BuildError::Unexpected {
            what: format!("systemd-repart described the partitions in an unknown way: {error}"),
        })?;
    let kernel = steps.output(StepId::Modules).join("version");
    let keyed = steps.plan.steps().iter();
    Ok(Manifest {
        manifest: 1,
        profile: &steps.sources.composed.name,
        version: steps.version,
        architecture: "x86-64",
        root_hash: steps.root_hash()?,
        kernel: std::fs::read_to_string(&kernel).at("read", &kernel)?,
        command_line: steps.sources.command_line(),
        disk_bytes: steps.sources.composed.recipe.disk.smallest(),
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
        packages: &steps.sources.lock.packages,
        tools: steps.sources.tools.named_versions(),
        steps: keyed.map(|s| (s.id, ManifestStep { key: &s.key, inputs: &s.inputs })).collect(),
    })
}

/// What is in the root: the unpacked packages, and all that is laid over them.
fn bill(steps: &Steps<'_>, project: &Project) -> Result<SbomInput> {
    let composed = steps.sources.composed;
    let mut gather = Gather::new(&composed.name, steps.version);
    gather.root(&steps.output(StepId::Base).join("root"))?;
    gather.hashes(steps.sources.lock);
    for overlay in &composed.overlays {
        gather.overlay(overlay)?;
    }
    for program in PROGRAMS {
        gather.file(&steps.sources.programs.join(program), &format!("/usr/bin/{program}"), true)?;
    }
    gather.crates(project.root())?;
    Ok(gather.finish())
}

fn json(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(value);
    text.map(|text| text + "\n").map_err(|error| BuildError::Unexpected {
        what: format!("a document cannot be written as JSON: {error}"),
    })
}
