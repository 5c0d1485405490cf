//! What every command is given: where to print, and which project it works on.

use crate::cli::Global;
use crate::output::Output;
use ashlar_build::Project;
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

    /// The project: `--project`, or the nearest parent with `recipes/`.
    /// Commands that need none do not ask, and so work anywhere.
    pub(crate) fn project(&self) -> miette::Result<Project> {
        Ok(Project::find(self.project.as_deref())?)
    }
}
