//! `ashlar`: builds immutable edge appliances, and runs them in VMs and labs.
//!
//! `cli` says what can be typed, and `command` has one module for each verb, with
//! its words and no more: what a verb does is in the crates beside this one
//! (`ashlar-build` makes images, `ashlar-inspect` reads them, `ashlar-disk` writes
//! disks, `ashlar-machine` runs VMs and labs). Everything printed goes through
//! `output`, so that `--json`, `--quiet` and pipes behave alike; `signals` makes
//! Ctrl-C end what runs in order, and a second one at once.

mod bench;
mod cache_dir;
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
