//! `ashlar profile list`: what can be built.

use super::{beside, broken};
use crate::context::Context;
use ashlar_build::Project;
use ashlar_recipe::{RecipeError, compose, recipes};
use owo_colors::{OwoColorize, Stream};
use serde::Serialize;
use std::process::ExitCode;

/// One of them.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Profile {
    /// Its name.
    name: String,
    /// What its boxes are for; nothing if it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// The machine that it is for, if it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    machine: Option<String>,
    /// Its parents and theirs, furthest first.
    extends: Vec<String>,
    /// Why it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// What `ashlar profile list --json` prints.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Profiles {
    /// Every recipe.
    profiles: Vec<Profile>,
}

/// Runs it.
pub(super) fn run(context: &Context) -> miette::Result<ExitCode> {
    let (output, project) = (&context.output, context.project()?);
    let profiles = list(&project)?;
    let width = profiles.iter().map(|profile| profile.name.len()).max().unwrap_or(0);
    for profile in &profiles {
        let name = format!("{:width$}", profile.name);
        let name = name.if_supports_color(Stream::Stdout, |name| name.bold());
        match (&profile.description, &profile.error) {
            (Some(description), _) => output.line(format_args!("{name}  {description}")),
            (None, error) => {
                output.line(format_args!("{name}  {}", broken(error.as_deref())));
            }
        }
    }
    if profiles.is_empty() {
        output.note(format_args!("no recipe in {} yet", project.recipes().display()));
    }
    let broken = profiles.iter().any(|profile| profile.error.is_some());
    output.json(&Profiles { profiles })?;
    Ok(if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn list(project: &Project) -> Result<Vec<Profile>, RecipeError> {
    let folder = project.recipes();
    let profile = |name: String| match compose(&folder, &name) {
        Ok(composed) => Profile {
            description: Some(composed.recipe.description.clone()),
            machine: composed.recipe.machine.clone(),
            extends: composed.parents,
            error: None,
            name,
        },
        Err(error) => {
            let error = Some(beside(project, &error.to_string()));
            Profile { name, description: None, machine: None, extends: Vec::new(), error }
        }
    };
    Ok(recipes(&folder)?.into_iter().map(profile).collect())
}

#[cfg(test)]
mod tests {
    use super::list;
    use ashlar_build::Project;

    #[test]
    fn a_broken_recipe_does_not_hide_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let recipes = dir.path().join("recipes");
        std::fs::create_dir(&recipes).unwrap();
        std::fs::write(recipes.join("good.toml"), "description = 'works'").unwrap();
        std::fs::write(recipes.join("child.toml"), "extends = 'good'").unwrap();
        std::fs::write(recipes.join("bad.toml"), "pakages = []").unwrap();
        let seen = list(&Project::find(Some(dir.path())).unwrap()).unwrap();
        let names: Vec<&str> = seen.iter().map(|profile| profile.name.as_str()).collect();
        assert_eq!(names, ["bad", "child", "good"]);
        assert_eq!(seen[0].error.as_deref(), Some("recipes/bad.toml:1: unknown key `pakages`"));
        assert_eq!(seen[1].extends, ["good"]);
        assert_eq!(seen[1].description.as_deref(), Some("works"));
    }
}
