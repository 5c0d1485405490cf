//! `ashlar inspect`: what is inside an image.

use crate::context::Context;
use crate::inspect::{self, Disk, Inspection};
use std::path::PathBuf;
use std::process::ExitCode;

/// Show what is inside an image: partitions and how full they are, the versions
/// in its slots, root hashes, boot images and packages.
///
/// It reads the image's bytes alone: nothing is mounted, nothing is run, and no
/// root is needed.
///
///   ashlar inspect out/retail/latest
///   ashlar inspect --packages image.raw
///   ashlar inspect --json image.raw | jq '.slots[].version'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// A raw disk image, or a directory with one in it.
    image: PathBuf,
    /// List the installed packages as well.
    #[arg(long)]
    packages: bool,
}

/// Runs it.
pub(crate) fn run(args: &Args, context: &Context) -> miette::Result<ExitCode> {
    let disk = Disk::open(&args.image)?;
    let mut inspection = Inspection::of(&disk)?;
    if args.packages {
        inspection.packages = inspect::manifest_packages(&disk.path)?;
    }
    inspect::print(&inspection, &context.output);
    context.output.json(&inspection)?;
    Ok(ExitCode::SUCCESS)
}
