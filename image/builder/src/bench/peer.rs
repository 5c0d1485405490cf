//! mkosi on the exported recipe.

use super::{Measured, Programs};
use crate::output::Output;
use ashlar_build::BuildError;
use ashlar_build::export::{self, Contents, mkosi};
use ashlar_inspect::{Disk, Inspection};
use ashlar_recipe::{Composed, Lock};
use ashlar_sandbox::Sandbox;
use miette::{IntoDiagnostic, WrapErr, miette};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

/// Builds four times: to read the archive, not measured; from nothing; to fill
/// mkosi's own cache with the options of the last, not measured, because mkosi
/// uses a cache only if it was made with the same ones; and after a change of
/// the agent. Always without a network, from the packages in `vendor`.
pub(crate) fn measure(
    composed: &Composed,
    lock: &Lock,
    (sandbox, vendor): (&Sandbox, &Path),
    programs: &Programs,
    work: &Path,
    output: &Output,
) -> miette::Result<Measured> {
    let version = "0.bench";
    let mut files = mkosi::render(composed, Some(lock), version);
    mkosi::take_from_archive(&mut files);
    let contents = Contents { composed, programs: programs.path(), version };
    let tree = work.join("tree");
    let export = || export::write(&contents, &files, &tree);
    for directory in ["output", "cache", "workspace", "packages"] {
        std::fs::create_dir_all(work.join(directory)).into_diagnostic()?;
    }
    let (archive, packages) = (work.join("archive"), work.join("packages"));
    ashlar_build::archive(sandbox, vendor, lock, &archive)?;
    let mirror = format!("--local-mirror=file://{}", mkosi::ARCHIVE);

    let run = |what: &str, options: &[&str]| -> Result<f64, BuildError> {
        let spinner = output.spinner(what);
        let begun = Instant::now();
        let tool = sandbox
            .command(what, "mkosi")
            .with_all_rights()
            .args(["--directory", "/run/work/tree", "--output-directory", "/run/work/output"])
            .args(["--workspace-directory", "/run/work/workspace"])
            .args(["--cache-directory", "/run/work/cache"])
            .args(["--package-cache-directory", "/run/packages"])
            .arg(&mirror)
            .args(options)
            .arg("build")
            .write(work, "work")
            .write(&packages, "packages")
            .read(&archive, mkosi::ARCHIVE.trim_start_matches("/run/"));
        let done = tool.run();
        spinner.finish_and_clear();
        Ok(done.map(|_| begun.elapsed().as_secs_f64())?)
    };

    export()?;
    output.note(format_args!("mkosi, reading the archive (not measured)"));
    run("mkosi, reading the archive", &["--incremental=no", "-f"])?;
    output.note(format_args!("mkosi, cold"));
    let known = "--cache-only=metadata";
    let cold_seconds = run("mkosi, cold", &["--incremental=no", known, "-f"])?;
    output.note(format_args!("mkosi, filling its cache (not measured)"));
    run("mkosi, filling its cache", &["--incremental=yes", known, "-f"])?;
    programs.change_agent("peer").into_diagnostic()?;
    export()?;
    output.note(format_args!("mkosi, after a change of the agent"));
    let rebuild_seconds = run("mkosi, changed agent", &["--incremental=yes", known, "-f"])?;

    let name = format!("ashlar-{}", composed.name);
    let image = work.join("output").join(format!("{name}.raw"));
    let image = Inspection::of(&Disk::open(&image)?)?;
    let uki = image.ukis().next().ok_or_else(|| miette!("mkosi's image has no UKI"))?;
    Ok(Measured {
        cold_seconds,
        rebuild_seconds,
        unchanged_seconds: None,
        vendored_seconds: None,
        rebuild_steps: BTreeMap::new(),
        root_bytes: image.labelled("root-a").and_then(|root| root.used).unwrap_or(0),
        uki_bytes: uki.size,
        packages: packages_in(&work.join("output").join(format!("{name}.manifest")))?,
    })
}

/// How many packages mkosi's manifest lists.
fn packages_in(manifest: &Path) -> miette::Result<usize> {
    let describe = || format!("mkosi's manifest {} cannot be read", manifest.display());
    let text = std::fs::read_to_string(manifest).into_diagnostic().wrap_err_with(describe)?;
    let manifest: serde_json::Value =
        serde_json::from_str(&text).into_diagnostic().wrap_err_with(describe)?;
    let packages = manifest.get("packages").and_then(|packages| packages.as_array());
    packages.map(Vec::len).ok_or_else(|| miette!("{}", describe()))
}
