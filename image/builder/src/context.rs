//! What every command is given: where to print, and which project it works on.

use crate::cli::Global;
use crate::output::{Output, Watched};
use ashlar_build::Project;
use ashlar_sandbox::Cancel;
use std::path::PathBuf;

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
