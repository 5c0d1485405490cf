//! `ashlarctl history`.

use super::facts;
use crate::style::{bad, faint, good, plain};
use anyhow::Result;
use ashlar_api::{Client, Event};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use std::io::Write;
use std::process::ExitCode;

/// List what this node did and could not do, and why, over reboots
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ashlarctl history --failed -n 5
  ashlarctl history --since yesterday
  ashlarctl history --since 36h")]
pub(crate) struct Args {
    /// How many of the last steps; 30, or with --since all.
    #[arg(long, short = 'n', value_name = "STEPS")]
    lines: Option<usize>,
    /// Only what was done since then: `yesterday`, a span such as `2d` or `36h`, a date or
    /// a time, in UTC.
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<Timestamp>,
    /// Only what could not be done.
    #[arg(long)]
    failed: bool,
    /// A JSON list instead of a table.
    #[arg(long)]
    json: bool,
}

/// How many steps are listed if nothing else is said.
const LAST: usize = 30;

/// A point in time as a person says it.
fn since(text: &str) -> Result<Timestamp, String> {
    since_at(text, Timestamp::now())
}

fn since_at(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let now = now.to_zoned(TimeZone::UTC);
    let day = match text {
        "today" => Some(now.date()),
        "yesterday" => now.date().yesterday().ok(),
        date => date.parse::<Date>().ok().filter(|_| !date.contains([':', ' '])),
    };
    let begun = day.and_then(|day| day.to_zoned(TimeZone::UTC).ok());
    let span = || text.parse::<Span>().ok().and_then(|span| now.checked_sub(span.abs()).ok());
    let time = || text.parse::<Timestamp>().ok();
    begun.or_else(span).map(|at| at.timestamp()).or_else(time).ok_or_else(|| {
        "expected `yesterday`, a span such as `2d` or `36h`, a date such as 2026-11-25, or a \
         time such as 2026-11-25T20:00:00Z"
            .into()
    })
}

pub(crate) async fn run(client: &Client, options: &Args) -> Result<ExitCode> {
    let mut events = client.history().await?;
    events.retain(|event| !options.failed || event.error.is_some());
    if let Some(since) = options.since {
        // What has no time that can be read is not hidden.
        events.retain(|event| event.at.parse::<Timestamp>().map_or(true, |at| at >= since));
    }
    let unsaid = if options.since.is_some() { events.len() } else { LAST };
    let last = &events[events.len().saturating_sub(options.lines.unwrap_or(unsaid))..];
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_in_time_is_said_as_people_say_it() {
        let now = "2026-11-26T03:40:00Z".parse().unwrap();
        for (said, meant) in [
            ("yesterday", "2026-11-25T00:00:00Z"),
            ("today", "2026-11-26T00:00:00Z"),
            ("2d", "2026-11-24T03:40:00Z"),
            ("36h", "2026-11-24T15:40:00Z"),
            ("2026-11-20", "2026-11-20T00:00:00Z"),
            ("2026-11-20T20:00:00+01:00", "2026-11-20T19:00:00Z"),
        ] {
            let wanted: Timestamp = meant.parse().unwrap();
            assert_eq!(since_at(said, now).unwrap(), wanted, "{said}");
        }
        for wrong in ["", "the day before", "36", "2026-13-01"] {
            assert!(since_at(wrong, now).unwrap_err().contains("`yesterday`"), "{wrong}");
        }
    }
}
