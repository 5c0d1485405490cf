//! `ashlar`: builds immutable edge appliances, and runs them in VMs and labs.
//!
//! `cli` says what can be typed, `command` has one module for each verb, and
//! `build` is the pipeline from a recipe to an image. Everything printed goes
//! through `output`, so that `--json`, `--quiet` and pipes behave alike.

mod bench;
mod cli;
mod command;
#[cfg(test)]
#[path = "../../../tests/src/book/commands.rs"]
mod commands;
mod context;
mod graph;
mod images;
mod output;
mod report;
#[cfg(test)]
mod schema;
mod signals;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let context = context::Context::new(&cli.global);
    match cli.command.run(&context) {
        Ok(code) => code,
        Err(report) => context.output.failure(&report),
    }
}
