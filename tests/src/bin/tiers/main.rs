//! `just test`: runs every tier of proof and says how it went.
//!
//! [`list`] has the tiers: what is run, what needs what, and for how long at
//! most. [`schedule`] decides which starts when, several at a time. [`step`]
//! runs the commands of one and counts the tests that they report. [`live`] shows
//! what runs, and each tier's output when it has ended. [`summary`] prints one
//! line a tier and writes `out/test-summary.json`.

mod libtest;
mod list;
mod live;
mod programs;
mod schedule;
mod step;
mod summary;
mod tier;

use anyhow::{Context, Result, bail};
use list::TIERS;
use live::Live;
use programs::Programs;
use schedule::{Next, State};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use step::{Ended, Surroundings};
use summary::{Row, Summary};
use tier::Tier;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

fn main() -> Result<ExitCode> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if wanted.iter().any(|word| word.starts_with('-')) {
        print!("{}", usage());
        return Ok(ExitCode::SUCCESS);
    }
    let tiers = chosen(&wanted)?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the workspace root")?;
    std::env::set_current_dir(root).with_context(|| root.display().to_string())?;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Whoever asks for one tier watches it.
    let live = Live::new(root, wanted.len() == 1)?;
    let all_cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cores = if live.is_alone() { 1 } else { all_cores };
    let (summary, interrupted) = runtime.block_on(run(root, &tiers, cores, &live))?;
    summary.write(&root.join("out/test-summary.json"))?;
    print!("{summary}");
    if interrupted {
        eprintln!("interrupted");
        return Ok(ExitCode::from(130));
    }
    Ok(if summary.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn usage() -> String {
    let mut text = "Runs every tier of proof, or those named: just test [TIER…]\n\n".to_owned();
    for tier in TIERS {
        text += &format!("  {:<8} {}\n", tier.name, tier.what);
    }
    text + "\nTiers run side by side; each one's output comes when it has ended, and is in\n\
            out/test-logs/ from its first line on. One tier alone is shown as it goes.\n\
            The result is printed last, and written to out/test-summary.json.\n"
}

/// The named tiers and all that they need, in the order of the list.
fn chosen(wanted: &[String]) -> Result<Vec<&'static Tier>> {
    if let Some(unknown) = wanted.iter().find(|name| !TIERS.iter().any(|t| t.name == **name)) {
        bail!("there is no tier `{unknown}`\n\n{}", usage());
    }
    let mut chosen: Vec<&Tier> = Vec::new();
    // What a tier needs stands above it.
    for tier in TIERS.iter().rev() {
        let named = wanted.is_empty() || wanted.iter().any(|name| name == tier.name);
        if named || chosen.iter().any(|other| other.needs.contains(&tier.name)) {
            chosen.insert(0, tier);
        }
    }
    Ok(chosen)
}

/// Runs all of them; gives how they went, and whether somebody interrupted.
async fn run(
    root: &Path,
    tiers: &[&'static Tier],
    cores: usize,
    live: &Arc<Live>,
) -> Result<(Summary, bool)> {
    let mut summary = Summary::begin();
    let mut states = vec![State::Waiting; tiers.len()];
    let mut running = JoinSet::new();
    let programs = Arc::new(Mutex::new(Programs::default()));
    let (interrupt, interrupted) = watch::channel(false);
    let (mut ctrl_c, mut ended) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        let stopping = *interrupted.borrow();
        while let Some(next) = schedule::next(tiers, &states, cores).filter(|_| !stopping) {
            match next {
                Next::Start(at) => {
                    states[at] = State::Running;
                    let (root, live) = (root.to_owned(), Arc::clone(live));
                    let (programs, interrupted) = (Arc::clone(&programs), interrupted.clone());
                    let tier = tiers[at];
                    running.spawn(async move {
                        (at, run_tier(tier, &root, programs, interrupted, &live).await)
                    });
                }
                Next::GiveUp(at, failed) => {
                    states[at] = State::Bad;
                    let remark = Some(format!("not run: `{failed}` failed"));
                    summary.push(Row { failed: 1, remark, ..Row::new(tiers[at].name) });
                }
            }
        }
        if running.is_empty() {
            return Ok((summary, stopping));
        }
        tokio::select! {
            Some(done) = running.join_next() => {
                let (at, row) = done?;
                let row = row?;
                states[at] = if row.failed == 0 { State::Good } else { State::Bad };
                summary.push(row);
            }
            _ = ctrl_c.recv() => { interrupt.send_replace(true); }
            _ = ended.recv() => { interrupt.send_replace(true); }
            _ = ticks.tick() => live.tick(),
        }
    }
}

async fn run_tier(
    tier: &'static Tier,
    root: &Path,
    programs: Arc<Mutex<Programs>>,
    interrupted: watch::Receiver<bool>,
    live: &Arc<Live>,
) -> Result<Row> {
    let mut row = Row::new(tier.name);
    let output = live.begin(tier.name, tier.what)?;
    if let Some(reason) = (tier.skip)() {
        row.skipped = 1;
        row.remark = Some(format!("skipped: {reason}"));
        output.end(tier.what, &format!("skipped: {reason}"))?;
        return Ok(row);
    }
    let started = Instant::now();
    let deadline = started + Duration::from_secs(tier.minutes * 60);
    let mut with =
        Surroundings { root, pace: tier.pace, deadline, interrupted, programs, output: &output };
    for step in tier.steps {
        output.say(&format!("── {step}"))?;
        let outcome = step::run(step, &mut with).await?;
        row.passed += outcome.passed;
        row.failed += outcome.failed;
        row.skipped += outcome.skipped;
        row.tests.extend(outcome.tests);
        match outcome.ended {
            Ended::Normally => {}
            Ended::AtDeadline => {
                row.remark = Some(format!("stopped at its deadline of {} minutes", tier.minutes));
            }
            Ended::Interrupted => row.remark = Some("interrupted".to_owned()),
        }
        // The first failing command of a tier makes the rest meaningless.
        if outcome.failed > 0 {
            break;
        }
    }
    row.seconds = started.elapsed().as_secs_f64();
    output.end(tier.what, &row.verdict())?;
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::{TIERS, chosen};

    #[test]
    fn no_name_means_every_tier() {
        assert_eq!(chosen(&[]).unwrap().len(), TIERS.len());
    }

    #[test]
    fn a_tier_brings_all_that_it_needs_before_itself() {
        let names: Vec<_> = chosen(&["lab".into()]).unwrap().iter().map(|t| t.name).collect();
        assert_eq!(names, ["programs", "build", "compile", "lab"]);
    }

    #[test]
    fn an_unknown_tier_is_refused_with_the_list() {
        let error = chosen(&["labs".into()]).unwrap_err().to_string();
        assert!(error.contains("`labs`") && error.contains("lab "), "{error}");
    }
}
