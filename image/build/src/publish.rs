//! Puts a finished build into `out/<profile>/<version>/`: whole, or not at all.
//!
//! A version is published once. The same contents leave what is there alone, so
//! that VMs that run from it go on; other contents under a version that somebody
//! chose are refused. What was published is remembered beside it, in
//! `.published/<version>.json`, so that nothing is copied when nothing changed,
//! and a published file that was changed since is replaced.

use crate::error::{At, BuildError, Result};
use crate::events::Events;
use crate::execute::Build;
use crate::files::{set_mode, sync, write_whole};
use crate::manifest::{self, Made};
use crate::project::Project;
use crate::request::Request;
use crate::step::{self, CHECKSUM, DISK, StepId, Target};
use crate::{digest, sparse};
use ashlar_recipe::{Composed, Lock, Size};
use ashlar_sandbox::Cancel;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A build in its place.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    /// `out/<profile>/<version>/`.
    pub directory: PathBuf,
    /// The disk image, in the first of its forms that there are.
    pub image: PathBuf,
    /// Every file, with its size.
    pub files: BTreeMap<String, u64>,
    /// What it took, if anything was done.
    pub seconds: Option<f64>,
}

/// `.published/<version>.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    /// The keys of the steps whose artefacts these are.
    keys: BTreeMap<String, String>,
    /// The limits that it was measured by.
    budget: String,
    files: BTreeMap<String, Stamp>,
}

/// What changes when somebody writes to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    size: u64,
    inode: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> std::io::Result<Self> {
        let data = std::fs::metadata(path)?;
        let modified = (data.mtime(), data.mtime_nsec());
        Ok(Self { size: data.len(), inode: data.ino(), modified })
    }
}

/// The directory of a version.
pub(crate) fn place(project: &Project, profile: &str, version: &str) -> PathBuf {
    project.out().join(profile).join(version)
}

/// The targets that are asked for, and those that the version that would be
/// replaced has already.
pub(crate) fn joined(request: &Request, profile: &str, version: &str) -> BTreeSet<Target> {
    let mut targets = request.targets.clone();
    let names: Vec<String> = std::fs::read_dir(place(&request.project, profile, version))
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    let there = |target: &Target| {
        let steps = target.steps().iter().filter_map(|id| step::find(*id));
        let mut endings = steps.flat_map(|step| step.artefacts()).map(|artefact| artefact.ending);
        endings.all(|ending| names.iter().any(|name| name.ends_with(ending)))
    };
    targets.extend(Target::ALL.into_iter().filter(there));
    targets
}

fn keys(build: &Build<'_>, request: &Request) -> BTreeMap<String, String> {
    let steps = request.targets.iter().flat_map(|target| target.steps());
    steps.chain(&[DISK]).map(|id| (id.to_string(), build.plan.key(*id).to_owned())).collect()
}

