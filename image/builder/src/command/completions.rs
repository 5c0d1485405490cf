//! `ashlar completions`: completion scripts.

use std::io::Write;
use std::process::ExitCode;

/// Print a completion script for a shell.
///
///   ashlar completions bash > ~/.local/share/bash-completion/completions/ashlar
///   ashlar completions fish > ~/.config/fish/completions/ashlar.fish
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// Whose script.
    shell: clap_complete::Shell,
}

/// Runs it.
pub(crate) fn run(args: &Args, command: &mut clap::Command) -> miette::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "ashlar", &mut script);
    // A reader that went away is no error.
    let _ = std::io::stdout().write_all(&script);
    Ok(ExitCode::SUCCESS)
}
