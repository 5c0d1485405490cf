//! `ashlarctl logs`: on a box the journal of our units, shown by `journalctl` itself; of a
//! box elsewhere, and where there is no `journalctl`, what its agent tells.

use super::facts;
use crate::style::{bad, plain, waiting};
use anyhow::{Context, Result, bail};
use ashlar_api::{Client, DAEMONS, LogLine, LogUnits, LogsRequest, MAX_LOG_LINES, OUR_UNITS};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::io::{ErrorKind, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// Show what the agent and the daemons that it runs have written
///
/// On a box itself `journalctl` shows it. Of a box elsewhere, by `--site` and `--node`, its
/// agent tells it, 10000 lines at most and without the keys of the site, to admins.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ashlarctl logs -f
  ashlarctl --site shop --node ashlar-4f0c21aa logs -n 20 --agent")]
pub(crate) struct Args {
    /// Go on showing new lines.
    #[arg(long, short)]
    follow: bool,
    /// How many of the last lines, or `all`.
    #[arg(long, short = 'n', value_name = "LINES", default_value = "100")]
    lines: String,
    /// The agent alone, without the daemons that it runs.
    #[arg(long)]
    agent: bool,
    /// Every boot that the journal holds, not only this one.
    #[arg(long)]
    all_boots: bool,
    /// One JSON object a line: on the box with every field of the journal, from elsewhere
    /// with the most important ones, by the same names.
    #[arg(long)]
    json: bool,
}

/// Becomes `journalctl`, so that its pager, keys and exit code are the user's.
pub(crate) fn here(options: &Args) -> Result<()> {
    let failure = Command::new("journalctl").args(arguments(options)).exec();
    match failure.kind() {
        ErrorKind::NotFound | ErrorKind::PermissionDenied => Ok(()),
        _ => Err(failure).context("cannot run journalctl"),
    }
}

/// As the agent of the box tells it.
pub(crate) async fn told(client: &Client, options: &Args) -> Result<ExitCode> {
    let mut lines = client.logs(request(options)?).await?;
    let mut out = std::io::stdout();
    while let Some(line) = lines.next().await? {
        let text = if options.json { facts::line(&line)? } else { words(&line) };
        out.write_all(text.as_bytes())?;
        out.flush()?;
    }
    Ok(ExitCode::SUCCESS)
}

fn request(options: &Args) -> Result<LogsRequest> {
    let lines = match options.lines.as_str() {
        "all" => MAX_LOG_LINES,
        text => match text.parse() {
            Ok(lines) if lines <= MAX_LOG_LINES => lines,
            _ => bail!("--lines: expected a number up to {MAX_LOG_LINES}, or `all`: {text}"),
        },
    };
    let units = if options.agent { LogUnits::Agent } else { LogUnits::All };
    let (all_boots, follow) = (options.all_boots, options.follow);
    Ok(LogsRequest { lines, units, all_boots, follow, after: None })
}

/// A line as `journalctl` shows it, in this machine's time.
fn words(line: &LogLine) -> String {
    let at = line.at.parse().ok().and_then(|at| Timestamp::from_microsecond(at).ok());
    let at = at.map_or_else(
        || line.at.clone(),
        |at| at.to_zoned(TimeZone::system()).strftime("%b %d %H:%M:%S.%6f").to_string(),
    );
    let part = |part: &Option<String>| part.as_deref().map(plain).unwrap_or_default();
    let program = line.program.as_ref().or(line.unit.as_ref()).map(|name| plain(name));
    let pid = line.pid.as_ref().map(|pid| format!("[{}]", plain(pid))).unwrap_or_default();
    let head =
        format!("{} {} {}{pid}: ", plain(&at), part(&line.host), program.unwrap_or_default());
    let margin = " ".repeat(head.chars().count());
    let mut text = head;
    for (number, said) in line.message.lines().enumerate() {
        if number > 0 {
            text.push('\n');
            text.push_str(&margin);
        }
        text.push_str(&match line.priority.as_deref() {
            Some("0" | "1" | "2" | "3") => bad(&plain(said)),
            Some("4") => waiting(&plain(said)),
            _ => plain(said),
        });
    }
    text + "\n"
}

fn arguments(options: &Args) -> Vec<String> {
    let mut args = vec![format!("--lines={}", options.lines)];
    args.extend((!options.all_boots).then(|| "--boot".into()));
    args.extend(options.follow.then(|| "--follow".into()));
    args.push(format!("--output={}", if options.json { "json" } else { "short-precise" }));
    let daemons = if options.agent { &[] } else { DAEMONS };
    args.extend(OUR_UNITS.iter().chain(daemons).map(|unit| format!("--unit={unit}")));
    args
}
