//! Our own builds, in a cache that has packages and tools and nothing else.

use super::{Measured, Programs};
use crate::output::Output;
use ashlar_build::Project;
use ashlar_build::{self as build, Built, Locking, Request, Store, Target};
use ashlar_inspect::{Disk, Inspection};
use miette::{IntoDiagnostic, WrapErr, miette};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// Builds four times: from nothing, after a change of the agent, without a change,
/// and from `vendor` without a network. `store` has the packages already.
pub(crate) fn measure(
    (project, profile): (&Project, &str),
    (store, vendor): (&Store, &Path),
    programs: &Programs,
    work: &Path,
    output: &Output,
) -> miette::Result<Measured> {
    let request = Request {
        project: apart(project, &work.join("project"))?,
        profile: profile.to_owned(),
        locking: Locking::Refuse,
        version: None,
        agent_dir: Some(programs.path().to_owned()),
        vendor: Some(vendor.to_owned()),
        cache_dir: Some(work.join("cache")),
        targets: [Target::Raw].into(),
    };
    share(store, &work.join("cache"), &["debs", "steps/tools"])?;
    output.note(format_args!("ashlar, cold"));
    let cold = build::build(&request, output)?;
    programs.change_agent("ours").into_diagnostic()?;
    output.note(format_args!("ashlar, after a change of the agent"));
    let rebuild = build::build(&request, output)?;
    output.note(format_args!("ashlar, nothing changed"));
    let unchanged = build::build(&request, output)?;
    output.note(format_args!("ashlar, from the vendored packages without a network"));
    let request = Request {
        project: apart(project, &work.join("project-without-network"))?,
        cache_dir: Some(work.join("cache-without-network")),
        ..request
    };
    share(store, &work.join("cache-without-network"), &["steps/tools"])?;
    let vendored_seconds = without_network(&request, vendor)?;
    let image = Inspection::of(&Disk::open(&rebuild.image)?)?;
    let packages = ashlar_inspect::manifest_packages(&rebuild.image)?.unwrap_or_default();
    Ok(Measured {
        cold_seconds: cold.total_seconds,
        rebuild_seconds: rebuild.total_seconds,
        unchanged_seconds: Some(unchanged.total_seconds),
        vendored_seconds,
        root_bytes: image.labelled("root-a").and_then(|root| root.used).unwrap_or(0),
        uki_bytes: uki(&rebuild),
        packages: packages.len(),
        rebuild_steps: rebuild.seconds,
    })
}

/// A network namespace cannot be left again, so that another process builds there;
/// nothing, for who may not make one.
fn without_network(request: &Request, vendor: &Path) -> miette::Result<Option<f64>> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(None);
    }
    let program = std::env::current_exe().into_diagnostic()?;
    let mut command = Command::new("unshare");
    command.arg("--net").arg(program).args(["build", "--json", "--target", "raw", "--profile"]);
    command.arg(&request.profile).arg("--vendor").arg(vendor);
    command.arg("--project").arg(request.project.root());
    command.arg("--cache-dir").args(&request.cache_dir);
    command.arg("--agent-dir").args(&request.agent_dir);
    let ran = command.output().into_diagnostic().wrap_err("`unshare` cannot be started")?;
    let printed = String::from_utf8_lossy(&ran.stdout);
    let built = printed.lines().last().and_then(|line| serde_json::from_str(line).ok());
    let seconds = |built: serde_json::Value| built.get("total_seconds")?.as_f64();
    built.and_then(seconds).map(Some).ok_or_else(|| {
        let said = String::from_utf8_lossy(&ran.stderr);
        miette!("the build without a network ended with {}:\n{}", ran.status, said.trim())
    })
}

fn uki(built: &Built) -> u64 {
    let named = |name: &&String| name.ends_with(".efi");
    built.files.keys().find(named).and_then(|name| built.files.get(name)).copied().unwrap_or(0)
}

/// A project with the same recipes and overlays, and an `out/` of its own.
fn apart(project: &Project, place: &Path) -> miette::Result<Project> {
    let made = || {
        std::fs::create_dir(place)?;
        symlink(project.recipes(), place.join("recipes"))?;
        symlink(project.overlays(), place.join("overlays"))?;
        Project::find(Some(place)).map_err(std::io::Error::other)
    };
    made().into_diagnostic().wrap_err("no project to measure in")
}

/// A cache with these parts of another one.
fn share(store: &Store, cache: &Path, parts: &[&str]) -> miette::Result<()> {
    let shared = || -> std::io::Result<()> {
        std::fs::create_dir_all(cache.join("steps"))?;
        parts.iter().try_for_each(|part| symlink(store.root().join(part), cache.join(part)))
    };
    shared().into_diagnostic().wrap_err("no cache to measure in")
}
