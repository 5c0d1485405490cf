//! Verdicts for people.

use crate::output::Output;
use ashlar_inspect::lint::{Check, Severity, Status, Verdict};
use owo_colors::{OwoColorize, Stream};

/// Findings of one check that a person is shown.
const MOST: usize = 20;

/// Prints what each check found, the worst last.
pub(crate) fn print(verdicts: &[Verdict], output: &Output) {
    let mut sorted: Vec<&Verdict> = verdicts.iter().collect();
    sorted.sort_by_key(|verdict| match verdict.status {
        Status::Passed => (0, verdict.severity),
        Status::Skipped => (1, verdict.severity),
        Status::Failed => (2, verdict.severity),
    });
    for verdict in sorted {
        let check = verdict.check;
        match verdict.status {
            Status::Passed => output.line(format_args!(
                "{} {check}",
                "ok     ".if_supports_color(Stream::Stdout, |word| word.green())
            )),
            Status::Skipped => output.line(format_args!(
                "skipped {check}: {}",
                verdict.reason.as_deref().unwrap_or_default()
            )),
            Status::Failed => {
                let word = match verdict.severity {
                    Severity::Error => {
                        "error  ".if_supports_color(Stream::Stdout, |word| word.red()).to_string()
                    }
                    Severity::Warning => "warning"
                        .if_supports_color(Stream::Stdout, |word| word.yellow())
                        .to_string(),
                };
                output.line(format_args!("{word} {check}"));
                for finding in verdict.findings.iter().take(MOST) {
                    output.line(format_args!("          {}: {}", finding.place, finding.message));
                }
                if let Some(more) = verdict.findings.len().checked_sub(MOST).filter(|n| *n > 0) {
                    output.line(format_args!("          … and {more} more; --json lists them all"));
                }
            }
        }
    }
}

/// Prints why a check is one.
pub(crate) fn explain(check: &Check, output: &Output) {
    output.line(format_args!("{} ({})", check.name, word(check.severity)));
    output.line(format_args!("{}\n", check.rule));
    output.line(check.explanation);
}

/// Prints all checks.
pub(crate) fn list(checks: &[&Check], output: &Output) {
    for check in checks {
        output.line(format_args!("{:18} {:8} {}", check.name, word(check.severity), check.rule));
    }
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}
