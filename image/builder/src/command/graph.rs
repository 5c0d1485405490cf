//! `ashlar graph`: how a recipe becomes an image.

use crate::context::Context;
use crate::graph::{self, Graph};
use miette::{IntoDiagnostic, WrapErr};
use std::path::PathBuf;
use std::process::ExitCode;

/// Show how a profile becomes an image: recipes, what they give, and the steps.
///
///   ashlar graph --profile retail
///   ashlar graph --profile retail --svg retail.svg
///   ashlar graph --json | jq '.nodes[] | select(.kind == "step")'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// Which recipe: recipes/<PROFILE>.toml.
    #[arg(long, short, default_value = "retail")]
    profile: String,
    /// Draw it into this file, instead of telling it in words.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// Runs it.
pub(crate) fn run(args: &Args, context: &Context) -> miette::Result<ExitCode> {
    let project = context.project()?;
    let composed = ashlar_recipe::compose(&project.recipes(), &args.profile)?;
    let graph = Graph::of(&composed, &ashlar_build::outline());
    match &args.svg {
        Some(file) => {
            std::fs::write(file, graph::svg(&graph))
                .into_diagnostic()
                .wrap_err_with(|| format!("{} cannot be written", file.display()))?;
            context.output.line(format_args!("{} is drawn", file.display()));
        }
        None => context.output.line(graph::text(&graph).trim_end()),
    }
    context.output.json(&graph)?;
    Ok(ExitCode::SUCCESS)
}
