//! `ashlar lab`.

use crate::command::machines::Verb;
use crate::context::Context;
use ashlar_machine::Backend;
use std::process::ExitCode;

/// Run an image's root tree as systemd-nspawn containers
///
/// Seconds instead of minutes, with real units and daemons; but without firmware,
/// partitions and a kernel of its own. Needs root: it makes network namespaces.
///
///   sudo ashlar lab up --site shop      three containers on the retail root
///   sudo ashlar lab exec node1 -- ashlarctl status
///   sudo ashlar lab cut node2           pull its network cable
///   sudo ashlar lab down
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

/// Runs it.
pub(crate) fn run(args: &Args, context: &Context) -> miette::Result<ExitCode> {
    args.verb.run(Backend::Lab, context)
}
