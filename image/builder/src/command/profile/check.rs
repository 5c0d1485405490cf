//! `ashlar profile check`: whether profiles can be built.

use super::{beside, broken};
use crate::context::Context;
use ashlar_build::{Project, current_lock};
use ashlar_recipe::{compose, recipes};
use serde::Serialize;
use std::process::ExitCode;

/// What was found of one.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "CheckedProfile"))]
pub(crate) struct Checked {
    /// Its name.
    name: String,
    /// How many packages its lock has; nothing if it cannot be built.
    #[serde(skip_serializing_if = "Option::is_none")]
    packages: Option<usize>,
    /// Why it cannot be built, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// What `ashlar profile check --json` prints.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct AllChecked {
    /// The profiles that were asked about.
    profiles: Vec<Checked>,
}

/// Runs it.
pub(super) fn run(names: &[String], context: &Context) -> miette::Result<ExitCode> {
    let (output, project) = (&context.output, context.project()?);
    let names = if names.is_empty() { recipes(&project.recipes())? } else { names.to_vec() };
    let checked: Vec<_> = names.iter().map(|name| check(&project, name)).collect();
    for Checked { name, packages, error } in &checked {
        match (packages, error) {
            (Some(packages), _) => {
                output.line(format_args!("{name}: {packages} packages are locked"));
            }
            (None, error) => output.line(format_args!("{name}: {}", broken(error.as_deref()))),
        }
    }
    let broken = checked.iter().any(|one| one.error.is_some());
    output.json(&AllChecked { profiles: checked })?;
    Ok(if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn check(project: &Project, name: &str) -> Checked {
    let folder = project.recipes();
    let lock = compose(&folder, name)
        .map_err(miette::Report::from)
        .and_then(|composed| Ok(current_lock(&folder, &composed)?));
    let (packages, error) = match lock {
        Ok(lock) => (Some(lock.packages.len()), None),
        Err(report) => {
            let help = report.help().map(|help| format!("; {help}")).unwrap_or_default();
            (None, Some(beside(project, &format!("{report}{help}"))))
        }
    };
    Checked { name: name.to_owned(), packages, error }
}

#[cfg(test)]
mod tests {
    use super::check;
    use ashlar_build::Project;

    #[test]
    fn what_cannot_be_built_is_told_with_its_cure() {
        let dir = tempfile::tempdir().unwrap();
        let recipes = dir.path().join("recipes");
        std::fs::create_dir(&recipes).unwrap();
        std::fs::write(recipes.join("bad.toml"), "pakages = []").unwrap();
        std::fs::write(recipes.join("new.toml"), "description = 'not locked yet'").unwrap();
        let project = Project::find(Some(dir.path())).unwrap();
        let error = |name| check(&project, name).error.unwrap();
        assert!(error("bad").starts_with("recipes/bad.toml:1: unknown key `pakages`"));
        let unlocked = error("new");
        assert!(
            unlocked.contains("recipes/new.lock") && unlocked.contains("ashlar lock"),
            "{unlocked}"
        );
        assert!(error("none").contains("none"));
    }
}
