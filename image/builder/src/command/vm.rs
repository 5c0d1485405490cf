//! `ashlar vm`.

use crate::command::machines::{OneNode, Verb, Which, done};
use crate::context::Context;
use ashlar_machine::{Backend, console};
use clap::Subcommand;
use miette::{IntoDiagnostic, WrapErr};
use std::path::PathBuf;
use std::process::ExitCode;

/// Run images as virtual machines
///
///   ashlar vm up --site shop            three machines from the retail image
///   ashlar vm exec node1 -- ashlarctl status
///   ashlar vm kill node2                pull its plug
///   ashlar vm start node2
///   ashlar vm down
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: VmVerb,
}

#[derive(Debug, Subcommand)]
enum VmVerb {
    #[command(flatten)]
    Common(Verb),
    /// Sit down at a node's serial console; Ctrl-] leaves it.
    ///
    ///   ashlar vm console node1
    #[command(verbatim_doc_comment)]
    Console(OneNode),
    /// Save what a node's screen shows as a PNG file.
    ///
    ///   ashlar vm screenshot node1 screen.png
    #[command(verbatim_doc_comment)]
    Screenshot {
        #[command(flatten)]
        node: OneNode,
        /// The file.
        file: PathBuf,
    },
    /// Press keys at a node's keyboard, one after the other.
    ///
    ///   ashlar vm press node1 2             the screen's second page
    ///   ashlar vm press node1 a down ret    its actions, and the second of them
    ///   ashlar vm press node1 ctrl-alt-delete
    #[command(verbatim_doc_comment)]
    Press {
        #[command(flatten)]
        node: OneNode,
        /// Letters, digits, and names as QEMU has them: `ret`, `esc`, `down`, `f2`; with
        /// `-` between those that are held together.
        #[arg(required = true)]
        keys: Vec<String>,
    },
    /// Save nodes with disk and memory, all at one moment.
    ///
    ///   ashlar vm snapshot before-update
    #[command(verbatim_doc_comment)]
    Snapshot(Moment),
    /// Put nodes back to a saved moment.
    ///
    ///   ashlar vm rewind before-update
    #[command(verbatim_doc_comment)]
    Rewind(Moment),
}

#[derive(Debug, clap::Args)]
struct Moment {
    /// Name of the moment.
    tag: String,
    /// The nodes. Default: all.
    nodes: Vec<String>,
    #[command(flatten)]
    cluster: Which,
}

/// Runs it.
pub(crate) fn run(args: &Args, context: &Context) -> miette::Result<ExitCode> {
    match &args.verb {
        VmVerb::Common(verb) => verb.run(Backend::Vm, context),
        VmVerb::Console(one) => {
            let socket = one.cluster.find(Backend::Vm)?.console(&one.node)?;
            context.output.note(format_args!("console of {}; Ctrl-] leaves it", one.node));
            console::attach(&socket)?;
            Ok(ExitCode::SUCCESS)
        }
        VmVerb::Screenshot { node, file } => {
            let picture = node.cluster.find(Backend::Vm)?.screenshot(&node.node)?;
            std::fs::write(file, picture)
                .into_diagnostic()
                .wrap_err_with(|| format!("{} cannot be written", file.display()))?;
            done(context, &format!("{} has the screen of {}", file.display(), node.node))
        }
        VmVerb::Press { node, keys } => {
            node.cluster.find(Backend::Vm)?.press(&node.node, keys)?;
            done(context, &format!("pressed at {}: {}", node.node, keys.join(" ")))
        }
        VmVerb::Snapshot(moment) => {
            let cluster = moment.cluster.find(Backend::Vm)?;
            let spinner = context.output.spinner("saving memory and disks");
            let saved = cluster.snapshot(&moment.nodes, &moment.tag);
            spinner.finish_and_clear();
            saved?;
            done(context, &format!("{} is saved as `{}`", cluster.name(), moment.tag))
        }
        VmVerb::Rewind(moment) => {
            let cluster = moment.cluster.find(Backend::Vm)?;
            let spinner = context.output.spinner("loading memory and disks");
            let loaded = cluster.rewind(&moment.nodes, &moment.tag);
            spinner.finish_and_clear();
            loaded?;
            done(context, &format!("{} is back at `{}`", cluster.name(), moment.tag))
        }
    }
}
