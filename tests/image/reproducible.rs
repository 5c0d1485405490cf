//! The same lock and sources give the same bytes.

use anyhow::{Context, Result, ensure};
use ashlar_tests::image::Built;
use ashlar_tests::project::{Cache, Project};
use std::collections::BTreeMap;

/// Every artefact with its checksum.
fn sums(built: &Built) -> Result<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(built.directory().join("SHA256SUMS"))?;
    let lines = text.lines().map(|line| line.split_once("  ").context("a checksum line"));
    lines.map(|line| line.map(|(sum, name)| (name.to_owned(), sum.to_owned()))).collect()
}

#[test]
fn two_builds_of_one_lock_are_the_same_byte_for_byte() -> Result<()> {
    let first = Built::retail()?;
    // Another path, another time, and not one finished step.
    let (project, cache) = (Project::copy()?, Cache::empty()?);
    let ran =
        project.build("retail")?.arg("--locked").arg("--cache-dir").arg(cache.path()).succeeds()?;
    let second = Built::from_json(ran.json()?)?;
    let (one, two) = (sums(first)?, sums(&second)?);
    let differing: Vec<_> = one.iter().filter(|(name, sum)| two.get(*name) != Some(sum)).collect();
    ensure!(differing.is_empty() && one.len() == two.len(), "these differ: {differing:?}");
    println!("a cold build took {}", second.result()["total_seconds"]);
    Ok(())
}

#[test]
fn a_build_without_changes_is_all_in_the_cache() -> Result<()> {
    Built::retail()?;
    let words = ["build", "--profile", "retail", "--explain", "--json"];
    let report = ashlar_tests::command::Ashlar::new(words)?.succeeds()?.json()?;
    for step in report["steps"].as_array().context("steps")? {
        ensure!(step["cached"] == true, "{step}");
    }
    Ok(())
}
