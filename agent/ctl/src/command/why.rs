//! `ashlarctl why`.

use super::facts;
use crate::NOT_READY;
use crate::alerts;
use crate::style::{good, heading, plain};
use anyhow::Result;
use ashlar_api::{Alert, Client, Phase, PhaseStatus, Status, Wait, duration};
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

/// Say what this node waits for, what holds it back, and what is wrong
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: ashlarctl why --json | jq -r '.alerts[].words'")]
pub(crate) struct Args {
    /// One JSON object instead of sentences.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(client: &Client, options: &Args) -> Result<ExitCode> {
    let status = client.status().await?;
    let text = if options.json { json(&status)? } else { sentences(&status)? };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(if status.ready { ExitCode::SUCCESS } else { ExitCode::from(NOT_READY) })
}

/// What `ashlarctl why --json` prints.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Why"))]
pub(crate) struct Reasons<'a> {
    /// All wanted phases hold.
    ready: bool,
    /// Those that do not.
    phases: Vec<&'a PhaseStatus>,
    /// What the agent is doing, in the planner's exact words.
    doing: &'a [String],
    /// What is wanted and not done yet, and what holds it back.
    waits: &'a [Wait],
    /// What a person should know, the worst first.
    alerts: &'a [Alert],
}

fn json(status: &Status) -> Result<String> {
    let why = Reasons {
        ready: status.ready,
        phases: status.phases.iter().filter(|p| !p.holds).collect(),
        doing: doing(status),
        waits: &status.waits,
        alerts: &status.alerts,
    };
    facts::line(&why)
}

/// In exact words, where the agent tells them beside the plain ones.
fn doing(status: &Status) -> &[String] {
    if status.exactly.is_empty() { &status.doing } else { &status.exactly }
}

fn sentences(status: &Status) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    let open = status.phases.iter().filter(|p| !p.holds && p.phase != Phase::Ready);
    for phase in open {
        writeln!(out, "{} {}", heading(phase.phase.as_str()), plain(&phase.detail))?;
    }
    for doing in doing(status) {
        writeln!(out, "{} {}", heading("doing"), plain(doing))?;
    }
    for wait in &status.waits {
        let (wanted, what_for) = (plain(&wait.wanted), plain(&wait.what_for));
        writeln!(out, "{} {wanted} waits: {what_for} (rule {})", heading("waits"), wait.rule)?;
    }
    for part in &status.parts {
        if let Some(why) = part.silent.as_ref().filter(|_| !status.ready) {
            let long = duration(part.silent_ms);
            writeln!(out, "{} {} for {long}: {}", heading("silent"), part.part, plain(why))?;
        }
    }
    out.push_str(&alerts::lines(status));
    if out.is_empty() {
        let words = if status.ready { "ready; nothing is to be done" } else { "not ready yet" };
        writeln!(out, "{}", good(words))?;
    }
    Ok(out)
}
