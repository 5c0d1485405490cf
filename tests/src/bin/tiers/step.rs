//! Runs the commands of one step: keeps their output, counts their tests, and
//! ends them with everything that they started when their time is over.

use crate::libtest::{Counts, Ends, Timed};
use crate::live::Output;
use crate::programs::{Program, Programs};
use crate::tier::{Pace, Run, Step};
use anyhow::{Context, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::ffi::OsString;
use std::io::pipe;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// What came of a step.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    pub(crate) tests: Vec<Timed>,
    pub(crate) ended: Ended,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By itself.
    #[default]
    Normally,
    /// We stopped it: its time was over.
    AtDeadline,
    /// A person pressed Ctrl-C.
    Interrupted,
}

/// What a step runs with.
pub(crate) struct Surroundings<'a> {
    pub(crate) root: &'a Path,
    pub(crate) pace: Pace,
    pub(crate) deadline: Instant,
    pub(crate) interrupted: watch::Receiver<bool>,
    pub(crate) programs: Arc<Mutex<Programs>>,
    pub(crate) output: &'a Output,
}

/// How long a command may take to clean up after it was asked to end.
const GRACE: Duration = Duration::from_secs(60);

/// Tests write why they skipped themselves into the file that this names.
const SKIPS: &str = "ASHLAR_SKIPS";

/// One command line.
struct Line {
    words: Vec<OsString>,
    /// Where it runs.
    directory: PathBuf,
    /// Set when it is a test program: how many tests at a time.
    threads: Option<usize>,
    /// Stands before the names of its tests.
    prefix: String,
}

impl Line {
    fn of_words(words: &str, root: &Path) -> Self {
        let words = words.split_whitespace().map(OsString::from).collect();
        Self { words, directory: root.to_owned(), threads: None, prefix: String::new() }
    }

    fn of_program(program: Program, threads: usize) -> Self {
        Self {
            words: vec![program.path.into(), format!("--test-threads={threads}").into()],
            directory: program.package,
            threads: Some(threads),
            prefix: format!("{}::", program.name),
        }
    }
}

/// Runs `step` to its end or to one of the ends that `with` sets.
pub(crate) async fn run(step: &Step, with: &mut Surroundings<'_>) -> Result<Outcome> {
    let all_cores = std::thread::available_parallelism().map_or(1, usize::from);
    let programs = || with.programs.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let lines = match step.run {
        Run::Check(words) | Run::Prepare(words) | Run::Tests(words) | Run::Compile(words) => {
            vec![Line::of_words(words, with.root)]
        }
        Run::Units => {
            let units = programs().units()?.into_iter();
            units.map(|program| Line::of_program(program, all_cores)).collect()
        }
        Run::Program(name, threads) => {
            vec![Line::of_program(programs().named(name)?, threads)]
        }
    };
    let mut sum = Outcome::default();
    for line in lines {
        let one = run_line(step, &line, with).await?;
        sum.passed += one.passed;
        sum.failed += one.failed;
        sum.skipped += one.skipped;
        sum.tests.extend(one.tests);
        sum.ended = one.ended;
        if sum.ended != Ended::Normally {
            break;
        }
    }
    Ok(sum)
}

async fn run_line(step: &Step, line: &Line, with: &mut Surroundings<'_>) -> Result<Outcome> {
    let skips = tempfile::NamedTempFile::new()?;
    let (reader, writer) = pipe()?;
    let mut command = command(line, with.pace);
    command
        .envs(step.env.iter().copied())
        // A failed test says what it saw; where its error was made helps nobody.
        .env("RUST_LIB_BACKTRACE", "0")
        .env(SKIPS, skips.path())
        .current_dir(&line.directory)
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer);
    let mut child =
        command.spawn().with_context(|| format!("{:?} cannot be started", line.words))?;
    // It holds our ends of the pipe, which would never end.
    drop(command);
    let mut lines = BufReader::new(Receiver::from_owned_fd(OwnedFd::from(reader))?).lines();
    let (mut counts, mut ends) = (Counts::default(), Ends::default());
    let mut ended = Ended::Normally;
    let started = Instant::now();
    let over = tokio::time::sleep_until(with.deadline.into());
    tokio::pin!(over);
    loop {
        tokio::select! {
            text = lines.next_line() => match text? {
                Some(text) => {
                    counts.read(&text);
                    ends.read(&text, started.elapsed());
                    let message = matches!(step.run, Run::Compile(_))
                        && with.programs.lock().unwrap_or_else(PoisonError::into_inner).read(&text);
                    if !message {
                        with.output.say(&text)?;
                    }
                }
                None => break,
            },
            () = &mut over => { ended = Ended::AtDeadline; break }
            _ = with.interrupted.changed() => { ended = Ended::Interrupted; break }
        }
    }
    let succeeded = match ended {
        Ended::Normally => child.wait().await?.success(),
        Ended::AtDeadline | Ended::Interrupted => {
            stop(&mut child).await?;
            false
        }
    };
    let skipped = std::fs::read_to_string(skips.path())?;
    for reason in skipped.lines() {
        with.output.say(&format!("skipped: {reason}"))?;
    }
    let skipped = skipped.lines().count().try_into()?;
    let mut outcome = outcome(step.run, &counts, skipped, succeeded, ended);
    if let Some(threads) = line.threads {
        let named =
            |timed: Timed| Timed { test: format!("{}{}", line.prefix, timed.test), ..timed };
        outcome.tests = ends.seconds(threads).into_iter().map(named).collect();
    }
    Ok(outcome)
}

