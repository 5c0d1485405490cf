//! Bad input: each a clear error, nothing half-written.

use anyhow::{Result, ensure};
use ashlar_tests::command::{Ashlar, workspace};
use ashlar_tests::image::Built;
use ashlar_tests::project::{Project, scratch};
use ashlar_tests::site;

#[test]
fn an_unknown_key_is_refused_with_its_file_and_line() -> Result<()> {
    let project = Project::copy()?;
    project.recipe("typo", "extends = \"minimal\"\n\n[kernel]\npakage = \"x\"\n")?;
    project.build("typo")?.fails_with(&["pakage", "package", "typo.toml:4"])?;
    project.is_clean()
}

#[test]
fn a_missing_overlay_is_refused_with_its_name_and_place() -> Result<()> {
    let project = Project::copy()?;
    project.recipe("lost", "extends = \"minimal\"\noverlays = [\"nowhere\"]\n")?;
    project.build("lost")?.fails_with(&["nowhere", "overlays", "lost.toml:2"])?;
    project.is_clean()
}

#[test]
fn a_circle_of_recipes_is_refused() -> Result<()> {
    let project = Project::copy()?;
    project.recipe("hen", "extends = \"egg\"\n")?;
    project.recipe("egg", "extends = \"hen\"\n")?;
    project.build("hen")?.fails_with(&["hen", "egg"])?;
    project.is_clean()
}

#[test]
fn a_locked_build_refuses_a_lock_that_is_not_the_recipes() -> Result<()> {
    let project = Project::copy()?;
    let path = project.path().join("recipes/minimal.toml");
    let recipe = std::fs::read_to_string(&path)?;
    std::fs::write(&path, recipe.replacen("\"less\",", "\"less\", \"nano\",", 1))?;
    project.build("minimal")?.arg("--locked").fails_with(&["minimal.lock", "ashlar lock"])?;
    project.is_clean()
}

#[test]
fn a_site_with_a_broken_key_is_refused_before_anything_starts() -> Result<()> {
    let directory = scratch("site")?;
    let path = site::write(&site::fresh("broken")?, directory.path())?;
    let text = std::fs::read_to_string(&path)?;
    let broken: String = text
        .lines()
        .map(|line| if line.starts_with("ring-key") { "ring-key = \"c2hvcnQ=\"" } else { line })
        .map(|line| format!("{line}\n"))
        .collect();
    std::fs::write(&path, broken)?;
    Ashlar::new(["vm", "up", "--name", "vm-broken-site", "-n", "1", "--site"])?
        .arg(&path)
        .arg("--image")
        .arg(Built::retail()?.disk()?)
        .fails_with(&["site.toml", "32 bytes"])?;
    let listed = Ashlar::new(["vm", "list"])?.succeeds()?;
    ensure!(!listed.stdout().contains("vm-broken-site"), "it was made all the same:\n{listed}");
    Ok(())
}

#[test]
fn vm_up_without_qemu_says_how_to_get_it() -> Result<()> {
    let directory = scratch("without-qemu")?;
    let built = Built::retail()?;
    let own = Ashlar::new(["vm", "up", "--name", "vm-without", "-n", "1", "--image"])?
        .arg(built.disk()?)
        // A cache without a tools root …
        .env("ASHLAR_CACHE_DIR", directory.path())
        .env("ASHLAR_MACHINES", directory.path())
        .into_command();
    // … on a host without firmware, should this one have it.
    let mut command = std::process::Command::new("bwrap");
    command.args(["--dev-bind", "/", "/"]);
    if std::path::Path::new("/usr/share/OVMF").is_dir() {
        command.args(["--tmpfs", "/usr/share/OVMF"]);
    }
    command.arg("--").arg(own.get_program()).args(own.get_args()).current_dir(workspace());
    for (name, value) in own.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let output = command.output()?;
    ensure!(!output.status.success(), "it started without QEMU");
    let ran = ashlar_tests::command::Ran::new("ashlar vm up".into(), output);
    ran.refuses_with(&["QEMU", "ashlar"])?;
    Ok(())
}

#[test]
fn a_profile_that_does_not_exist_is_refused_with_those_that_do() -> Result<()> {
    Ashlar::new(["build", "--profile", "retial"])?.fails_with(&["retial", "retail"])?;
    Ok(())
}
