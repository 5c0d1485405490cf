//! `ashlarctl why`.

use crate::alerts;
use crate::style::{good, heading, plain};
use crate::{NOT_READY, cli};
use anyhow::Result;
use ashlar_api::{Client, Phase, Status, duration};
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

pub(crate) async fn run(client: &Client, options: &cli::Why) -> Result<ExitCode> {
    let status = client.status().await?;
    let text = if options.json { json(&status)? } else { sentences(&status)? };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(if status.ready { ExitCode::SUCCESS } else { ExitCode::from(NOT_READY) })
}

fn json(status: &Status) -> Result<String> {
    let open: Vec<_> = status.phases.iter().filter(|p| !p.holds).collect();
    let why = serde_json::json!({
        "ready": status.ready,
        "phases": open,
        "doing": status.doing,
        "waits": status.waits,
        "alerts": status.alerts,
    });
    Ok(why.to_string() + "\n")
}

fn sentences(status: &Status) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    let open = status.phases.iter().filter(|p| !p.holds && p.phase != Phase::Ready);
    for phase in open {
        writeln!(out, "{} {}", heading(phase.phase.as_str()), plain(&phase.detail))?;
    }
    for doing in &status.doing {
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
