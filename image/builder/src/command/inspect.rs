//! `ashlar inspect`: what is inside an image.

use crate::context::Context;
use crate::images::Workbench;
use ashlar_inspect::{self as inspect, Disk, Inspection};
use std::path::PathBuf;
use std::process::ExitCode;

/// Show what is inside an image: partitions and how full they are, the versions
/// in its slots, root hashes, boot images and packages.
///
/// It reads the image's bytes alone: nothing is mounted, nothing in it is run, and
/// no root is needed. The list of packages comes from the manifest.json beside the
/// image or, if there is none, from inside its root.
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
    #[command(flatten)]
    cache: crate::cache_dir::CacheDir,
}

/// Runs it.
pub(crate) fn run(args: &Args, context: &Context) -> miette::Result<ExitCode> {
    let disk = Disk::open(&args.image)?;
    let mut inspection = Inspection::of(&disk)?;
    if args.packages {
        inspection.packages = Some(match inspect::manifest_packages(&disk.path)? {
            Some(packages) => packages,
            None => {
                let bench = Workbench::ready(&[], &args.cache, context)?;
                inspect::root_packages(&inspection, &bench.sandbox)?
            }
        });
    }
    crate::report::inspection::print(&inspection, &context.output);
    context.output.json(&inspection)?;
    Ok(ExitCode::SUCCESS)
}
