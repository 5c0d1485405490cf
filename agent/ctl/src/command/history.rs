//! `ashlarctl history`.

use super::facts;
use crate::style::{bad, faint, good, plain};
use anyhow::Result;
use ashlar_api::{Client, Event};
use std::io::Write;
use std::process::ExitCode;

/// List what this node did and could not do, and why, over reboots
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: ashlarctl history --failed -n 5")]
pub(crate) struct Args {
    /// How many of the last steps.
    #[arg(long, short = 'n', value_name = "STEPS", default_value_t = 30)]
    lines: usize,
    /// Only what could not be done.
    #[arg(long)]
    failed: bool,
    /// A JSON list instead of a table.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(client: &Client, options: &Args) -> Result<ExitCode> {
    let mut events = client.history().await?;
    events.retain(|event| !options.failed || event.error.is_some());
    let last = &events[events.len().saturating_sub(options.lines)..];
    let text = if options.json { facts::line(last)? } else { last.iter().map(line).collect() };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn line(event: &Event) -> String {
    // The second will do, and the zone is always UTC.
    let at = event.at.get(..19).unwrap_or(&event.at).replace('T', " ");
    let (step, because) =
        (plain(&event.step), faint(&format!("because {}", plain(&event.because))));
    match &event.error {
        None => format!("{} {} {step}, {because}\n", plain(&at), good("✔")),
        Some(error) => {
            format!("{} {} {step}, {because}: {}\n", plain(&at), bad("✘"), bad(&plain(error)))
        }
    }
}
