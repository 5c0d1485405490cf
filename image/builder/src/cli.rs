//! What can be typed.

use crate::command::{
    bench, build, cache, completions, demo, doctor, export, flash, inspect, lab, lint, lock, man,
    profile, profiles, site, stamp, vendor, vm,
};
use crate::context::Context;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Builds immutable edge appliances from recipes, and runs them in VMs and labs.
///
/// From nothing to a running cluster:
///
///   ashlar doctor                      what this host lacks, and how to mend it
///   ashlar profiles                    what can be built
///   ashlar build --profile retail      an image in out/retail/latest/
///   ashlar site new shop               the secrets of one cluster, in keys/shop/
///   ashlar vm up --site shop -n 3      three machines from that image
#[derive(Debug, Parser)]
#[command(name = "ashlar", version, propagate_version = true, verbatim_doc_comment)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that every command takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// Print one JSON object as the last line, and nothing else on standard output.
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) json: bool,
    /// Print results and errors only.
    #[arg(long, short, global = true, help_heading = "Global options")]
    pub(crate) quiet: bool,
    /// Where the recipes are. Default: the nearest parent directory with `recipes/`.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "ASHLAR_PROJECT",
        help_heading = "Global options"
    )]
    pub(crate) project: Option<PathBuf>,
}

/// The verbs. Those without a line here have a longer text on their options.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say what this host lacks, and the command that mends it.
    Doctor(doctor::Args),
    /// List the profiles that can be built.
    Profiles(profiles::Args),
    /// Look into one profile.
    Profile(profile::Args),
    Site(site::Args),
    Lock(lock::Args),
    Vendor(vendor::Args),
    Build(build::Args),
    /// Show or clean the cache of build steps.
    Cache(cache::Args),
    /// Show what is inside an image.
    Inspect(inspect::Args),
    /// Check a finished image against named rules.
    Lint(lint::Args),
    /// Render a recipe for another image builder.
    Export(export::Args),
    /// Measure what a build takes, beside another image builder.
    Bench(bench::Args),
    Flash(flash::Args),
    Stamp(stamp::Args),
    Vm(vm::Args),
    Lab(lab::Args),
    Demo(demo::Args),
    /// Print a completion script for a shell.
    Completions(completions::Args),
    /// Write the manual pages into a directory.
    Man(man::Args),
}

impl Command {
    /// Runs the verb that was typed.
    pub(crate) fn run(&self, context: &Context) -> miette::Result<ExitCode> {
        match self {
            Self::Doctor(args) => doctor::run(args, context),
            Self::Profiles(args) => profiles::run(args, context),
            Self::Profile(args) => profile::run(args, context),
            Self::Site(args) => site::run(args, context),
            Self::Lock(args) => lock::run(args, context),
            Self::Vendor(args) => vendor::run(args, context),
            Self::Build(args) => build::run(args, context),
            Self::Cache(args) => cache::run(args, context),
            Self::Inspect(args) => inspect::run(args, context),
            Self::Lint(args) => lint::run(args, context),
            Self::Export(args) => export::run(args, context),
            Self::Bench(args) => bench::run(args, context),
            Self::Flash(args) => flash::run(args, context),
            Self::Stamp(args) => stamp::run(args, context),
            Self::Vm(args) => vm::run(args, context),
            Self::Lab(args) => lab::run(args, context),
            Self::Demo(args) => demo::run(args, context),
            Self::Completions(args) => completions::run(args, context),
            Self::Man(args) => man::run(args, context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
