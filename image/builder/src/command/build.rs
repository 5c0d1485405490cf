//! `ashlar build`: from a recipe to an image.

use crate::context::Context;
use ashlar_build::{self as build, BuildError, Built, Locking, Report, Request};
use ashlar_sandbox::SandboxError;
use bytesize::ByteSize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Build an image from a profile
///
/// The result is in out/<profile>/<version>/, and out/<profile>/latest points to
/// it: the disk image (.raw, and .raw.zst for download), the boot image (.efi),
/// the root partition and its hash tree by themselves, manifest.json, the bills of
/// materials and SHA256SUMS. The same lock and sources give the same bytes.
///
/// Every step is kept in the cache under the hash of its inputs, so that a second
/// build does only what changed:
///
///   ashlar build --profile retail              build
///   ashlar build --profile retail --explain    say what would run, and why
///   ashlar build --profile retail --locked     refuse to change the lock (for CI)
///
/// No root is needed where user namespaces are allowed.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// Which recipe: recipes/<PROFILE>.toml.
    #[arg(long, short, default_value = "retail")]
    profile: String,
    /// Refuse when the lock is missing, stale, or has moved on in the archive.
    #[arg(long)]
    locked: bool,
    /// Say what would be done, and do nothing but compile the agent, whose
    /// contents decide about the rest.
    #[arg(long)]
    dry_run: bool,
    /// Say for each step whether it is in the cache and, if not, which input
    /// changed since the last build; do nothing.
    #[arg(long)]
    explain: bool,
    /// Give the image this version, instead of one made from its contents.
    #[arg(long, value_name = "VERSION")]
    image_version: Option<String>,
    /// Take ashlar-agent, ashlarctl and ashlar-console from here, instead of
    /// compiling them.
    #[arg(long, value_name = "DIR")]
    agent_dir: Option<PathBuf>,
    /// Leave the compressed image (.raw.zst) out.
    #[arg(long)]
    no_compress: bool,
    #[command(flatten)]
    cache: super::cache::CacheDir,
}

/// Runs it.
pub(crate) fn run(args: &Args, context: &Context) -> miette::Result<ExitCode> {
    let request = Request {
        project: context.project()?,
        profile: args.profile.clone(),
        locking: if args.locked { Locking::Refuse } else { Locking::Renew },
        version: args.image_version.clone(),
        agent_dir: args.agent_dir.clone(),
        cache_dir: args.cache.cache_dir.clone(),
        compress: !args.no_compress,
    };
    let output = &context.output;
    if args.dry_run || args.explain {
        let report = build::explain(&request, output)?;
        describe(&report, args.explain, context);
        output.json(&report)?;
        return Ok(ExitCode::SUCCESS);
    }
    match build::build(&request, output) {
        Ok(built) => {
            show(&built, context);
            output.json(&built)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error @ BuildError::Sandbox(SandboxError::Interrupted)) => {
            output.failure(&error.into());
            Ok(ExitCode::from(130))
        }
        Err(error) => Err(error.into()),
    }
}

fn describe(report: &Report, explain: bool, context: &Context) {
    let output = &context.output;
    output.line(format_args!("{} {}", report.profile, report.version));
    output.line(format_args!(
        "  packages    {} locked, {} to fetch ({})",
        report.packages,
        report.packages_to_fetch,
        ByteSize(report.bytes_to_fetch)
    ));
    for step in &report.steps {
        let state = if step.cached { "cached" } else { "runs" };
        output.line(format_args!("  {:<11} {state:<7} {}", step.step, step.about));
        if explain {
            output.line(format_args!("              key {}", step.key));
            for change in &step.changes {
                output.line(format_args!("              because {change}"));
            }
        }
    }
    output.line(format_args!("  disk        about {} needed", ByteSize(report.bytes_needed)));
}

fn show(built: &Built, context: &Context) {
    let output = &context.output;
    output.line(format_args!("{}", built.directory.display()));
    for (name, bytes) in &built.files {
        output.line(format_args!("  {:>9}  {name}", ByteSize(*bytes).to_string()));
    }
    output.line(format_args!("built in {:.1} s", built.total_seconds));
}
