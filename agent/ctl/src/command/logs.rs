//! `ashlarctl logs`: the journal of our units, shown by `journalctl` itself.

use anyhow::Context;
use ashlar_api::{DAEMONS, OUR_UNITS};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// Show what the agent and the daemons that it runs have written
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Go on showing new lines.
    #[arg(long, short)]
    follow: bool,
    /// How many of the last lines, or `all`.
    #[arg(long, short = 'n', value_name = "LINES", default_value = "100")]
    lines: String,
    /// The agent alone, without the daemons that it runs.
    #[arg(long)]
    agent: bool,
    /// Every boot that the journal holds, not only this one.
    #[arg(long)]
    all_boots: bool,
    /// One JSON object a line, with every field.
    #[arg(long)]
    json: bool,
}

/// Becomes `journalctl`, so that its pager, keys and exit code are the user's.
pub(crate) fn run(options: &Args) -> anyhow::Result<ExitCode> {
    let failure = Command::new("journalctl").args(arguments(options)).exec();
    Err(failure).context("cannot run journalctl")
}

fn arguments(options: &Args) -> Vec<String> {
    let mut args = vec![format!("--lines={}", options.lines)];
    args.extend((!options.all_boots).then(|| "--boot".into()));
    args.extend(options.follow.then(|| "--follow".into()));
    args.push(format!("--output={}", if options.json { "json" } else { "short-precise" }));
    let daemons = if options.agent { &[] } else { DAEMONS };
    args.extend(OUR_UNITS.iter().chain(daemons).map(|unit| format!("--unit={unit}")));
    args
}
