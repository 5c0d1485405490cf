//! The same lock and sources give the same bytes, whoever builds.

use anyhow::{Context, Result, ensure};
use ashlar_tests::command::Ran;
use ashlar_tests::image::Built;
use ashlar_tests::person::Person;
use ashlar_tests::skipped;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

fn same(first: &Built, ran: &Ran) -> Result<Built> {
    let second = Built::from_json(ran.json()?)?;
    second.is_the_same_as(first)?;
    Ok(second)
}

#[test]
fn another_person_with_another_umask_home_path_and_one_core_builds_the_same_bytes() -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        let name = "another_person_with_another_umask_home_path_and_one_core_builds_the_same_bytes";
        return skipped(name, "making a user needs root");
    }
    let first = Built::retail()?;
    // No root, not one finished step, and programs and packages by their bytes only.
    let person = Person::arrive()?;
    let words = ["build", "--json", "--profile", "retail", "--locked"];
    let second = same(first, &person.ashlar(&words)?)?;
    println!("a cold build took {}", second.result()["total_seconds"]);

    // And a byte that flips in a finished step is noticed, and the step made anew.
    let steps = person.cache().join("steps/uki");
    let entries = std::fs::read_dir(&steps)?.map(|entry| Ok(entry?.path()));
    let entries = entries.collect::<Result<Vec<PathBuf>>>()?;
    let step = entries.iter().find(|path| path.is_dir()).context("the boot image's step")?;
    let file = std::fs::File::options().read(true).write(true).open(step.join("uki.efi"))?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, 4096)?;
    file.write_all_at(&[!byte[0]], 4096)?;
    let ran = person.ashlar(&words)?;
    ensure!(ran.to_string().contains("is damaged and is made again"), "not a word of it: {ran}");
    let seconds = same(first, &ran)?.result()["seconds"].clone();
    ensure!(seconds["uki"].is_number() && seconds["root"].is_null(), "{seconds}");
    Ok(())
}

#[test]
fn a_build_without_changes_is_all_in_the_cache_and_takes_no_time() -> Result<()> {
    Built::retail()?;
    let words = ["build", "--profile", "retail", "--explain", "--json"];
    let report = ashlar_tests::command::Ashlar::new(words)?.succeeds()?.json()?;
    for step in report["steps"].as_array().context("steps")? {
        ensure!(step["cached"] == true, "{step}");
    }
    let words = ["build", "--profile", "retail", "--json"];
    let built = ashlar_tests::command::Ashlar::new(words)?.succeeds()?.json()?;
    // Generous: the machine may be busy with another tier.
    ensure!(built["total_seconds"].as_f64().is_some_and(|took| took < 10.0), "{built}");
    Ok(())
}
