//! `ashlar size`: what takes the room.

use crate::cache_dir::CacheDir;
use crate::context::Context;
use crate::images::{self, Workbench};
use ashlar_inspect::size::{Cost, Sizes, UkiCost};
use bytesize::ByteSize;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Say which package and which kernel module takes how much of an image.
///
/// Sizes are those in the root's file system, packed; a cluster of its compression
/// counts for the file that it belongs to. The parts of the boot image are listed
/// as well, unpacked they are larger.
///
///   ashlar size                            the newest retail image
///   ashlar size out/minimal/latest --all
///   ashlar size image.raw --json | jq '.packages[:5]'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// A raw disk image, or a directory with one in it. Default: the newest image
    /// of the profile.
    image: Option<PathBuf>,
    /// Whose newest image.
    #[arg(long, short, default_value = "retail", conflicts_with = "image", value_name = "PROFILE")]
    profile: String,
    /// List everything, and not only what takes most.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    cache: CacheDir,
}

/// How many of each are shown.
const MOST: usize = 15;

/// What `ashlar size --json` prints.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Shares<'a> {
    /// The image.
    image: &'a Path,
    /// Bytes of the root file system, packed.
    root: u64,
    /// Packages, the largest first.
    packages: &'a [Cost],
    /// Kernel modules.
    modules: &'a [Cost],
    /// Files that no package brought.
    others: &'a [Cost],
    /// The parts of each boot image.
    ukis: &'a [UkiCost],
}

/// Runs it.
pub(crate) fn run(args: &Args, context: &Context) -> miette::Result<ExitCode> {
    let image = images::named(context, args.image.as_deref(), &args.profile)?;
    let bench = Workbench::ready(&[&image], &args.cache, context)?;
    let sizes = Sizes::of(&*bench.open(&image)?)?;
    bench.go_on()?;
    let output = &context.output;
    output.line(format_args!("root {}", ByteSize(sizes.root)));
    table("packages", &sizes.packages, args.all, context);
    table("kernel modules", &sizes.modules, args.all, context);
    table("files that no package brought", &sizes.others, args.all, context);
    for uki in &sizes.ukis {
        output.line(format_args!("\n{} {}", uki.path, ByteSize(uki.size)));
        let mut sections: Vec<_> = uki.sections.iter().collect();
        sections.sort_by(|one, other| other.1.cmp(one.1));
        for (name, bytes) in sections {
            output.line(format_args!("  {:>10}  {name}", ByteSize(*bytes).to_string()));
        }
    }
    output.json(&Shares {
        image: &image,
        root: sizes.root,
        packages: &sizes.packages,
        modules: &sizes.modules,
        others: &sizes.others,
        ukis: &sizes.ukis,
    })?;
    Ok(ExitCode::SUCCESS)
}

fn table(title: &str, costs: &[Cost], all: bool, context: &Context) {
    let output = &context.output;
    let sum: u64 = costs.iter().map(|cost| cost.stored).sum();
    output.line(format_args!("\n{} {title}, {}", costs.len(), ByteSize(sum)));
    let shown = if all { costs.len() } else { MOST };
    for cost in costs.iter().take(shown) {
        output.line(format_args!(
            "  {:>10}  {}  ({} unpacked)",
            ByteSize(cost.stored).to_string(),
            cost.name,
            ByteSize(cost.size)
        ));
    }
    if costs.len() > shown {
        output.line(format_args!("  … and {} more; --all lists them", costs.len() - shown));
    }
}
