//! `ashlar cve`: known holes.

use crate::cache_dir::CacheDir;
use crate::context::Context;
use crate::images::{self, Workbench};
use ashlar_inspect::cve::{Hole, Ignore, Ignored, Severity, Tracker};
use miette::{IntoDiagnostic, WrapErr, miette};
use owo_colors::{OwoColorize, Stream};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Say which known holes the packages of an image have.
///
/// FILE is what Debian's security tracker publishes as JSON; fetch it when you want
/// it, nothing is fetched here. Holes are looked up by source package, and are open
/// until the image has the version that mends them, by dpkg's order of versions.
///
///   curl -O https://security-tracker.debian.org/tracker/data/json
///   ashlar cve out/retail/latest --tracker json
///   ashlar cve image.raw --tracker json --severity high --json | jq .open
///
/// What you have looked at and live with goes into recipes/cve.toml:
///
///   [[ignore]]
///   id = "CVE-2026-1234"
///   source = "bash"
///   reason = "nobody can type into this box"
///   until = "2026-12-31"
///
/// The exit code is 1 when a hole of that severity is open, or when the day of an
/// entry has passed: then somebody has to look again.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// A raw disk image, or a directory with one in it. Default: the newest image
    /// of the profile.
    image: Option<PathBuf>,
    /// Whose newest image.
    #[arg(long, short, default_value = "retail", conflicts_with = "image", value_name = "PROFILE")]
    profile: String,
    /// The tracker's JSON.
    #[arg(long, value_name = "FILE")]
    tracker: PathBuf,
    /// The least severity that counts: unimportant, low, medium, unrated, high.
    #[arg(long, value_name = "SEVERITY", default_value = "low")]
    severity: Severity,
    /// The list of what is ignored. Default: recipes/cve.toml, if it is there.
    #[arg(long, value_name = "FILE")]
    ignore: Option<PathBuf>,
    /// The Debian release. Default: the one that the image names.
    #[arg(long, value_name = "NAME")]
    release: Option<String>,
    #[command(flatten)]
    cache: CacheDir,
}

/// What `ashlar cve --json` prints.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Holes<'a> {
    /// The image.
    image: &'a Path,
    /// The Debian release.
    release: &'a str,
    /// How many packages it has.
    packages: usize,
    /// Holes that count.
    open: Vec<&'a Hole>,
    /// Those that the project lives with.
    ignored: Vec<&'a Hole>,
    /// What it lived with for too long.
    expired: Vec<&'a Ignored>,
}

/// Runs it.
pub(crate) fn run(args: &Args, context: &Context) -> miette::Result<ExitCode> {
    let output = &context.output;
    // What can be wrong with files is said before anything is unpacked.
    let ignore = ignored(args, context)?;
    let describe = || format!("{} is not the tracker's JSON", args.tracker.display());
    let text = std::fs::read_to_string(&args.tracker)
        .into_diagnostic()
        .wrap_err_with(|| format!("{} cannot be read", args.tracker.display()))?;
    let tracker = Tracker::parse(&text).into_diagnostic().wrap_err_with(describe)?;
    let image = images::named(context, args.image.as_deref(), &args.profile)?;
    let opened = Workbench::ready(&[&image], &args.cache, context)?.open(&image)?;
    let packages = opened
        .packages()?
        .ok_or_else(|| miette!("dpkg's list is not in the root of {}", image.display()))?;
    let release = match &args.release {
        Some(release) => release.clone(),
        None => codename(&opened)?,
    };
    let all = tracker.holes(&packages, &release);
    let today = jiff::Zoned::now().date();
    let counts = |hole: &&Hole| hole.severity >= args.severity;
    let (lived_with, open): (Vec<_>, Vec<_>) =
        all.iter().filter(counts).partition(|hole| ignore.covers(hole, today).is_some());
    let expired: Vec<_> = ignore.expired(today).collect();

    for hole in &open {
        show(hole, context);
    }
    for entry in &expired {
        let word = "expired".if_supports_color(Stream::Stdout, |word| word.red()).to_string();
        output.line(format_args!("{word} {} on {}: {}", entry.id, entry.until, entry.reason));
    }
    for entry in ignore.idle(&all) {
        output.note(format_args!("{} is ignored and not in the image; take it out", entry.id));
    }
    output.line(format_args!(
        "{} open in {} packages of {release}, {} ignored, {} entries expired",
        open.len(),
        packages.len(),
        lived_with.len(),
        expired.len()
    ));
    let clean = open.is_empty() && expired.is_empty();
    output.json(&Holes {
        image: &image,
        release: &release,
        packages: packages.len(),
        open,
        ignored: lived_with,
        expired,
    })?;
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn ignored(args: &Args, context: &Context) -> miette::Result<Ignore> {
    let usual = || Some(context.project().ok()?.recipes().join("cve.toml"));
    match (&args.ignore, usual()) {
        (Some(named), _) => Ok(Ignore::load(named)?),
        (None, Some(usual)) if usual.is_file() => Ok(Ignore::load(&usual)?),
        (None, _) => Ok(Ignore::default()),
    }
}

fn codename(opened: &ashlar_inspect::Opened) -> miette::Result<String> {
    let text = opened.root()?.text("/usr/lib/os-release").into_diagnostic()?.unwrap_or_default();
    let fields = ashlar_inspect::uki::fields(&text);
    fields.get("VERSION_CODENAME").cloned().ok_or_else(|| {
        miette!(help = "name it with --release", "the image does not say which Debian it is")
    })
}

fn show(hole: &Hole, context: &Context) {
    let severity = format!("{:11}", hole.severity.as_str());
    let severity = match hole.severity {
        Severity::High => severity.if_supports_color(Stream::Stdout, |word| word.red()).to_string(),
        _ => severity,
    };
    let cure = match (&hole.fixed, &hole.postponed) {
        (Some(version), _) => format!("mended in {version}"),
        (None, Some(word)) => format!("not mended: {word}"),
        (None, None) => "not mended yet".to_owned(),
    };
    context
        .output
        .line(format_args!("{severity} {:16} {} {}  {cure}", hole.id, hole.source, hole.version));
}
