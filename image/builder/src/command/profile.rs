//! `ashlar profile`: what can be built.

pub(crate) mod check;
pub(crate) mod diff;
pub(crate) mod list;
pub(crate) mod new;
pub(crate) mod show;

use crate::context::Context;
use ashlar_build::Project;
use owo_colors::{OwoColorize, Stream};
use std::process::ExitCode;

/// List the profiles that can be built, look into one, or begin one.
///
///   ashlar profiles                         the recipes in recipes/
///   ashlar profile show retail              all of one, with each value's origin
///   ashlar profile diff retail gpu          what another one has, and has not
///   ashlar profile new till                 one of your own, from retail-metal
///   ashlar profile check till               whether it can be built
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
    /// Begin a profile of your own: writes a recipe that extends another one.
    ///
    ///   ashlar profile new till
    ///   ashlar profile new kiosk --extends gpu --description "Screens in the window"
    ///   ashlar profile new shop --stack till.yml --hardware wifi
    #[command(verbatim_doc_comment)]
    New {
        /// Its name: small letters, digits and dashes.
        name: String,
        /// The profile that it starts from.
        #[arg(long, value_name = "PROFILE", default_value = "retail-metal")]
        extends: String,
        /// One line that says what its boxes are for.
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        #[command(flatten)]
        more: new::More,
    },
    /// Say whether profiles can be built: the recipe, all that it names, and its lock.
    ///
    /// Ends with 1 if one of them cannot.
    ///
    ///   ashlar profile check till
    ///   ashlar profile check              all of them
    #[command(verbatim_doc_comment)]
    Check {
        /// The profiles; all if none is named.
        names: Vec<String>,
    },
    /// Say what another profile has that this one has not, and the other way round.
    ///
    /// Both are composed first, so what they inherit counts. Ends with 1 if they
    /// differ.
    ///
    ///   ashlar profile diff retail-metal gpu
    #[command(verbatim_doc_comment)]
    Diff {
        /// The one.
        one: String,
        /// The other.
        other: String,
    },
}

/// Runs it.
pub(crate) fn run(args: &Args, context: &Context) -> miette::Result<ExitCode> {
    match &args.verb {
        None | Some(Verb::List) => list::run(context),
        Some(Verb::Show { name }) => show::run(name, context),
        Some(Verb::New { name, extends, description, more }) => {
            new::run(name, extends, description.as_deref(), more, context)
        }
        Some(Verb::Check { names }) => check::run(names, context),
        Some(Verb::Diff { one, other }) => diff::run(one, other, context),
    }
}

/// How a recipe is shown that cannot be used.
fn broken(error: Option<&str>) -> String {
    let word = "broken:".if_supports_color(Stream::Stdout, |word| word.red()).to_string();
    format!("{word} {}", error.unwrap_or_default())
}

/// A path or a message without the project's own directory.
fn beside(project: &Project, text: &str) -> String {
    text.replace(&format!("{}/", project.root().display()), "")
}
