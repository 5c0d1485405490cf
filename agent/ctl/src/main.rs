//! `ashlarctl`: ask the Ashlar agent of this node, or of a site elsewhere.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done; for `status`, `why` and `wait`: ready; for `check`: nothing is wrong |
//! | 1 | error: the agent does not answer, or refused |
//! | 2 | wrong usage |
//! | 3 | the node answers, but is not (yet) ready; for `check`: something is wrong |

mod admin;
mod alerts;
mod ask;
mod check;
mod cli;
mod complaint;
mod elsewhere;
mod facts;
mod history;
mod logs;
mod manual;
mod members;
mod merge;
mod network;
mod node;
mod other_screen;
mod pki;
mod power;
mod reset;
mod ring;
#[cfg(test)]
mod schema;
mod shown;
mod status;
mod style;
mod support;
mod wait;
mod why;

use clap::Parser;
use cli::{Cli, Command};
use std::process::ExitCode;

/// The node answers, but is not ready.
pub(crate) const NOT_READY: u8 = 3;

fn main() -> ExitCode {
    run(Cli::parse()).unwrap_or_else(|error| {
        if complaint::is_closed_pipe(&error) {
            return ExitCode::SUCCESS;
        }
        complaint::print(&error);
        ExitCode::FAILURE
    })
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let client = match cli.site {
        None => ashlar_api::Client::at(&cli.socket),
        Some(_) if cli.node.is_none() && cli.command.is_of_one_box() => {
            anyhow::bail!("this is about one box: name it by --node, as `members` lists them")
        }
        Some(site) => elsewhere::client(&site, cli.node)?,
    };
    match cli.command {
        Command::Status(options) => on_runtime(status::run(&client, &options)),
        Command::Wait(options) => on_runtime(wait::run(&client, &options)),
        Command::Members(options) => on_runtime(members::run(&client, &options)),
        Command::Network(cli::Network { what: None, facts }) => {
            on_runtime(facts::network(&client, &facts))
        }
        Command::Network(cli::Network { what: Some(what), .. }) => {
            on_runtime(network::run(&client, &what))
        }
        Command::Admin(options) => on_runtime(admin::run(&client, &options)),
        Command::Node(options) => on_runtime(node::run(&client, &options)),
        Command::Pki(options) => on_runtime(pki::run(&client, &options)),
        Command::Ring(options) => on_runtime(ring::run(&client, &options)),
        Command::Cluster(options) => on_runtime(merge::run(&client, &options)),
        Command::Hardware(options) => on_runtime(facts::hardware(&client, &options)),
        Command::Power(options) => on_runtime(power::run(&client, &options)),
        Command::Reset(options) => on_runtime(reset::run(&client, &options)),
        Command::Support(options) => on_runtime(support::run(&client, &options)),
        Command::Why(options) => on_runtime(why::run(&client, &options)),
        Command::Check(options) => on_runtime(check::run(&client, &options)),
        Command::History(options) => on_runtime(history::run(&client, &options)),
        Command::AwaitPhase { .. } | Command::Logs(_) if client.is_elsewhere() => {
            anyhow::bail!("this is for the box itself, and not there from elsewhere")
        }
        Command::AwaitPhase { phase } => shown::run(&phase),
        Command::Logs(options) => logs::run(&options),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { dir } => manual::pages(dir.as_deref()),
    }
}

fn on_runtime(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(command)
}
