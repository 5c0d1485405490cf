//! `ashlarctl completions` and `ashlarctl man`: made from the command line's
//! own definition, so that they cannot be out of date.

use crate::cli::Cli;
use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn completions(shell: Shell) -> anyhow::Result<ExitCode> {
    // clap_complete panics when its writer fails, so it gets memory.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "ashlarctl", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn pages(dir: Option<&Path>) -> anyhow::Result<ExitCode> {
    match dir {
        Some(dir) => clap_mangen::generate_to(Cli::command(), dir)
            .with_context(|| format!("cannot write manual pages into {}", dir.display()))?,
        None => clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout())?,
    }
    Ok(ExitCode::SUCCESS)
}
