//! What our hot code costs, in instructions: a number that a noisy machine does
//! not blur. `valgrind` counts them for fixed [`work`]loads, and each has to be
//! within a few percent of what `tests/costs.json` says.
//!
//! ```text
//! costs            compare; ends with 1 when something costs more, or less
//! costs --update   write what was counted into the file, to be committed
//! ```
//!
//! Another compiler counts otherwise, so the file names its own; with another
//! one nothing is compared, visibly.

mod work;

use anyhow::{Context, Result, bail, ensure};
use ashlar_tests::command::workspace;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// How far from the baseline a count may be, in percent.
const TOLERANCE: u64 = 3;

/// The committed file.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Baseline {
    /// For people who open it.
    about: String,
    /// The compiler that the counts are of.
    rustc: String,
    /// The processor that they are of.
    machine: String,
    /// Instructions of each workload.
    instructions: BTreeMap<String, u64>,
}

const ABOUT: &str = "Instructions that each workload of tests/src/bin/costs takes, of this \
                     compiler alone. After a change that is meant to cost more, or less, or with \
                     another compiler: just costs --update";

fn main() -> Result<ExitCode> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => compare(),
        ["--update"] => {
            let counted = count_all()?;
            write(&path(), &counted)?;
            println!("{} written", path().display());
            Ok(ExitCode::SUCCESS)
        }
        ["--work", name, times] => {
            work::run(name, times.parse()?)?;
            Ok(ExitCode::SUCCESS)
        }
        _ => bail!("expected nothing, or --update"),
    }
}

fn path() -> PathBuf {
    workspace().join("tests/costs.json")
}

fn compare() -> Result<ExitCode> {
    let text = std::fs::read_to_string(path()).with_context(|| path().display().to_string())?;
    let baseline: Baseline =
        serde_json::from_str(&text).with_context(|| path().display().to_string())?;
    let (rustc, machine) = (rustc()?, machine());
    if (&baseline.rustc, &baseline.machine) != (&rustc, &machine) {
        let why = format!(
            "the baseline is of {} on {}, this is {rustc} on {machine}: nothing to compare with \
             (just costs --update)",
            baseline.rustc, baseline.machine
        );
        println!("skipped: {why}");
        // For whoever runs us by hand that is all there is to say.
        let _ = ashlar_tests::skipped("costs", &why);
        return Ok(ExitCode::SUCCESS);
    }
    let counted = count_all()?;
    let off = differing(&baseline.instructions, &counted.instructions);
    for line in &off {
        println!("costs: {line}");
    }
    if off.is_empty() {
        println!("costs: all within {TOLERANCE} % of tests/costs.json");
        return Ok(ExitCode::SUCCESS);
    }
    println!("costs: if that is meant: just costs --update, and say why in the commit");
    Ok(ExitCode::FAILURE)
}

/// The workloads that are further from the baseline than they may be, in words.
fn differing(baseline: &BTreeMap<String, u64>, counted: &BTreeMap<String, u64>) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, now) in counted {
        let Some(before) = baseline.get(name) else {
            lines.push(format!("{name} has no baseline"));
            continue;
        };
        if now.abs_diff(*before) * 100 > before * TOLERANCE {
            let percent = (to_f64(*now) / to_f64(*before) - 1.0) * 100.0;
            lines.push(format!("{name} took {now} instructions, {percent:+.1} % of {before}"));
        }
    }
    let gone = baseline.keys().filter(|name| !counted.contains_key(*name));
    lines.extend(gone.map(|name| format!("{name} is in the baseline and not counted any more")));
    lines
}

#[expect(clippy::cast_precision_loss, reason = "a ratio of counts")]
const fn to_f64(count: u64) -> f64 {
    count as f64
}

fn count_all() -> Result<Baseline> {
    let mut instructions = BTreeMap::new();
    for (name, times) in work::LOADS {
        // What preparing the workload takes, the loader included, is in both.
        let (idle, busy) = (count(name, 0)?, count(name, *times)?);
        let cost = busy.checked_sub(idle).context("work that takes less than none")?;
        println!("costs: {name:<12} {cost:>12} instructions");
        instructions.insert((*name).to_owned(), cost);
    }
    Ok(Baseline { about: ABOUT.to_owned(), rustc: rustc()?, machine: machine(), instructions })
}

fn count(name: &str, times: u32) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--log-file=/dev/fd/2"])
        .arg(std::env::current_exe()?)
        .args(["--work", name, &times.to_string()])
        .output()
        .context("`valgrind` cannot be started: see .ci/packages.debian")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "valgrind ended with {}:\n{said}", output.status);
    collected(&said).with_context(|| format!("no count in what valgrind says:\n{said}"))
}

/// The number in valgrind's line `==42== Collected : 123456`.
fn collected(said: &str) -> Option<u64> {
    let (_, rest) = said.split_once("Collected : ")?;
    rest.split_whitespace().next()?.parse().ok()
}

fn rustc() -> Result<String> {
    let output = Command::new("rustc").arg("--version").output().context("rustc")?;
    ensure!(output.status.success(), "rustc ended with {}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn machine() -> String {
    std::env::consts::ARCH.to_owned()
}

/// Writes it whole or not at all.
fn write(path: &Path, baseline: &Baseline) -> Result<()> {
    let directory = path.parent().context("a path with a directory")?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    serde_json::to_writer_pretty(&mut file, baseline)?;
    std::io::Write::write_all(&mut file, b"\n")?;
    file.as_file().sync_all()?;
    let public = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(public)?;
    file.persist(path).with_context(|| path.display().to_string())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{collected, differing};
    use std::collections::BTreeMap;

    fn costs(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
        pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    #[test]
    fn three_percent_are_noise_and_four_are_not_in_either_direction() {
        let baseline = costs(&[("plan", 1000), ("codec", 1000), ("cpio", 1000)]);
        let counted = costs(&[("plan", 1030), ("codec", 1040), ("cpio", 960)]);
        let lines = differing(&baseline, &counted);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines.iter().any(|line| line.contains("codec") && line.contains("+4.0 %")));
    }

    #[test]
    fn a_workload_that_only_one_side_knows_is_told() {
        let lines = differing(&costs(&[("gone", 1)]), &costs(&[("new", 1)]));
        assert_eq!(lines.len(), 2, "{lines:?}");
    }

    #[test]
    fn the_count_is_found_in_what_valgrind_says() {
        let said = "==7== Events    : Ir\n==7== Collected : 183012\n==7==\n";
        assert_eq!(collected(said), Some(183_012));
        assert_eq!(collected("==7== Aborted"), None);
    }
}
