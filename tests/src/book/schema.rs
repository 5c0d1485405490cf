//! A JSON Schema as a page that a person reads.

use serde_json::{Map, Value};
use std::fmt::Write;

/// The page of a schema, whose own keys come first under a heading.
pub(super) fn page(title: &str, lead: &str, first: &str, schema: &Value) -> String {
    let mut out = format!("# {title}\n\n{lead} This page is made from the schema.\n");
    table(&mut out, first, schema);
    definitions(&mut out, map(schema, "$defs"));
    out
}

/// A section for each definition.
pub(super) fn definitions<'a>(
    out: &mut String,
    all: impl Iterator<Item = (&'a String, &'a Value)>,
) {
    for (name, definition) in all {
        if definition.get("properties").is_some() {
            table(out, name, definition);
        } else {
            values(out, name, definition);
        }
    }
}

pub(super) fn map<'a>(
    value: &'a Value,
    key: &str,
) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value.get(key).and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A description in one line.
fn described(value: &Value) -> String {
    text(value, "description").split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn table(out: &mut String, title: &str, schema: &Value) {
    let _ = write!(out, "\n## {title}\n\n");
    let about = described(schema);
    if !about.is_empty() && schema.get("$schema").is_none() {
        let _ = write!(out, "{about}\n\n");
    }
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    out.push_str("| key | value | |\n|---|---|---|\n");
    for (name, property) in map(schema, "properties") {
        let must = if required.contains(&name.as_str()) { " Required." } else { "" };
        let default = match property.get("default") {
            None | Some(Value::Null | Value::Object(_)) => String::new(),
            Some(value) => format!(" Default: `{value}`."),
        };
        let about = described(property);
        let _ = writeln!(out, "| `{name}` | {} | {about}{must}{default} |", kind(property));
    }
}

/// What a value is, in a word or a link.
pub(super) fn kind(property: &Value) -> String {
    if let Some(reference) = property.get("$ref").and_then(Value::as_str) {
        let name = reference.rsplit('/').next().unwrap_or(reference);
        return format!("[{name}](#{})", name.to_lowercase());
    }
    for either in ["anyOf", "oneOf", "allOf"] {
        if let Some(kinds) = property.get(either).and_then(Value::as_array) {
            let kinds: Vec<_> = kinds.iter().map(kind).filter(|kind| kind != "null").collect();
            return kinds.join(" or ");
        }
    }
    if let Some(value) = property.get("const") {
        return format!("`{value}`");
    }
    let word = match property.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        Some(Value::Array(kinds)) => {
            let kinds = kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null");
            kinds.collect::<Vec<_>>().join(" or ")
        }
        _ => "any".to_owned(),
    };
    match (word.as_str(), property.get("items"), property.get("additionalProperties")) {
        ("array", Some(items), _) => format!("list of {}", kind(items)),
        ("object", _, Some(values)) if values.is_object() => format!("table of {}", kind(values)),
        ("object", ..) => "table".to_owned(),
        _ => word,
    }
}

fn values(out: &mut String, name: &str, definition: &Value) {
    let _ = write!(out, "\n## {name}\n\n");
    let about = described(definition);
    if !about.is_empty() {
        let _ = write!(out, "{about}\n\n");
    }
    let list = |key: &str| definition.get(key).and_then(Value::as_array).into_iter().flatten();
    for value in list("enum") {
        let _ = writeln!(out, "- `{value}`");
    }
    for option in list("oneOf").chain(list("anyOf")) {
        let _ = writeln!(out, "- {}: {}", kind(option), described(option));
    }
}
