//! `ashlar sbom`: the bill of materials of an image.

use crate::cache_dir::CacheDir;
use crate::context::Context;
use crate::images::{self, Workbench};
use ashlar_build::PROGRAMS;
use ashlar_build::sbom::{self, Format, Gather};
use ashlar_inspect::artefact_in;
use miette::{IntoDiagnostic, WrapErr, miette};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Print the bill of materials of an image: what is in its root.
///
/// Packages are those of dpkg's list in the root, with the licences that their
/// copyright files name; besides, every program that no package brought. The crates
/// that our programs are made of and the packages' hashes are known to the build
/// alone: they come from the bill that it left beside the image, and are left out,
/// with a word, where there is none. `ashlar lint` says whether that bill still fits.
///
///   ashlar sbom                                  the newest retail image, as SPDX
///   ashlar sbom out/retail/latest --format cyclonedx --output retail.cdx.json
///   ashlar sbom image.raw | jq '.packages[].licenseDeclared' | sort | uniq -c
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// A raw disk image, or a directory with one in it. Default: the newest image
    /// of the profile.
    image: Option<PathBuf>,
    /// Whose newest image.
    #[arg(long, short, default_value = "retail", conflicts_with = "image", value_name = "PROFILE")]
    profile: String,
    /// SPDX 2.3 or CycloneDX 1.5, both as JSON.
    #[arg(long, value_name = "FORMAT", default_value = "spdx", value_parser = ["spdx", "cyclonedx"])]
    format: String,
    /// Write it into this file, instead of printing it.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    cache: CacheDir,
}

/// What `ashlar sbom --output --json` prints.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Bill<'a> {
    /// The bill.
    file: &'a Path,
    /// The image.
    image: &'a Path,
}

/// Runs it.
pub(crate) fn run(args: &Args, context: &Context) -> miette::Result<ExitCode> {
    let image = images::named(context, args.image.as_deref(), &args.profile)?;
    let opened = Workbench::ready(&[&image], &args.cache, context)?.open(&image)?;
    let tree = opened.root()?;
    let release = tree.text("/usr/lib/os-release").into_diagnostic()?.unwrap_or_default();
    let release = ashlar_inspect::uki::fields(&release);
    let version = release.get("IMAGE_VERSION").cloned().unwrap_or_default();
    let profile = opened.profile().ok_or_else(|| {
        miette!("{} does not say which profile it was built from", image.display())
    })?;
    let owners = ashlar_inspect::packages::owners(tree).into_diagnostic()?;
    let mut gather = Gather::new(&profile, &version);
    gather.root(tree.root())?;
    let beside = opened.disk.path.parent().unwrap_or(Path::new("."));
    let known = match artefact_in(beside, ".cdx.json") {
        Ok(bill) => gather.recorded(&bill)?,
        Err(_) => false,
    };
    if !known {
        context.output.warning(
            "no bill of this image lies beside it: the crates of our programs and the packages' \
             hashes, which only the build knew, are left out",
        );
    }
    let own = |path: &str| PROGRAMS.iter().any(|program| path == format!("/usr/bin/{program}"));
    let programs = tree.programs().into_diagnostic()?;
    for path in programs.into_iter().filter(|path| !owners.contains_key(path)) {
        gather.file(&tree.on_host(&path), &path, own(&path))?;
    }
    let text = sbom::render(
        &gather.finish(),
        if args.format == "spdx" { Format::Spdx } else { Format::CycloneDx },
    )?;
    match &args.output {
        Some(file) => {
            std::fs::write(file, &text)
                .into_diagnostic()
                .wrap_err_with(|| format!("{} cannot be written", file.display()))?;
            context.output.line(format_args!("{} is written", file.display()));
            context.output.json(&Bill { file, image: &image })?;
        }
        None => {
            let value: serde_json::Value = serde_json::from_str(&text).into_diagnostic()?;
            context.output.line(text.trim_end());
            context.output.json(&value)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