fn remembered(request: &Request, profile: &str, version: &str) -> Option<Remembered> {
    let path = record(&request.project.out().join(profile), version);
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

fn record(parent: &Path, version: &str) -> PathBuf {
    parent.join(".published").join(format!("{version}.json"))
}

/// What is published already, if it is all that is asked for and nobody has
/// written to it.
pub(crate) fn untouched(
    build: &Build<'_>,
    request: &Request,
    composed: &Composed,
) -> Result<Option<Published>> {
    let directory = place(&request.project, &composed.name, build.version);
    let Some(found) = remembered(request, &composed.name, build.version) else { return Ok(None) };
    let asked = keys(build, request);
    let same = asked.iter().all(|(id, key)| found.keys.get(id) == Some(key))
        && found.budget == budget_text(composed)
        && found
            .files
            .iter()
            .all(|(name, then)| Stamp::of(&directory.join(name)).is_ok_and(|now| now == *then));
    if !same {
        return Ok(None);
    }
    for id in build.staged.keys() {
        let output = build.output(*id);
        if build.store.has(&output) {
            build.store.touch(&output);
        }
    }
    let parent = request.project.out().join(&composed.name);
    point_latest_at(&parent, build.version)?;
    let files = found.files.into_iter().map(|(name, stamp)| (name, stamp.size)).collect();
    Ok(Some(published(directory, files, None)))
}

/// Refuses to put other contents under a version that somebody chose.
pub(crate) fn may_take(request: &Request, composed: &Composed, build: &Build<'_>) -> Result<()> {
    let directory = place(&request.project, &composed.name, build.version);
    if request.version.is_none() || !directory.exists() {
        return Ok(());
    }
    let found = remembered(request, &composed.name, build.version);
    let disk = found.and_then(|found| found.keys.get(DISK.as_str()).cloned());
    if disk.is_some_and(|key| key == build.plan.key(DISK)) {
        return Ok(());
    }
    Err(BuildError::VersionTaken { version: build.version.to_owned(), directory })
}

fn budget_text(composed: &Composed) -> String {
    format!("{:?}", composed.recipe.budget)
}

/// Publishes the artefacts of all targets.
pub(crate) fn publish(
    build: &Build<'_>,
    request: &Request,
    composed: &Composed,
    lock: &Lock,
    events: &dyn Events,
) -> Result<Published> {
    let begun = Instant::now();
    let cancel = events.cancel();
    let _activity = events.begin("publishing");
    let profile = &composed.name;
    let parent = request.project.out().join(profile);
    std::fs::create_dir_all(parent.join(".published")).at("made", &parent)?;
    // Builds with different caches may publish to one place.
    let held = File::create(parent.join(".lock")).at("made", &parent)?;
    held.lock().at("locked", &parent)?;
    let name = format!("ashlar-{profile}-{}", build.version);
    let draft = tempfile::Builder::new().prefix(".new-").tempdir_in(&parent).at("made", &parent)?;
    set_mode(draft.path(), 0o755)?;

    let mut made = BTreeMap::new();
    let steps: BTreeSet<StepId> = request.targets.iter().flat_map(|t| t.steps()).copied().collect();
    for step in steps.iter().filter_map(|id| step::find(*id)) {
        for artefact in step.artefacts() {
            cancel.check()?;
            let name = format!("{name}{}", artefact.ending);
            let (from, to) =
                (build.output(step.id()).join(artefact.file), draft.path().join(&name));
            take(build, step.id(), artefact.file, (&from, &to), artefact.own, &cancel)?;
            let bytes = std::fs::metadata(&to).at("read", &to)?.len();
            within_budget(composed, step.id(), artefact.file, bytes)?;
            let sha256 = match step.id() {
                DISK => {
                    let sum = build.output(CHECKSUM).join("disk.raw.sha256");
                    std::fs::read_to_string(&sum).at("read", sum)?
                }
                _ => sparse::sha256(&to, &cancel)?,
            };
            made.insert(name, Made { bytes, sha256 });
        }
    }
    for (name, text) in manifest::documents(build, composed, lock, &name, &made)? {
        let path = draft.path().join(&name);
        std::fs::write(&path, &text).at("written", &path)?;
        made.insert(name, Made { bytes: text.len() as u64, sha256: digest::text(&text) });
    }
    let sums: String =
        made.iter().map(|(name, made)| format!("{}  {name}\n", made.sha256)).collect();
    let path = draft.path().join("SHA256SUMS");
    std::fs::write(&path, sums).at("written", &path)?;
    sync(draft.path())?;

    let directory = place(&request.project, profile, build.version);
    replace(draft, &directory)?;
    point_latest_at(&parent, build.version)?;
    let stamp = |name: &String| {
        let path = directory.join(name);
        Ok((name.clone(), Stamp::of(&path).at("read", path)?))
    };
    let record = Remembered {
        keys: keys(build, request),
        budget: budget_text(composed),
        files: made.keys().map(stamp).collect::<Result<_>>()?,
    };
    let text = serde_json::to_vec_pretty(&record).unwrap_or_default();
    write_whole(&self::record(&parent, build.version), &text)?;
    let files = made.into_iter().map(|(name, made)| (name, made.bytes)).collect();
    Ok(published(directory, files, Some(begun.elapsed().as_secs_f64())))
}

fn published(directory: PathBuf, files: BTreeMap<String, u64>, seconds: Option<f64>) -> Published {
    let forms = [".raw", ".iso", ".qcow2", ".vmdk", ".raw.zst"];
    let form = |ending: &&str| files.keys().find(|name| name.ends_with(*ending)).cloned();
    let image = forms.iter().find_map(form).unwrap_or_default();
    Published { image: directory.join(image), directory, files, seconds }
}

/// Shares a file with the cache, so that nobody can write to it, or, for what
/// people boot and change, copies it without its holes.
fn take(
    build: &Build<'_>,
    step: StepId,
    file: &str,
    (from, to): (&Path, &Path),
    own: bool,
    cancel: &Cancel,
) -> Result<()> {
    if !own && std::fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    let copied = sparse::copy(from, to, cancel)?;
    let recorded = build.store.contents(&build.output(step));
    let recorded = recorded.as_ref().and_then(|contents| contents.fingerprint(file));
    if recorded.is_some_and(|recorded| recorded != copied) {
        let what = format!("{} changed while it was copied; build again", from.display());
        return Err(BuildError::Unexpected { what });
    }
    set_mode(to, if own { 0o644 } else { 0o444 })
}

fn within_budget(composed: &Composed, step: StepId, file: &str, size: u64) -> Result<()> {
    let budget = &composed.recipe.budget;
    let (what, budget) = match file {
        "root.erofs" if step == step::ROOT => ("root", budget.root),
        "uki.efi" if step == step::UKI => ("uki", budget.uki),
        _ => return Ok(()),
    };
    match budget.map(Size::as_bytes) {
        Some(budget) if size > budget => Err(BuildError::OverBudget { what, size, budget }),
        _ => Ok(()),
    }
}

/// Puts a directory in its place; what is there already is exchanged for it in
/// one act, so that there is always one of them.
fn replace(draft: tempfile::TempDir, place: &Path) -> Result<()> {
    if !place.exists() {
        std::fs::rename(draft.keep(), place).at("made", place)?;
    } else {
        let flags = RenameFlags::RENAME_EXCHANGE;
        let exchanged = renameat2(AT_FDCWD, draft.path(), AT_FDCWD, place, flags);
        exchanged.map_err(std::io::Error::from).at("replaced", place)?;
        draft.close().at("removed", place)?;
    }
    let parent = place.parent().unwrap_or(place);
    Ok(File::open(parent).and_then(|parent| parent.sync_all()).at("synced", parent)?)
}

fn point_latest_at(parent: &Path, version: &str) -> Result<()> {
    let (new, link) = (parent.join(".latest"), parent.join("latest"));
    if std::fs::read_link(&link).is_ok_and(|target| target == Path::new(version)) {
        return Ok(());
    }
    let _ = std::fs::remove_file(&new);
    std::os::unix::fs::symlink(version, &new).at("made", &new)?;
    Ok(std::fs::rename(&new, &link).at("made", &link)?)
}

#[cfg(test)]
mod tests;
