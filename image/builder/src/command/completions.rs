//! `ashlar completions`: completion scripts.

use crate::cli::Cli;
use crate::context::Context;
use clap::CommandFactory;
use std::io::Write;
use std::process::ExitCode;

/// Print a completion script for a shell.
///
/// For bash: `ashlar completions bash > ~/.local/share/bash-completion/completions/ashlar`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Whose script.
    shell: clap_complete::Shell,
}

/// Runs it.
pub(crate) fn run(args: &Args, _context: &Context) -> miette::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "ashlar", &mut script);
    // A reader that went away is no error.
    let _ = std::io::stdout().write_all(&script);
    Ok(ExitCode::SUCCESS)
}
