//! `ashlarctl completions`: made from the command line's own definition, so that they
//! cannot be out of date.

use clap_complete::Shell;
use std::io::Write;
use std::process::ExitCode;

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: ashlarctl completions bash > \
                        /etc/bash_completion.d/ashlarctl")]
pub(crate) struct Args {
    /// For which shell.
    shell: Shell,
}

pub(crate) fn run(args: &Args, command: &mut clap::Command) -> anyhow::Result<ExitCode> {
    // clap_complete panics when its writer fails, so it gets memory.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "ashlarctl", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}
