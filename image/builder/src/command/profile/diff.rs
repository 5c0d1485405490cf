//! `ashlar profile diff`: what is different in another profile.

use crate::context::Context;
use ashlar_recipe::{Recipe, compose};
use owo_colors::{OwoColorize, Stream};
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// One key, or one item of a list, in which two profiles differ.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Difference {
    /// `budget.root`, or the list, `packages`.
    key: String,
    /// The one's value, or its item.
    #[serde(skip_serializing_if = "Option::is_none")]
    one: Option<String>,
    /// The other's.
    #[serde(skip_serializing_if = "Option::is_none")]
    other: Option<String>,
}

/// What `ashlar profile diff --json` prints.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Differences<'a> {
    /// The one profile.
    one: &'a str,
    /// The other.
    other: &'a str,
    /// In what they differ.
    differences: &'a [Difference],
}

/// Runs it.
pub(super) fn run(one: &str, other: &str, context: &Context) -> miette::Result<ExitCode> {
    let (output, project) = (&context.output, context.project()?);
    let folder = project.recipes();
    let differences =
        differences(&compose(&folder, one)?.recipe, &compose(&folder, other)?.recipe)?;
    for Difference { key, one, other } in &differences {
        if let Some(value) = one {
            let line = format!("- {key}  {value}");
            output.line(line.if_supports_color(Stream::Stdout, |line| line.red()));
        }
        if let Some(value) = other {
            let line = format!("+ {key}  {value}");
            output.line(line.if_supports_color(Stream::Stdout, |line| line.green()));
        }
    }
    if differences.is_empty() {
        output.line(format_args!("{one} and {other} are the same"));
    }
    output.json(&Differences { one, other, differences: &differences })?;
    Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn differences(one: &Recipe, other: &Recipe) -> miette::Result<Vec<Difference>> {
    let flat = |recipe: &Recipe| {
        let table = toml::Table::try_from(recipe)
            .map_err(|error| miette::miette!("the profile is not TOML: {error}"))?;
        let mut lines = BTreeMap::new();
        flatten("", &table, &mut lines);
        miette::Result::<_>::Ok(lines)
    };
    let (one, other) = (flat(one)?, flat(other)?);
    let keys: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).collect();
    let differing = keys.into_iter().filter(|key| one.get(*key) != other.get(*key));
    Ok(differing
        .map(|key| Difference {
            key: key.0.clone(),
            one: one.get(key).cloned(),
            other: other.get(key).cloned(),
        })
        .collect())
}

/// By key, and by item for lists: of these only what is in one and not in the other
/// counts.
fn flatten(path: &str, table: &toml::Table, lines: &mut BTreeMap<(String, String), String>) {
    for (key, value) in table {
        let key = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            toml::Value::Table(inner) => flatten(&key, inner, lines),
            toml::Value::Array(items) => {
                for item in items.iter().map(ToString::to_string) {
                    lines.insert((key.clone(), item.clone()), item);
                }
            }
            value => {
                lines.insert((key, String::new()), value.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Difference, differences};
    use ashlar_recipe::Recipe;

    #[test]
    fn items_of_lists_and_single_values_are_told() {
        let recipe = |text: &str| toml::from_str::<Recipe>(text).unwrap();
        let one = recipe("description = 'one'\npackages = ['a', 'b']");
        let other = recipe("description = 'other'\npackages = ['b', 'c']\n[budget]\nroot = '1GB'");
        let told = |key: &str, one: Option<&str>, other: Option<&str>| Difference {
            key: key.to_owned(),
            one: one.map(str::to_owned),
            other: other.map(str::to_owned),
        };
        let found = differences(&one, &other).unwrap();
        assert!(
            found.contains(&told("description", Some("\"one\""), Some("\"other\""))),
            "{found:?}"
        );
        assert!(found.contains(&told("packages", Some("\"a\""), None)), "{found:?}");
        assert!(found.contains(&told("packages", None, Some("\"c\""))), "{found:?}");
        assert!(found.iter().any(|f| f.key == "budget.root" && f.one.is_none()), "{found:?}");
        assert!(differences(&one, &one).unwrap().is_empty());
    }
}
