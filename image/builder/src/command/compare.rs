//! `ashlar compare`: what is different in another image.

use crate::cache_dir::CacheDir;
use crate::context::Context;
use crate::images::Workbench;
use ashlar_inspect::compare::{Change, Comparison, Part, Picture};
use owo_colors::{OwoColorize, Stream};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Say what is different in another image.
///
/// Partitions, packages, units, files, kernel options and sizes are compared; what
/// concerns security (accounts, keys, ssh, setuid files, what listens, what is
/// enabled, the kernel's command line) is told first. The exit code is 0 when
/// nothing differs, and 1 when something does.
///
///   ashlar compare out/retail/0.1.0-aaaa out/retail/latest
///   ashlar compare old.raw new.raw --files        every file as well
///   ashlar compare old.raw new.raw --json | jq '.parts[] | select(.security)'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// A raw disk image, or a directory with one in it.
    one: PathBuf,
    /// Another one.
    other: PathBuf,
    /// List every file that differs, and not only how many.
    #[arg(long)]
    files: bool,
    #[command(flatten)]
    cache: CacheDir,
}

/// What `ashlar compare --json` prints.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Compared<'a> {
    /// The one image.
    one: &'a Path,
    /// The other.
    other: &'a Path,
    /// Nothing differs.
    same: bool,
    /// Who can do what on a box differs.
    concerns_security: bool,
    /// The differences by kind, what concerns security first.
    parts: &'a [Part],
}

/// Runs it.
pub(crate) fn run(args: &Args, context: &Context) -> miette::Result<ExitCode> {
    let bench = Workbench::ready(&[&args.one, &args.other], &args.cache, context)?;
    // One after the other: each takes the room of a root.
    let picture = |image| Ok::<_, miette::Report>(Picture::of(&*bench.open(image)?)?);
    let (one, other) = (picture(&args.one)?, picture(&args.other)?);
    bench.go_on()?;
    let comparison = Comparison::of(&one, &other);
    for part in comparison.parts.iter().filter(|part| !part.changes.is_empty()) {
        show(part, args, context);
    }
    if comparison.is_empty() {
        context.output.line("nothing differs");
    }
    context.output.json(&Compared {
        one: &args.one,
        other: &args.other,
        same: comparison.is_empty(),
        concerns_security: comparison.concerns_security(),
        parts: &comparison.parts,
    })?;
    Ok(if comparison.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show(part: &Part, args: &Args, context: &Context) {
    let output = &context.output;
    let count = part.changes.len();
    let title = format!("{} ({count})", part.name);
    if part.security {
        let title = title.if_supports_color(Stream::Stdout, |title| title.yellow()).to_string();
        output.line(format_args!("{title}  concerns security"));
    } else {
        output.line(title.if_supports_color(Stream::Stdout, |title| title.bold()));
    }
    if part.name == "files" && !args.files {
        output.line("  --files lists them");
        return;
    }
    for Change { name, from, to } in &part.changes {
        match (from, to) {
            (None, Some(to)) => output.line(format_args!("  + {name}  {to}")),
            (Some(from), None) => output.line(format_args!("  - {name}  {from}")),
            (from, to) => output.line(format_args!(
                "  ~ {name}  {} → {}",
                from.as_deref().unwrap_or_default(),
                to.as_deref().unwrap_or_default()
            )),
        }
    }
}
