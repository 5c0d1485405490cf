//! Our own builds, in a cache that has packages and tools and nothing else.

use super::{Measured, Programs};
use crate::output::Output;
use ashlar_build::Project;
use ashlar_build::{self as build, Built, Locking, Request, Store, Target};
use ashlar_inspect::{Disk, Inspection};
use miette::{IntoDiagnostic, WrapErr};
use std::os::unix::fs::symlink;
use std::path::Path;

/// Builds twice: from nothing, and after a change of the agent. `store` has the
/// packages of the profile already.
pub(crate) fn measure(
    project: &Project,
    profile: &str,
    store: &Store,
    programs: &Programs,
    work: &Path,
    output: &Output,
) -> miette::Result<Measured> {
    let request = Request {
        project: apart(project, work).into_diagnostic().wrap_err("no project to measure in")?,
        profile: profile.to_owned(),
        locking: Locking::Refuse,
        version: None,
        agent_dir: Some(programs.path().to_owned()),
        vendor: None,
        cache_dir: Some(work.join("cache")),
        targets: [Target::Raw].into(),
    };
    share(store, &work.join("cache")).into_diagnostic().wrap_err("no cache to measure in")?;
    output.note(format_args!("ashlar, cold"));
    let cold = build::build(&request, output)?;
    programs.change_agent("ours").into_diagnostic()?;
    output.note(format_args!("ashlar, after a change of the agent"));
    let rebuild = build::build(&request, output)?;
    let image = Inspection::of(&Disk::open(&rebuild.image)?)?;
    let packages = ashlar_inspect::manifest_packages(&rebuild.image)?.unwrap_or_default();
    Ok(Measured {
        cold_seconds: cold.total_seconds,
        rebuild_seconds: rebuild.total_seconds,
        root_bytes: image.labelled("root-a").and_then(|root| root.used).unwrap_or(0),
        uki_bytes: uki(&rebuild),
        packages: packages.len(),
    })
}

fn uki(built: &Built) -> u64 {
    let named = |name: &&String| name.ends_with(".efi");
    built.files.keys().find(named).and_then(|name| built.files.get(name)).copied().unwrap_or(0)
}

/// A project with the same recipes and overlays, and an `out/` of its own.
fn apart(project: &Project, work: &Path) -> std::io::Result<Project> {
    let place = work.join("project");
    std::fs::create_dir(&place)?;
    for (from, name) in [(project.recipes(), "recipes"), (project.overlays(), "overlays")] {
        symlink(from, place.join(name))?;
    }
    Project::find(Some(&place)).map_err(std::io::Error::other)
}

/// A cache with the packages and tools of another one.
fn share(store: &Store, cache: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(cache.join("steps"))?;
    symlink(store.root().join("debs"), cache.join("debs"))?;
    symlink(store.root().join("steps/tools"), cache.join("steps/tools"))
}
