//! What one build leaves.

use anyhow::{Context, Result, ensure};
use ashlar_tests::command::{Ashlar, workspace};
use ashlar_tests::image::Built;
use ashlar_tests::project::{Project, tools_root};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

fn read_json(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

fn manifest() -> Result<Value> {
    read_json(&Built::retail()?.directory().join("manifest.json"))
}

fn inspection() -> Result<Value> {
    Ashlar::new(["inspect", "--json"])?.arg(Built::retail()?.disk()?).succeeds()?.json()
}

/// The names in a list of objects.
fn names(list: &Value) -> Result<BTreeSet<&str>> {
    let list = list.as_array().context("a list")?;
    list.iter().map(|item| item["name"].as_str().context("a name")).collect()
}

#[test]
fn every_artefact_is_there_with_its_checksum() -> Result<()> {
    let built = Built::retail()?;
    for end in
        [".raw", ".raw.zst", ".efi", ".root.erofs", ".root.verity", ".spdx.json", ".cdx.json"]
    {
        built.one(|name| name.ends_with(end))?;
    }
    let sums = Command::new("sha256sum")
        .args(["--check", "--strict", "--quiet", "SHA256SUMS"])
        .current_dir(built.directory())
        .output()?;
    ensure!(sums.status.success(), "{}", String::from_utf8_lossy(&sums.stdout));
    let listed = std::fs::read_to_string(built.directory().join("SHA256SUMS"))?;
    let listed: BTreeSet<&str> =
        listed.lines().filter_map(|l| l.split_once("  ")).map(|l| l.1).collect();
    for file in built.files()? {
        let name = file.file_name().and_then(|name| name.to_str()).context("a name")?;
        ensure!(name == "SHA256SUMS" || listed.contains(name), "{name} has no checksum");
    }
    Ok(())
}

#[test]
fn the_retail_image_keeps_to_its_size_budget() -> Result<()> {
    let built = Built::retail()?;
    let size = |path: std::path::PathBuf| -> Result<u64> { Ok(path.metadata()?.len()) };
    let (root, uki) = (size(built.root()?)?, size(built.one(|name| name.ends_with(".efi"))?)?);
    println!("root {root} bytes, UKI {uki} bytes");
    let budget = ashlar_recipe::compose(&workspace().join("recipes"), "retail")?.recipe.budget;
    for (what, size, most) in [("root", root, budget.root), ("UKI", uki, budget.uki)] {
        let most = most.with_context(|| format!("the recipe has no budget for the {what}"))?;
        ensure!(size <= most.as_bytes(), "the {what} is {size} bytes, more than {most}");
    }
    Ok(())
}

/// The verdicts of `ashlar lint`, in a project that has a site to look for.
fn lint(only: &[&str]) -> Result<Vec<Value>> {
    let project = Project::copy()?;
    Ashlar::new(["site", "new", "shop"])?.project(project.path()).succeeds()?;
    let mut lint = Ashlar::new(["lint", "--json"])?.project(project.path());
    for check in only {
        lint = lint.arg("--only").arg(check);
    }
    let ran = lint.arg(Built::retail()?.disk()?).succeeds()?;
    let report = ran.json()?;
    ensure!(report["errors"] == 0, "{ran}");
    Ok(report["checks"].as_array().context("checks")?.clone())
}

#[test]
fn the_retail_image_is_without_lint() -> Result<()> {
    let verdicts = lint(&[])?;
    ensure!(verdicts.len() > 15, "only {} checks", verdicts.len());
    for verdict in verdicts {
        let noted = verdict["status"] == "failed" && verdict["severity"] != "error";
        if noted {
            println!("noted: {verdict}");
        }
        ensure!(noted || verdict["status"] == "passed", "{verdict}");
    }
    Ok(())
}

#[test]
fn the_retail_image_has_no_login_and_no_secret() -> Result<()> {
    let checks = [
        "site-secrets",
        "ssh-host-keys",
        "machine-id",
        "password-hashes",
        "private-keys",
        "seed-empty",
        "enabled-units",
    ];
    let verdicts = lint(&checks)?;
    for check in checks {
        let verdict = verdicts.iter().find(|verdict| verdict["check"] == check);
        ensure!(verdict.is_some_and(|v| v["status"] == "passed"), "{check}: {verdict:?}");
    }
    Ok(())
}

#[test]
fn the_hash_tree_verifies_the_root_by_the_hash_in_the_uki() -> Result<()> {
    let built = Built::retail()?;
    let tools = tools_root()?;
    let hash = manifest()?["root_hash"].as_str().context("root_hash")?.to_owned();
    // By a tool that is not ours.
    let verified = Command::new("bwrap")
        .arg("--ro-bind")
        .args([&tools, Path::new("/")])
        .arg("--ro-bind")
        .args([built.directory(), Path::new("/mnt")])
        .args(["--dev", "/dev", "--proc", "/proc", "--", "veritysetup", "verify"])
        .arg(inside(&built.root()?)?)
        .arg(inside(&built.one(|name| name.ends_with(".root.verity"))?)?)
        .arg(&hash)
        .output()?;
    ensure!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    // And it is what the kernel is told.
    let inspection = inspection()?;
    let slot = &inspection["slots"][0];
    ensure!(slot["root_hash"] == hash.as_str() && slot["consistent"] == true, "{slot}");
    Ok(())
}

fn inside(path: &Path) -> Result<std::path::PathBuf> {
    Ok(Path::new("/mnt").join(path.file_name().context("a file name")?))
}

#[test]
fn the_manifest_says_what_inspection_finds() -> Result<()> {
    let (manifest, inspection) = (manifest()?, inspection()?);
    let slot = &inspection["slots"][0];
    ensure!(manifest["version"] == slot["version"], "{} {slot}", manifest["version"]);
    ensure!(manifest["root_hash"] == slot["root_hash"], "{} {slot}", manifest["root_hash"]);
    let key = |p: &Value| (p["label"].to_string(), p["offset"].as_u64(), p["size"].as_u64());
    let written = manifest["partitions"].as_array().context("partitions")?;
    let found = inspection["partitions"].as_array().context("partitions")?;
    let written: Vec<_> = written.iter().map(key).collect();
    let found: Vec<_> = found.iter().map(key).collect();
    ensure!(written == found, "{written:?}\n{found:?}");
    Ok(())
}

#[test]
fn both_bills_of_materials_list_every_package() -> Result<()> {
    let built = Built::retail()?;
    let manifest = manifest()?;
    let packages = names(&manifest["packages"])?;
    ensure!(packages.len() > 100 && packages.contains("docker.io"), "{} packages", packages.len());

    let spdx = read_json(&built.one(|name| name.ends_with(".spdx.json"))?)?;
    ensure!(spdx["spdxVersion"].as_str().is_some_and(|v| v.starts_with("SPDX-2.")), "SPDX version");
    ensure!(spdx["SPDXID"] == "SPDXRef-DOCUMENT", "SPDXID");
    for field in ["name", "dataLicense", "documentNamespace"] {
        ensure!(spdx[field].is_string(), "SPDX without {field}");
    }
    let listed = names(&spdx["packages"])?;
    let missing: Vec<_> = packages.difference(&listed).collect();
    ensure!(missing.is_empty(), "SPDX lacks {missing:?}");
    ensure!(listed.contains("ashlar-agent"), "SPDX lacks our own programs");

    let cdx = read_json(&built.one(|name| name.ends_with(".cdx.json"))?)?;
    ensure!(cdx["bomFormat"] == "CycloneDX" && cdx["specVersion"].is_string(), "no CycloneDX");
    let missing: Vec<_> = packages.difference(&names(&cdx["components"])?).copied().collect();
    ensure!(missing.is_empty(), "CycloneDX lacks {missing:?}");
    Ok(())
}