/// The command in a group of its own, so that what it started can be ended with
/// it. One that stands back has a session of its own too: Linux weighs sessions
/// against each other before it looks at the processes in them.
fn command(line: &Line, pace: Pace) -> Command {
    const STAND_BACK: &str =
        r#"{ echo "$0" >/proc/self/autogroup; } 2>/dev/null; exec nice -n "$0" "$@""#;
    let niceness = pace.niceness();
    let mut command;
    if niceness == 0 {
        command = Command::new(&line.words[0]);
        command.args(&line.words[1..]).process_group(0);
    } else {
        command = Command::new("setsid");
        command.args(["sh", "-c", STAND_BACK, &niceness.to_string()]).args(&line.words);
    }
    command
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

fn outcome(run: Run, counts: &Counts, skips: u64, succeeded: bool, ended: Ended) -> Outcome {
    let (passed, failed, skipped) = match run {
        Run::Check(_) if succeeded && skips > 0 => (0, 0, skips),
        Run::Check(_) => (u64::from(succeeded), u64::from(!succeeded), 0),
        Run::Prepare(_) | Run::Compile(_) => (0, u64::from(!succeeded), 0),
        Run::Tests(_) | Run::Units | Run::Program(..) => {
            // A program that crashes, or a tier that runs nothing, proves
            // nothing. (A package may have a program without tests.)
            let none = counts.passed + counts.failed == 0 && !matches!(run, Run::Units);
            let unexplained = (!succeeded || none) && counts.failed == 0;
            // libtest takes a test that skipped itself for one that passed.
            let skips = skips.min(counts.passed);
            let failed = counts.failed + u64::from(unexplained);
            (counts.passed - skips, failed, counts.ignored + skips)
        }
    };
    Outcome { passed, failed, skipped, ended, tests: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::{Counts, Ended, Outcome, Run, outcome};

    const PROGRAM: Run = Run::Program("lab", 1);

    fn of(run: Run, passed: u64, failed: u64, skips: u64, succeeded: bool) -> Outcome {
        let counts = Counts { passed, failed, ignored: 0 };
        outcome(run, &counts, skips, succeeded, Ended::Normally)
    }

    #[test]
    fn tests_that_do_not_compile_are_a_failure() {
        assert_eq!(of(Run::Compile(""), 0, 0, 0, false).failed, 1);
        assert_eq!(of(Run::Tests(""), 0, 0, 0, false).failed, 1);
    }

    #[test]
    fn a_run_without_a_test_is_a_failure() {
        assert_eq!(of(PROGRAM, 0, 0, 0, true).failed, 1);
        assert_eq!(of(Run::Tests(""), 0, 0, 0, true).failed, 1);
    }

    #[test]
    fn a_crash_after_passed_tests_is_a_failure() {
        assert_eq!(of(PROGRAM, 5, 0, 0, false).failed, 1);
        assert_eq!(of(Run::Units, 0, 0, 0, false).failed, 1);
    }

    #[test]
    fn a_failed_test_is_counted_once() {
        assert_eq!(of(PROGRAM, 5, 1, 0, false).failed, 1);
    }

    #[test]
    fn a_test_that_skipped_itself_has_not_passed() {
        let outcome = of(PROGRAM, 5, 0, 2, true);
        assert_eq!((outcome.passed, outcome.failed, outcome.skipped), (3, 0, 2));
    }

    #[test]
    fn a_check_that_says_why_it_did_not_look_is_skipped() {
        let outcome = of(Run::Check(""), 0, 0, 1, true);
        assert_eq!((outcome.passed, outcome.failed, outcome.skipped), (0, 0, 1));
    }

    #[test]
    fn a_preparation_counts_only_when_it_fails() {
        let good = of(Run::Prepare(""), 0, 0, 0, true);
        assert_eq!((good.passed, good.failed), (0, 0));
        assert_eq!(of(Run::Prepare(""), 0, 0, 0, false).failed, 1);
    }
}
