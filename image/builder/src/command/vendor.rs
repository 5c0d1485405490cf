//! `ashlar vendor`: all that a release was made of, in one directory.

use crate::context::Context;
use ashlar_build::{Vendored, check_vendored, vendor};
use bytesize::ByteSize;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Keep all that locks need beside a release
///
/// An archive keeps the newest version of a package only. The directory that this
/// fills has every package of the locks, those of the tools too, copies of the
/// locks, the crates of our own programs, and SHA256SUMS. An image can be built from
/// it years later and without a network, with the recipes of that day from git:
///
///   ashlar vendor ~/releases/1.4                      for every profile
///   ashlar vendor ~/releases/1.4 --profile retail     for one
///   ashlar vendor ~/releases/1.4 --check              is it all still there?
///   ashlar build --profile retail --vendor ~/releases/1.4
///
/// The Rust toolchain is not kept. Another compiler makes other programs.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The directory: a new one, an empty one, or one to bring up to date.
    directory: PathBuf,
    /// Which recipe: recipes/<PROFILE>.toml; may be given more than once.
    /// Default: all of them.
    #[arg(long, short)]
    profile: Vec<String>,
    /// Change nothing; read it from end to end, and exit with 1 if something is
    /// missing or damaged.
    #[arg(long, conflicts_with = "profile")]
    check: bool,
    #[command(flatten)]
    cache: crate::cache_dir::CacheDir,
}

/// What `ashlar vendor --json` prints.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Kept<'a> {
    /// The directory.
    directory: &'a Path,
    /// The profiles that can be built from it.
    profiles: &'a [String],
    /// How many packages are in it, those of the tools as well.
    packages: usize,
    /// Their bytes.
    bytes: u64,
}

/// Runs it.
pub(crate) fn run(args: &Args, context: &Context) -> miette::Result<ExitCode> {
    let output = &context.output;
    let events = context.watched(false);
    let vendored = if args.check {
        check_vendored(&args.directory, &events)?
    } else {
        let project = context.project()?;
        let profiles = if args.profile.is_empty() {
            ashlar_recipe::recipes(&project.recipes())?
        } else {
            args.profile.clone()
        };
        let cache = args.cache.cache_dir.as_deref();
        vendor(&project, &profiles, &args.directory, cache, &events)?
    };
    let Vendored { directory, profiles, packages, bytes } = &vendored;
    output.line(format_args!(
        "{}: {packages} packages, {}, for {} and the tools",
        directory.display(),
        ByteSize(*bytes),
        profiles.join(", ")
    ));
    output.json(&Kept { directory, profiles, packages: *packages, bytes: *bytes })?;
    Ok(ExitCode::SUCCESS)
}
