//! Runs one command: shows its output, counts its tests, and ends it with
//! everything that it started when its time is over.

use crate::tier::{Kind, Step};
use anyhow::{Context, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// What came of a command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    pub(crate) ended: Ended,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By itself.
    Normally,
    /// We stopped it: its time was over.
    AtDeadline,
    /// A person pressed Ctrl-C.
    Interrupted,
}

/// How long a command may take to clean up after it was asked to end.
const GRACE: Duration = Duration::from_secs(60);

/// Runs `step` until `deadline` at most.
pub(crate) async fn run(step: &Step, deadline: Instant) -> Result<Outcome> {
    let mut words = step.command.split_whitespace();
    let program = words.next().context("a step without a command")?;
    let mut child = Command::new(program)
        .args(words)
        .envs(step.env.iter().copied())
        // A failed test says what it saw; where its error was made helps nobody.
        .env("RUST_LIB_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // A group of its own, so that what it started can be ended with it.
        .process_group(0)
        .spawn()
        .with_context(|| format!("`{program}` cannot be started"))?;
    let stdout = child.stdout.take().context("the command's output")?;
    let mut lines = BufReader::new(stdout).lines();
    let mut counts = Counts::default();
    let mut ended = Ended::Normally;
    let over = tokio::time::sleep_until(deadline.into());
    tokio::pin!(over);
    loop {
        tokio::select! {
            line = lines.next_line() => match line? {
                Some(line) => {
                    println!("{line}");
                    counts.read(&line);
                }
                None => break,
            },
            () = &mut over => { ended = Ended::AtDeadline; break }
            _ = tokio::signal::ctrl_c() => { ended = Ended::Interrupted; break }
        }
    }
    let succeeded = match ended {
        Ended::Normally => child.wait().await?.success(),
        Ended::AtDeadline | Ended::Interrupted => {
            stop(&mut child).await?;
            false
        }
    };
    Ok(outcome(step.kind, counts, succeeded, ended))
}

async fn stop(child: &mut Child) -> Result<()> {
    let Some(id) = child.id() else { return Ok(()) };
    let group = Pid::from_raw(i32::try_from(id)?);
    // It may just have ended by itself.
    let _ = killpg(group, Signal::SIGINT);
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        let _ = killpg(group, Signal::SIGKILL);
        child.wait().await?;
    }
    Ok(())
}

/// What the lines `test result: …` of a run add up to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Counts {
    /// Adds `line` if it is libtest's result line.
    fn read(&mut self, line: &str) {
        let Some((_, counts)) = line.split_once("test result: ") else { return };
        // "ok. 3 passed; 0 failed; 1 ignored; …"
        let words: Vec<&str> = counts.split([' ', ';']).collect();
        for pair in words.windows(2) {
            let [number, word] = pair else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match *word {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

fn outcome(kind: Kind, counts: Counts, succeeded: bool, ended: Ended) -> Outcome {
    let (passed, failed, skipped) = match kind {
        Kind::Check => (u64::from(succeeded), u64::from(!succeeded), 0),
        Kind::Prepare => (0, u64::from(!succeeded), 0),
        Kind::Tests => {
            // A test binary that does not compile, or runs nothing, proves nothing.
            let none = counts.passed + counts.failed == 0;
            let unexplained = (!succeeded || none) && counts.failed == 0;
            (counts.passed, counts.failed + u64::from(unexplained), counts.ignored)
        }
    };
    Outcome { passed, failed, skipped, ended }
}

#[cfg(test)]
mod tests {
    use super::{Counts, Ended, Kind, outcome};

    fn counts(passed: u64, failed: u64, ignored: u64) -> Counts {
        Counts { passed, failed, ignored }
    }

    #[test]
    fn result_lines_add_up() {
        let mut sum = Counts::default();
        sum.read("running 3 tests");
        sum.read("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.01s");
        sum.read("test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out");
        assert_eq!(sum, counts(4, 2, 1));
    }

    #[test]
    fn tests_that_do_not_compile_are_a_failure() {
        assert_eq!(outcome(Kind::Tests, counts(0, 0, 0), false, Ended::Normally).failed, 1);
    }

    #[test]
    fn a_run_without_a_test_is_a_failure() {
        assert_eq!(outcome(Kind::Tests, counts(0, 0, 0), true, Ended::Normally).failed, 1);
    }

    #[test]
    fn a_crash_after_passed_tests_is_a_failure() {
        assert_eq!(outcome(Kind::Tests, counts(5, 0, 0), false, Ended::Normally).failed, 1);
    }

    #[test]
    fn a_failed_test_is_counted_once() {
        assert_eq!(outcome(Kind::Tests, counts(5, 1, 0), false, Ended::Normally).failed, 1);
    }

    #[test]
    fn a_preparation_counts_only_when_it_fails() {
        let good = outcome(Kind::Prepare, counts(0, 0, 0), true, Ended::Normally);
        assert_eq!((good.passed, good.failed), (0, 0));
        assert_eq!(outcome(Kind::Prepare, counts(0, 0, 0), false, Ended::Normally).failed, 1);
    }
}
