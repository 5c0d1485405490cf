//! `ashlarctl`: ask the Ashlar agent of this node, or of a site elsewhere.
//!
//! `cli` says what can be typed, and `command` has one module for each verb.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done; for `status`, `why` and `wait`: ready; for `check`: nothing is wrong |
//! | 1 | error: the agent does not answer, or refused |
//! | 2 | wrong usage |
//! | 3 | the node answers, but is not (yet) ready; for `check`: something is wrong |

mod alerts;
mod ask;
mod cli;
mod command;
#[cfg(test)]
#[path = "../../../tests/src/book/commands.rs"]
mod commands;
mod complaint;
mod elsewhere;
mod other_screen;
mod over_ssh;
#[cfg(test)]
mod schema;
mod style;

use clap::Parser;
use cli::Cli;
use std::process::ExitCode;

/// What was typed means nothing; as clap has it.
const WRONG_USAGE: u8 = 2;

/// The node answers, but is not ready.
pub(crate) const NOT_READY: u8 = 3;

fn main() -> ExitCode {
    over_ssh::typed(Cli::parse()).map_err(anyhow::Error::from).and_then(run).unwrap_or_else(
        |error| {
            if complaint::is_closed_pipe(&error) {
                return ExitCode::SUCCESS;
            }
            complaint::print(&error);
            if error.is::<over_ssh::Refused>() {
                ExitCode::from(WRONG_USAGE)
            } else {
                ExitCode::FAILURE
            }
        },
    )
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let client = match cli.site {
        None => ashlar_api::Client::at(&cli.socket),
        Some(_) if cli.node.is_none() && cli.command.is_of_one_box() => {
            anyhow::bail!("this is about one box: name it by --node, as `members` lists them")
        }
        Some(site) => elsewhere::client(&site, cli.node)?,
    };
    cli.command.run(&client)
}
