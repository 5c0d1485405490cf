//! `ashlar build`: from a recipe to an image.

use crate::context::Context;
use ashlar_build::{self as build, BuildError, Built, Locking, Report, Request, Target};
use ashlar_sandbox::SandboxError;
use bytesize::ByteSize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Build an image from a profile
///
/// The result is in out/<profile>/<version>/, and out/<profile>/latest points to
/// it: the disk image in the forms that --target names, the boot image (.efi), the
/// root partition and its hash tree by themselves, manifest.json, the bills of
/// materials and SHA256SUMS. The same lock and sources give the same bytes,
/// whoever builds, and wherever.
///
/// Every step is kept in the cache under the hash of its inputs, so that a second
/// build does only what changed:
///
///   ashlar build --profile retail              build
///   ashlar build --profile retail --explain    say what would run, and why
///   ashlar build --profile retail --locked     refuse to change the lock (for CI)
///   ashlar build --vendor ~/releases/1.4       from what `ashlar vendor` kept
///   ashlar build --target iso                  a DVD, or a stick: one file for both
///   ashlar build --target qcow2 --target vmdk  disks for QEMU and VMware
///   ashlar build --verbose                     show every command, to repeat it by hand
///
/// Our own programs are compiled with the Rust toolchain of this host, for the C
/// library of the image. No root is needed where user namespaces are allowed. A
/// build waits for another one that uses the same cache. Ctrl-C removes what is
/// half made and keeps what has finished; pressed again, it ends at once.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// Which recipe: recipes/<PROFILE>.toml.
    #[arg(long, short, default_value = "retail")]
    profile: String,
    /// Refuse when the lock is missing, stale, or has moved on in the archive.
    #[arg(long)]
    locked: bool,
    /// Say what would be done, and do nothing: what cannot be known without
    /// locking, fetching or compiling is named.
    #[arg(long)]
    dry_run: bool,
    /// The same, and for each step that would run, which input changed since the
    /// last build.
    #[arg(long)]
    explain: bool,
    /// Give the image this version, instead of one made from its contents.
    #[arg(long, value_name = "VERSION")]
    image_version: Option<String>,
    /// Take ashlar-agent, ashlarctl and ashlar-console from here, instead of
    /// compiling them.
    #[arg(long, value_name = "DIR")]
    agent_dir: Option<PathBuf>,
    /// Take locks and packages from a directory that `ashlar vendor` filled, and
    /// ask no archive.
    #[arg(long, value_name = "DIR", conflicts_with = "locked")]
    vendor: Option<PathBuf>,
    /// What to make: raw, zst (the same for download), iso, qcow2 or vmdk; may be
    /// given several times. Default: raw and zst.
    #[arg(long, value_name = "TARGET", value_delimiter = ',')]
    target: Vec<Target>,
    /// Show each command before it runs, in a form that can be pasted into a shell;
    /// what a failed step worked on stays until the next build.
    #[arg(long, short)]
    verbose: bool,
    #[command(flatten)]
    cache: crate::cache_dir::CacheDir,
}

/// Runs it.
pub(crate) fn run(args: &Args, context: &Context) -> miette::Result<ExitCode> {
    let request = Request {
        project: context.project()?,
        profile: args.profile.clone(),
        locking: if args.locked { Locking::Refuse } else { Locking::Renew },
        version: args.image_version.clone(),
        agent_dir: args.agent_dir.clone(),
        vendor: args.vendor.clone(),
        cache_dir: args.cache.cache_dir.clone(),
        targets: if args.target.is_empty() {
            Target::USUAL.into()
        } else {
            args.target.iter().copied().collect()
        },
    };
    let output = &context.output;
    if args.dry_run || args.explain {
        let report = build::explain(&request, output)?;
        describe(&report, args.explain, context);
        output.json(&report)?;
        return Ok(ExitCode::SUCCESS);
    }
    match build::build(&request, &context.watched(args.verbose)) {
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
    let version = report.version.as_deref().unwrap_or("(the version is made from the contents)");
    output.line(format_args!("{} {version}", report.profile));
    for what in &report.not_known {
        output.line(format_args!("  not known   {what}"));
    }
    output.line(format_args!(
        "  packages    {} locked, {} to fetch ({})",
        report.packages,
        report.packages_to_fetch,
        ByteSize(report.bytes_to_fetch)
    ));
    for step in &report.steps {
        let state = match (step.cached, &step.key) {
            (true, _) => "cached",
            (false, Some(_)) => "runs",
            (false, None) => "unknown",
        };
        output.line(format_args!("  {:<11} {state:<7} {}", step.step, step.about));
        if explain {
            if let Some(key) = &step.key {
                output.line(format_args!("              key {key}"));
            }
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
