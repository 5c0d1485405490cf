//! `ashlar profile show`: one profile, composed.

use super::beside;
use crate::context::Context;
use ashlar_build::Project;
use ashlar_recipe::{Composed, compose};
use owo_colors::{OwoColorize, Stream};
use serde::Serialize;
use std::process::ExitCode;

/// Runs it.
pub(super) fn run(name: &str, context: &Context) -> miette::Result<ExitCode> {
    let (output, project) = (&context.output, context.project()?);
    let composed = compose(&project.recipes(), name)?;
    if output.is_json() {
        output.json(&ShownProfile::of(&composed))?;
        return Ok(ExitCode::SUCCESS);
    }
    let lines = lines(&composed, &project)?;
    let width = lines.iter().map(|line| line.text.chars().count()).max().unwrap_or(0).min(60);
    for Line { text, origin } in &lines {
        if origin.is_empty() {
            output.line(text);
        } else {
            let comment = format!("# {origin}");
            let comment = comment.if_supports_color(Stream::Stdout, |text| text.dimmed());
            output.line(format_args!("{text:width$}  {comment}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What `ashlar profile show --json` prints.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ShownProfile<'a> {
    /// The composed recipe.
    #[serde(flatten)]
    composed: &'a Composed,
    /// Every package that apt is asked for.
    installs: Vec<String>,
}

impl<'a> ShownProfile<'a> {
    fn of(composed: &'a Composed) -> Self {
        Self { composed, installs: composed.packages() }
    }
}

#[derive(Debug)]
struct Line {
    text: String,
    /// `recipes/minimal.toml:4`, `default`, or nothing.
    origin: String,
}

fn lines(composed: &Composed, project: &Project) -> miette::Result<Vec<Line>> {
    let table = toml::Table::try_from(&composed.recipe)
        .map_err(|error| miette::miette!("the profile is not TOML: {error}"))?;
    let mut page = Page { composed, project, lines: Vec::new() };
    page.table("", &table);
    Ok(page.lines)
}

struct Page<'a> {
    composed: &'a Composed,
    project: &'a Project,
    lines: Vec<Line>,
}

impl Page<'_> {
    fn push(&mut self, text: String, origin: String) {
        self.lines.push(Line { text, origin });
    }

    fn origin(&self, key: &str) -> String {
        let origin = self.composed.origins.get(key);
        origin.map_or("default".into(), |origin| beside(self.project, &origin.to_string()))
    }

    /// Values first, then tables, as TOML wants it.
    fn table(&mut self, path: &str, table: &toml::Table) {
        let dotted = |key: &str| if path.is_empty() { key.into() } else { format!("{path}.{key}") };
        for (key, value) in table {
            match value {
                toml::Value::Table(_) => {}
                toml::Value::Array(items) if !items.is_empty() => {
                    self.push(format!("{key} = ["), String::new());
                    for item in items {
                        let written = item.as_str().unwrap_or_default();
                        let origin = self.origin(&format!("{}[{written:?}]", dotted(key)));
                        self.push(format!("  {item},"), origin);
                    }
                    self.push("]".into(), String::new());
                }
                value => {
                    let origin = self.origin(&dotted(key));
                    self.push(format!("{key} = {value}"), origin);
                }
            }
        }
        for (key, value) in table {
            let toml::Value::Table(inner) = value else { continue };
            let path = dotted(key);
            if inner.values().any(|value| !value.is_table()) {
                self.push(String::new(), String::new());
                self.push(format!("[{path}]"), String::new());
            }
            self.table(&path, inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ShownProfile, lines};
    use ashlar_build::Project;
    use ashlar_recipe::{Recipe, compose};

    fn shown() -> (tempfile::TempDir, Project) {
        let dir = tempfile::tempdir().unwrap();
        let recipes = dir.path().join("recipes");
        std::fs::create_dir(&recipes).unwrap();
        std::fs::write(recipes.join("base.toml"), "description = 'base'\npackages = ['bash']\n")
            .unwrap();
        let shop = "extends = 'base'\npackages = [\n  'serf',\n]\n[agent.ring]\nenabled = true\n";
        std::fs::write(recipes.join("shop.toml"), shop).unwrap();
        let project = Project::find(Some(dir.path())).unwrap();
        (dir, project)
    }

    #[test]
    fn every_value_is_shown_with_its_file_and_line() {
        let (_dir, project) = shown();
        let composed = compose(&project.recipes(), "shop").unwrap();
        let lines = lines(&composed, &project).unwrap();
        let origin = |text: &str| {
            let found = lines.iter().find(|line| line.text == text);
            found.map(|line| line.origin.as_str())
        };
        assert_eq!(origin("description = \"base\""), Some("recipes/base.toml:1"));
        assert_eq!(origin("  \"bash\","), Some("recipes/base.toml:2"));
        assert_eq!(origin("  \"serf\","), Some("recipes/shop.toml:3"));
        assert_eq!(origin("enabled = true"), Some("recipes/shop.toml:6"));
        assert_eq!(origin("settle-seconds = 10"), Some("default"));
    }

    #[test]
    fn what_is_shown_is_the_same_recipe_again() {
        let (_dir, project) = shown();
        let composed = compose(&project.recipes(), "shop").unwrap();
        let text: String = lines(&composed, &project)
            .unwrap()
            .iter()
            .map(|line| format!("{} # {}\n", line.text, line.origin))
            .collect();
        assert_eq!(toml::from_str::<Recipe>(&text).unwrap(), composed.recipe);
    }

    #[test]
    fn programs_are_told_what_apt_is_asked_for() {
        let (_dir, project) = shown();
        let composed = compose(&project.recipes(), "shop").unwrap();
        assert_eq!(ShownProfile::of(&composed).installs, ["bash", "serf"]);
    }
}
