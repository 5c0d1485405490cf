//! `ashlar-agent`: observes, plans and acts on one node of an Ashlar cluster.

mod act;
mod agent_loop;
mod alone;
mod backoff;
mod clock;
mod data;
#[cfg(test)]
mod enrolment_tests;
#[cfg(test)]
mod fakes;
mod firewall;
mod handing;
mod health;
mod host;
mod identity;
mod inventory;
mod journal;
mod ledger;
mod looks;
mod machine;
mod network_change;
mod networkd;
mod node;
mod observe;
mod paths;
mod people;
#[cfg(test)]
mod people_tests;
mod phases;
mod places;
mod presence;
mod release;
mod reset;
mod retirement;
mod ring;
mod ring_keys;
mod run;
mod seed;
mod serve;
mod site_files;
mod site_store;
mod state;
mod status;
mod storage;
mod support;
mod swarm;
mod targets;
mod trust;
mod watch;
mod work;
mod yielding;

use anyhow::{Context, Result};
use ashlar_api::{Secret, SiteAfterReset};
use clap::{Parser, Subcommand};
use paths::Paths;
use std::io::Read;
use std::path::PathBuf;
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
    ///
    /// A node that has a site takes one of the same name with another ring key: so
    /// a box that was away while the key was changed is given the new one.
    ImportSeed {
        /// Take the site from this file instead, which is left as it is.
        #[arg(long)]
        file: Option<PathBuf>,
        /// This seed partition has just appeared. One of another disk than the box
        /// was booted from gives its site to a box without one, and is left as it is.
        #[arg(long, conflicts_with = "file")]
        partition: Option<PathBuf>,
    },
    /// Take this machine for the node's own.
    ///
    /// A disk that finds itself in another machine than it was set up in may be a
    /// copy, and takes no part while somebody answers at its address. If it was moved
    /// on purpose, and the other machine will never run it again, this lets it go on.
    AcceptMachine,
    /// Look which copies of the cluster volume lack something that the one here
    /// has, and write it down for the agent.
    Copies,
    /// Carry out the reset that was asked for, if one was.
    Reset,
    /// Ask for a reset, as `ashlarctl reset` does when the agent is not there.
    NoteReset {
        /// What containers left here, and nothing else.
        #[arg(long, conflicts_with_all = ["keep_site", "new_site"])]
        workloads: bool,
        /// The box comes back with the site that it has.
        #[arg(long, conflicts_with = "new_site")]
        keep_site: bool,
        /// It comes back with the site that is read from standard input.
        #[arg(long)]
        new_site: bool,
        /// What stands for the box's own root.
        #[arg(long, hide = true, value_name = "DIRECTORY", default_value = "/")]
        root: PathBuf,
    },
    /// Write what the agent collected for support onto a stick, and read it back.
    WriteSupport {
        /// The stick's FAT volume.
        #[arg(long, value_name = "DEVICE")]
        partition: PathBuf,
        /// What stands for the box's own root.
        #[arg(long, hide = true, value_name = "DIRECTORY", default_value = "/")]
        root: PathBuf,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    journal::init();
    let outcome = match cli.command {
        Command::Run => run(),
        Command::ImportSeed { file, partition } => import_seed(file, partition),
        Command::AcceptMachine => {
            host::wired().and_then(|links| machine::accept(&Paths::system(), &links))
        }
        Command::Copies => storage::copies::look(&Paths::system()),
        Command::Reset => reset::run(),
        Command::NoteReset { workloads: true, root, .. } => {
            reset::note_workloads(&Paths::under(root))
        }
        Command::NoteReset { keep_site, new_site, root, .. } => {
            site_after(keep_site, new_site, std::io::stdin())
                .and_then(|site| reset::note(&Paths::under(root), &site))
        }
        Command::WriteSupport { partition, root } => {
            support::onto::write(&Paths::under(root), &partition)
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What becomes of a box's site by a reset.
fn site_after(keep: bool, new: bool, mut given: impl Read) -> Result<SiteAfterReset> {
    if new {
        let mut text = Vec::new();
        given.read_to_end(&mut text).context("the new site")?;
        return Ok(SiteAfterReset::New(Secret::new(text)));
    }
    Ok(if keep { SiteAfterReset::Keep } else { SiteAfterReset::Forget })
}

fn run() -> Result<()> {
    // One thread does everything but what may block in the kernel: the work is
    // waiting, and stacks are most of what a small agent keeps in memory.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .thread_stack_size(512 * 1024)
        .build()
        .context("cannot start the runtime")?;
    let outcome = runtime.block_on(run::run(Paths::system()));
    // A question to a mount that hangs must not hold up the shutdown.
    runtime.shutdown_background();
    outcome
}

fn import_seed(file: Option<PathBuf>, partition: Option<PathBuf>) -> Result<()> {
    let sources = seed::Sources::system(file, partition);
    match seed::import(&Paths::system(), &sources, &seed::read_seed)? {
        seed::Imported::Now => {}
        seed::Imported::Before => tracing::info!("this node has its site"),
        seed::Imported::Nothing => tracing::warn!(
            "no site: neither a seed partition nor the credential `ashlar.site` brings one. \
             This node waits until `ashlar flash` or a credential gives it one"
        ),
    }
    Ok(())
}
