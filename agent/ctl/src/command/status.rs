//! `ashlarctl status`.

use super::{facts, members};
use crate::other_screen::OtherScreen;
use crate::style::{bad, faint, good, heading, plain, strong, waiting};
use crate::{NOT_READY, alerts};
use anyhow::Result;
use ashlar_api::{Client, DiskView, StackView, Status, StatusLines};
use serde::Serialize;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// Show where this node stands: phases, members, storage, Swarm
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// One JSON object instead of a table; with --watch, one a line whenever
    /// something changes.
    #[arg(long)]
    json: bool,
    /// Keep showing it, whenever something changes.
    #[arg(long, short)]
    watch: bool,
}

pub(crate) async fn run(client: &Client, options: &Args) -> Result<ExitCode> {
    if options.watch {
        return watch(client, options.json).await;
    }
    let status = client.status().await?;
    let text = if options.json { facts::line(&status)? } else { table(&status) };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(if status.ready { ExitCode::SUCCESS } else { ExitCode::from(NOT_READY) })
}

/// Shows the status until interrupted, through restarts of the agent. On a
/// terminal it takes the other screen; elsewhere it prints what changed, so that a
/// log of it can be read.
async fn watch(client: &Client, as_json: bool) -> Result<ExitCode> {
    let mut stdout = std::io::stdout();
    if !stdout.is_terminal() || as_json {
        let print = |text: &str| {
            stdout.write_all(text.as_bytes())?;
            stdout.flush()
        };
        return follow(client, as_json, print).await;
    }
    let screen = OtherScreen::open()?;
    tokio::select! {
        ended = follow(client, as_json, |text| screen.show(text)) => ended,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Hands over the status whenever it is another. What the agent tells may end, for it
/// restarts: it is asked again after a second.
async fn follow(
    client: &Client,
    as_json: bool,
    mut show: impl FnMut(&str) -> std::io::Result<()>,
) -> Result<ExitCode> {
    let mut shown = String::new();
    let mut again = tokio::time::interval(Duration::from_secs(1));
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told: Option<StatusLines> = None;
    loop {
        let said = match &mut told {
            Some(lines) => lines.next().await,
            None => {
                again.tick().await;
                match client.follow_status().await {
                    Ok(lines) => told.insert(lines).next().await,
                    Err(error) => Err(error),
                }
            }
        };
        let text = match said {
            Ok(Some(status)) if as_json => facts::line(&status)?,
            Ok(Some(status)) => table(&status),
            Ok(None) => {
                told = None;
                continue;
            }
            Err(error) => {
                told = None;
                if as_json {
                    facts::line(&Silence { error: error.to_string() })?
                } else {
                    format!("{} {error}\n", waiting("…"))
                }
            }
        };
        if text == shown {
            continue;
        }
        show(&text)?;
        shown = text;
    }
}

/// What `ashlarctl status --watch --json` prints while the agent does not answer.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Silence {
    /// Why there is no status.
    error: String,
}

/// The status as a compact table.
fn table(status: &Status) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_table(&mut out, status);
    out
}

fn write_table(out: &mut String, status: &Status) -> std::fmt::Result {
    match &status.identity {
        Some(me) => write!(out, "{}  {}", strong(&me.name), me.address)?,
        None => write!(out, "{}", strong("(no name yet)"))?,
    }
    let site = status.site.as_deref().unwrap_or("(none yet)");
    writeln!(out, "  site {site}  release {} ({})", status.release, status.profile)?;
    if let Some(cluster) = &status.cluster {
        writeln!(out, "{}", faint(&format!("cluster {cluster}")))?;
    }
    writeln!(out)?;
    if status.phases.is_empty() {
        writeln!(out, "{} the agent has just started", waiting("…"))?;
    }
    for phase in &status.phases {
        let mark = if phase.holds { good("✔") } else { waiting("…") };
        let reached = match phase.reached {
            Some(seconds) if phase.holds => format!("{seconds:.1} s"),
            // It held earlier in this boot, and does not now.
            Some(_) => "lost".into(),
            None => String::new(),
        };
        let line = format!("{mark} {:<9}{reached:>8}  {}", phase.phase, plain(&phase.detail));
        writeln!(out, "{}", line.trim_end())?;
    }
    if !status.members.is_empty() {
        writeln!(out, "\n{}", strong("members"))?;
        out.push_str(&members::table(status));
    }
    let parts = status.storage.is_some() || status.swarm.is_some();
    let rest = parts || !status.disks.is_empty() || !status.stacks.is_empty();
    if rest || !status.doing.is_empty() || status.trouble.is_some() {
        writeln!(out)?;
    }
    if let Some(storage) = &status.storage {
        writeln!(out, "{} {storage}", heading("storage"))?;
    }
    if let Some(swarm) = &status.swarm {
        writeln!(out, "{} {swarm}", heading("swarm"))?;
    }
    let full = |disk: &DiskView| format!("{} {} % full", plain(&disk.name), disk.used_percent);
    let run = |stack: &StackView| {
        format!("{} {} of {} tasks", plain(&stack.name), stack.running, stack.desired)
    };
    let disks: Vec<_> = status.disks.iter().map(full).collect();
    let mut services: Vec<_> = status.stacks.iter().map(run).collect();
    if services.is_empty() && status.swarm.as_ref().is_some_and(|swarm| !swarm.manager) {
        services.push("a manager of the Swarm knows them; this box is none".into());
    }
    for (name, values) in [("disks", disks), ("services", services)] {
        if !values.is_empty() {
            writeln!(out, "{} {}", heading(name), values.join(", "))?;
        }
    }
    for (n, doing) in status.doing.iter().enumerate() {
        let heading = heading(if n == 0 { "doing" } else { "" });
        writeln!(out, "{heading} {}", plain(doing))?;
    }
    // An agent of an older release sends no alerts.
    if let Some(trouble) = status.trouble.as_ref().filter(|_| status.alerts.is_empty()) {
        writeln!(out, "{} {}", heading("trouble"), bad(&plain(trouble)))?;
    }
    if !status.alerts.is_empty() {
        write!(out, "\n{}\n{}", strong("alerts"), alerts::lines(status))?;
    }
    Ok(())
}
