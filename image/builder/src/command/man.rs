//! `ashlar man`: manual pages.

use crate::context::Context;
use miette::{IntoDiagnostic, WrapErr};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Write the manual pages into a directory: `ashlar.1`, and a page for each verb.
///
///   ashlar man ~/.local/share/man/man1
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The directory; made if it does not exist.
    directory: PathBuf,
}

/// What `ashlar man --json` prints.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Pages<'a> {
    /// Where the pages are.
    directory: &'a Path,
}

/// Runs it.
pub(crate) fn run(
    args: &Args,
    command: clap::Command,
    context: &Context,
) -> miette::Result<ExitCode> {
    let describe = || format!("the pages cannot be written to {}", args.directory.display());
    std::fs::create_dir_all(&args.directory).into_diagnostic().wrap_err_with(describe)?;
    clap_mangen::generate_to(command, &args.directory).into_diagnostic().wrap_err_with(describe)?;
    context.output.line(format_args!("manual pages are in {}", args.directory.display()));
    context.output.json(&Pages { directory: &args.directory })?;
    Ok(ExitCode::SUCCESS)
}
