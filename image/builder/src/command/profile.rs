//! `ashlar profile`: what can be built.

mod list;
mod show;

use crate::context::Context;
use ashlar_build::Project;
use std::process::ExitCode;

/// List the profiles that can be built, or look into one.
///
///   ashlar profiles                    the recipes in recipes/
///   ashlar profile show retail         all of one, with each value's origin
///
/// A recipe with an error is listed with it, and the exit code is then 1.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List the profiles that can be built: the recipes in recipes/.
    ///
    ///   ashlar profile list
    #[command(verbatim_doc_comment)]
    List,
    /// Show the composed recipe, each value with the file and line it comes from.
    ///
    /// What is printed is a recipe itself: everything inherited is merged in.
    ///
    ///   ashlar profile show retail
    ///   ashlar profile show retail --json | jq -r '.installs[]'
    #[command(verbatim_doc_comment)]
    Show {
        /// The profile: the name of a file in recipes/ without `.toml`.
        name: String,
    },
}

/// Runs it.
pub(crate) fn run(args: &Args, context: &Context) -> miette::Result<ExitCode> {
    match &args.verb {
        None | Some(Verb::List) => list::run(context),
        Some(Verb::Show { name }) => show::run(name, context),
    }
}

/// A path or a message without the project's own directory.
fn beside(project: &Project, text: &str) -> String {
    text.replace(&format!("{}/", project.root().display()), "")
}
