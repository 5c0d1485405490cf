//! What every command is given: where to print, and which project it works on.

use crate::output::{Output, Watched};
use ashlar_build::Project;
use ashlar_sandbox::Cancel;
use clap::Args;
use std::path::PathBuf;

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

/// Handed to every command.
#[derive(Debug)]
pub(crate) struct Context {
    /// The only way to print.
    pub(crate) output: Output,
    project: Option<PathBuf>,
}

impl Context {
    /// From the global options.
    pub(crate) fn new(global: &Global) -> Self {
        Self { output: Output::new(global.json, global.quiet), project: global.project.clone() }
    }

    /// The token that Ctrl-C cancels from now on.
    pub(crate) fn cancel(&self) -> Cancel {
        crate::signals::watch(&self.output);
        self.token()
    }

    /// The same token; until something calls [`Self::cancel`], Ctrl-C ends the
    /// process.
    pub(crate) fn token(&self) -> Cancel {
        crate::signals::token()
    }

    /// The output, for something that Ctrl-C ends in an orderly way; `verbose`
    /// shows every command.
    pub(crate) fn watched(&self, verbose: bool) -> Watched<'_> {
        Watched::new(&self.output, self.cancel(), verbose)
    }

    /// The project: `--project`, or the nearest parent with `recipes/`.
    /// Commands that need none do not ask, and so work anywhere.
    pub(crate) fn project(&self) -> miette::Result<Project> {
        Ok(Project::find(self.project.as_deref())?)
    }
}
