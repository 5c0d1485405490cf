//! `ashlar export`: a recipe for another image builder.

use crate::context::Context;
use ashlar_build as build;
use ashlar_build::export::{self, Contents, mkosi};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Render a recipe for another image builder.
///
///   ashlar export mkosi /tmp/retail --profile retail
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(subcommand)]
    builder: Builder,
}

#[derive(Debug, clap::Subcommand)]
enum Builder {
    /// A tree for mkosi 25.3, the version in Debian 13.
    ///
    /// The composed recipe becomes mkosi.conf and its companions; overlays,
    /// programs, stacks and settings become mkosi.extra. Package versions are
    /// those of the lock, if the recipe has a current one.
    ///
    ///   ashlar export mkosi /tmp/retail --profile retail
    ///   cd /tmp/retail && sudo mkosi --output-directory mkosi.output build
    ///
    /// mkosi makes its own initrd, of packages, so the UKI is larger than ours;
    /// the seed partition's file system has no label of its own.
    #[command(verbatim_doc_comment)]
    Mkosi(Mkosi),
}

#[derive(Debug, clap::Args)]
struct Mkosi {
    /// Where the tree goes: a new or empty directory, or an earlier export.
    directory: PathBuf,
    /// Which recipe: recipes/<PROFILE>.toml.
    #[arg(long, short, default_value = "retail")]
    profile: String,
    /// Let apt choose versions, whatever the lock says.
    #[arg(long)]
    unlocked: bool,
    /// The image's version.
    #[arg(long, value_name = "VERSION", default_value = env!("CARGO_PKG_VERSION"))]
    image_version: String,
    /// Take ashlar-agent, ashlarctl and ashlar-console from here, instead of
    /// compiling them.
    #[arg(long, value_name = "DIR")]
    agent_dir: Option<PathBuf>,
}

/// What `ashlar export mkosi --json` prints.
#[derive(Debug, Serialize)]
struct Exported<'a> {
    /// Where the tree is.
    directory: &'a Path,
    /// The profile.
    profile: &'a str,
    /// Versions are those of its lock.
    locked: bool,
}

/// Runs it.
pub(crate) fn run(args: &Args, context: &Context) -> miette::Result<ExitCode> {
    let Builder::Mkosi(args) = &args.builder;
    let output = &context.output;
    let project = context.project()?;
    let composed = ashlar_recipe::compose(&project.recipes(), &args.profile)?;
    let lock = if args.unlocked {
        None
    } else {
        match build::current_lock(&project.recipes(), &composed) {
            Ok(lock) => Some(lock),
            Err(build::BuildError::LockStale { path, reason, .. }) => {
                output.warning(format_args!(
                    "{} {reason}; apt will choose the versions",
                    path.display()
                ));
                None
            }
            Err(error) => return Err(error.into()),
        }
    };
    let store = build::Store::open(None)?;
    let programs = build::programs(&project, args.agent_dir.as_deref(), &store, output)?;
    let contents =
        Contents { composed: &composed, programs: &programs, version: &args.image_version };
    let files = mkosi::render(&composed, lock.as_ref(), &args.image_version);
    export::write(&contents, &files, &args.directory)?;
    output.line(format_args!("{}", args.directory.display()));
    output.json(&Exported {
        directory: &args.directory,
        profile: &args.profile,
        locked: lock.is_some(),
    })?;
    Ok(ExitCode::SUCCESS)
}
