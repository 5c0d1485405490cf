//! `ashlar schema`: what `--json` prints, as JSON Schema.

use crate::context::Context;
use miette::{IntoDiagnostic, miette};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::process::ExitCode;

/// Print the JSON Schema of what a verb prints with --json.
///
/// What is required in it is always there. A verb that fails prints what `ashlar schema
/// failure` says instead.
///
///   ashlar schema                        of every verb
///   ashlar schema cache list
///   ashlar schema build >build.schema.json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The verb, as it is typed. Default: all of them.
    verb: Vec<String>,
}

/// Made from the types that are printed, by a test.
const PUBLISHED: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/ashlar.schema.json"));

/// Runs it.
pub(crate) fn run(args: &Args, context: &Context) -> miette::Result<ExitCode> {
    let published: Value = serde_json::from_str(PUBLISHED).into_diagnostic()?;
    let schema = match args.verb.as_slice() {
        [] => published,
        words => of(&published, &words.join(" "))?,
    };
    context.output.line(format_args!("{schema:#}"));
    context.output.json(&schema)?;
    Ok(ExitCode::SUCCESS)
}

/// The schema of one verb, with what it refers to.
fn of(published: &Value, verb: &str) -> miette::Result<Value> {
    let Some(Value::Object(own)) = published["properties"].get(verb) else {
        let verbs = published["properties"].as_object().into_iter().flat_map(Map::keys);
        let verbs: Vec<&str> = verbs.map(String::as_str).collect();
        return Err(miette!(
            help = format!("there are schemas of: {}", verbs.join(", ")),
            "`{verb}` is no verb that prints facts"
        ));
    };
    let mut schema = own.clone();
    let mut named = BTreeSet::new();
    names(&Value::Object(schema.clone()), published, &mut named);
    let all = published["$defs"].as_object().into_iter().flatten();
    let kept = all.filter(|(name, _)| named.contains(name.as_str()));
    let kept: Map<String, Value> = kept.map(|(name, it)| (name.clone(), it.clone())).collect();
    schema.insert("$schema".into(), published["$schema"].clone());
    schema.insert("title".into(), format!("What ashlar {verb} prints with --json").into());
    schema.insert("$defs".into(), kept.into());
    Ok(schema.into())
}

/// The definitions that a schema refers to, and those that these refer to.
fn names<'a>(schema: &'a Value, published: &'a Value, named: &mut BTreeSet<String>) {
    match schema {
        Value::Object(keys) => {
            let reference = keys.get("$ref").and_then(Value::as_str);
            if let Some(name) = reference.and_then(|at| at.strip_prefix("#/$defs/"))
                && named.insert(name.to_owned())
            {
                names(&published["$defs"][name], published, named);
            }
            keys.values().for_each(|value| names(value, published, named));
        }
        Value::Array(values) => values.iter().for_each(|value| names(value, published, named)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::of;
    use serde_json::json;

    #[test]
    fn the_schema_of_a_verb_has_what_it_refers_to_and_nothing_else() {
        let refers = |to: &str| json!({ "$ref": format!("#/$defs/{to}") });
        let published = json!({
            "$schema": "draft",
            "properties": { "cache list": { "properties": { "a": refers("A") } }, "doctor": {} },
            "$defs": { "A": { "items": refers("B") }, "B": refers("A"), "C": {} },
        });
        let schema = of(&published, "cache list").unwrap();
        let expected = json!({
            "$schema": "draft",
            "title": "What ashlar cache list prints with --json",
            "properties": { "a": refers("A") },
            "$defs": { "A": { "items": refers("B") }, "B": refers("A") },
        });
        assert_eq!(schema, expected);
        let error = of(&published, "cache").unwrap_err();
        assert!(error.help().unwrap().to_string().contains("cache list, doctor"), "{error:?}");
    }
}
