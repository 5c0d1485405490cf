//! `ashlar-agent`: observes, plans and acts on one node of an Ashlar cluster.

mod act;
mod agent_loop;
mod backoff;
mod clock;
#[cfg(test)]
mod enrolment_tests;
#[cfg(test)]
mod fakes;
mod health;
mod host;
mod identity;
mod journal;
mod ledger;
mod node;
mod observe;
mod paths;
mod phases;
mod release;
mod reset;
mod ring;
mod run;
mod seed;
mod serve;
mod state;
mod status;
mod storage;
mod swarm;
mod targets;
mod trust;
mod work;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use paths::Paths;
use std::process::ExitCode;

/// The agent of an Ashlar node. systemd runs it; people use `ashlarctl`.
#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the node: observe, plan and act until stopped.
    Run,
    /// Take the site from the seed partition or the credential `ashlar.site`,
    /// once, and wipe the seed. Does nothing on a node that has its site.
    ImportSeed,
    /// Carry out the factory reset that was asked for, if one was: the box reboots.
    Reset,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    journal::init();
    let outcome = match cli.command {
        Command::Run => run(),
        Command::ImportSeed => import_seed(),
        Command::Reset => reset::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    // One thread does everything but what may block in the kernel: the work is
    // waiting, and stacks are most of what a small agent keeps in memory.
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .thread_stack_size(512 * 1024)
        .build()
        .context("cannot start the runtime")?
        .block_on(run::run(Paths::system()))
}

fn import_seed() -> Result<()> {
    match seed::import(&Paths::system(), &seed::Sources::system(), &seed::read_seed)? {
        seed::Imported::Now => {}
        seed::Imported::Before => tracing::info!("this node has its site"),
        seed::Imported::Nothing => tracing::warn!(
            "no site: neither a seed partition nor the credential `ashlar.site` brings one. \
             This node waits until `ashlar flash` or a credential gives it one"
        ),
    }
    Ok(())
}
