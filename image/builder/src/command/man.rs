//! `ashlar man`: manual pages.

use crate::cli::Cli;
use crate::context::Context;
use clap::CommandFactory;
use miette::{IntoDiagnostic, WrapErr};
use std::path::PathBuf;
use std::process::ExitCode;

/// Write `ashlar.1` and a page for each command into a directory.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The directory; made if it does not exist.
    directory: PathBuf,
}

/// Runs it.
pub(crate) fn run(args: &Args, context: &Context) -> miette::Result<ExitCode> {
    let describe = || format!("the pages cannot be written to {}", args.directory.display());
    std::fs::create_dir_all(&args.directory).into_diagnostic().wrap_err_with(describe)?;
    clap_mangen::generate_to(Cli::command(), &args.directory)
        .into_diagnostic()
        .wrap_err_with(describe)?;
    context.output.line(format_args!("manual pages are in {}", args.directory.display()));
    context.output.json(&serde_json::json!({ "directory": args.directory }))?;
    Ok(ExitCode::SUCCESS)
}
