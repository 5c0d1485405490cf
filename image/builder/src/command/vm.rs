//! `ashlar vm`.

use crate::context::Context;
use std::process::ExitCode;

/// Options of `vm`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Runs it.
pub(crate) fn run(_args: &Args, _context: &Context) -> miette::Result<ExitCode> {
    Err(miette::miette!("this command is not in this build yet"))
}
