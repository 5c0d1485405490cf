//! `just test`: runs every tier of proof and says how it went.
//!
//! [`tier`] is the list: what is run, in which order, and for how long at most.
//! [`step`] runs one command of it and counts the tests that it reports.
//! [`summary`] prints one line a tier and writes `out/test-summary.json`.

mod step;
mod summary;
mod tier;

use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use step::Ended;
use summary::{Row, Summary};
use tier::{TIERS, Tier};

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
    let summary = runtime.block_on(run(&tiers))?;
    summary.write(&root.join("out/test-summary.json"))?;
    print!("{summary}");
    Ok(if summary.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn usage() -> String {
    let mut text = "Runs every tier of proof, or those named: just test [TIER…]\n\n".to_owned();
    for tier in TIERS {
        text += &format!("  {:<8} {}\n", tier.name, tier.what);
    }
    text + "\nThe result is printed last, and written to out/test-summary.json.\n"
}

/// The named tiers and what they need, in the order of the list.
fn chosen(wanted: &[String]) -> Result<Vec<&'static Tier>> {
    if let Some(unknown) = wanted.iter().find(|name| !TIERS.iter().any(|t| t.name == **name)) {
        bail!("there is no tier `{unknown}`\n\n{}", usage());
    }
    let named = |tier: &Tier| wanted.is_empty() || wanted.iter().any(|name| name == tier.name);
    Ok(TIERS
        .iter()
        .filter(|tier| named(tier) || TIERS.iter().any(|t| named(t) && t.needs == Some(tier.name)))
        .collect())
}

async fn run(tiers: &[&Tier]) -> Result<Summary> {
    let mut summary = Summary::default();
    for tier in tiers {
        println!("\n━━ {}: {}", tier.name, tier.what);
        let (row, ended) = run_tier(tier, &summary).await?;
        summary.push(row);
        if ended == Ended::Interrupted {
            bail!("interrupted");
        }
    }
    Ok(summary)
}

async fn run_tier(tier: &Tier, before: &Summary) -> Result<(Row, Ended)> {
    let started = Instant::now();
    let mut row = Row::new(tier.name);
    if let Some(reason) = (tier.skip)() {
        println!("skipped: {reason}");
        row.skipped = 1;
        row.remark = Some(format!("skipped: {reason}"));
        return Ok((row, Ended::Normally));
    }
    if let Some(needed) = tier.needs.filter(|needed| before.has_failed(needed)) {
        row.failed = 1;
        row.remark = Some(format!("not run: `{needed}` failed"));
        return Ok((row, Ended::Normally));
    }
    let deadline = started + Duration::from_secs(tier.minutes * 60);
    let mut ended = Ended::Normally;
    for step in tier.steps {
        println!("── {step}");
        let outcome = step::run(step, deadline).await?;
        row.passed += outcome.passed;
        row.failed += outcome.failed;
        row.skipped += outcome.skipped;
        ended = outcome.ended;
        if ended == Ended::AtDeadline {
            row.remark = Some(format!("stopped at its deadline of {} minutes", tier.minutes));
        }
        // The first failing command of a tier makes the rest meaningless.
        if outcome.failed > 0 || ended != Ended::Normally {
            break;
        }
    }
    row.seconds = started.elapsed().as_secs_f64();
    Ok((row, ended))
}

#[cfg(test)]
mod tests {
    use super::{TIERS, chosen};

    #[test]
    fn no_name_means_every_tier() {
        assert_eq!(chosen(&[]).unwrap().len(), TIERS.len());
    }

    #[test]
    fn a_tier_brings_what_it_needs_before_itself() {
        let names: Vec<_> = chosen(&["lab".into()]).unwrap().iter().map(|t| t.name).collect();
        assert_eq!(names, ["build", "lab"]);
    }

    #[test]
    fn an_unknown_tier_is_refused_with_the_list() {
        let error = chosen(&["labs".into()]).unwrap_err().to_string();
        assert!(error.contains("`labs`") && error.contains("lab "), "{error}");
    }
}
