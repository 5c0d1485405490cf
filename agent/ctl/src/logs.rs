//! `ashlarctl logs`: the journal of our units, shown by `journalctl` itself.

use crate::cli;
use anyhow::Context;
use ashlar_api::{DAEMONS, OUR_UNITS};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// Becomes `journalctl`, so that its pager, keys and exit code are the user's.
pub(crate) fn run(options: &cli::Logs) -> anyhow::Result<ExitCode> {
    let failure = Command::new("journalctl").args(arguments(options)).exec();
    Err(failure).context("cannot run journalctl")
}

fn arguments(options: &cli::Logs) -> Vec<String> {
    let mut args = vec![format!("--lines={}", options.lines)];
    args.extend((!options.all_boots).then(|| "--boot".into()));
    args.extend(options.follow.then(|| "--follow".into()));
    args.push(format!("--output={}", if options.json { "json" } else { "short-precise" }));
    let daemons = if options.agent { &[] } else { DAEMONS };
    args.extend(OUR_UNITS.iter().chain(daemons).map(|unit| format!("--unit={unit}")));
    args
}
