//! One recipe file: read, parsed, checked by itself, with the place of every
//! value.

use crate::error::{Fault, RecipeError, line_of};
use crate::recipe::Recipe;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::de::{DeTable, DeValue};

/// A recipe file that is well-formed by itself.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) file: PathBuf,
    pub(crate) text: Arc<str>,
    /// What is written in it, in order, lists item by item.
    pub(crate) entries: Vec<Entry>,
}

/// One written value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) path: Vec<String>,
    pub(crate) value: toml::Value,
    /// One item of a list.
    pub(crate) item: bool,
    pub(crate) span: Range<usize>,
}

impl Entry {
    pub(crate) fn dotted(&self) -> String {
        self.path.join(".")
    }
}

impl Document {
    pub(crate) fn read(file: &Path) -> Result<Self, RecipeError> {
        let text = std::fs::read_to_string(file).map_err(|error| RecipeError::read(file, error))?;
        Self::parse(file, text.into())
    }

    pub(crate) fn parse(file: &Path, text: Arc<str>) -> Result<Self, RecipeError> {
        let spans = DeTable::parse(&text).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            let reason = error.message().to_owned();
            RecipeError::at(Fault::Syntax { reason }, file, &text, &span)
        })?;
        let refused = |error: toml::de::Error| explain(file, &text, spans.get_ref(), &error);
        // Only for its complaints: documents are merged as tables.
        toml::from_str::<Recipe>(&text).map_err(refused)?;
        let values: toml::Table = toml::from_str(&text).map_err(refused)?;
        let mut entries = Vec::new();
        collect(&values, spans.get_ref(), &mut Vec::new(), &mut entries);
        Ok(Self { file: file.to_owned(), entries, text: Arc::clone(&text) })
    }

    /// The file's name without `.toml`.
    pub(crate) fn name(&self) -> Option<String> {
        Some(self.file.file_stem()?.to_str()?.to_owned())
    }

    pub(crate) fn error(&self, fault: Fault, span: &Range<usize>) -> RecipeError {
        RecipeError::at(fault, &self.file, &self.text, span)
    }

    pub(crate) fn line(&self, span: &Range<usize>) -> usize {
        line_of(&self.text, span.start)
    }

    /// The written items of a list, or a single value, with their places.
    pub(crate) fn words(&self, key: &str) -> impl Iterator<Item = (&str, &Range<usize>)> {
        self.entries
            .iter()
            .filter(move |entry| entry.path.iter().map(String::as_str).eq(key.split('.')))
            .filter_map(|entry| Some((entry.value.as_str()?, &entry.span)))
    }
}

fn collect(
    values: &toml::Table,
    spans: &DeTable<'_>,
    path: &mut Vec<String>,
    entries: &mut Vec<Entry>,
) {
    for (key, spanned) in spans {
        let Some(value) = values.get(key.get_ref().as_ref()) else { continue };
        path.push(key.get_ref().to_string());
        let mut push = |value: &toml::Value, item, span| {
            entries.push(Entry { path: path.clone(), value: value.clone(), item, span });
        };
        match (value, spanned.get_ref()) {
            (toml::Value::Table(values), DeValue::Table(spans)) => {
                collect(values, spans, path, entries);
            }
            (toml::Value::Array(values), DeValue::Array(spans)) => {
                for (value, span) in values.iter().zip(spans.iter()) {
                    push(value, true, span.span());
                }
            }
            (value, _) => push(value, false, spanned.span()),
        }
        path.pop();
    }
}

/// Turns serde's words into ours, with the dotted key.
pub(crate) fn explain(
    file: &Path,
    text: &Arc<str>,
    spans: &DeTable<'_>,
    error: &toml::de::Error,
) -> RecipeError {
    let span = error.span().unwrap_or(0..0);
    let message = error.message();
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let mut words = rest.split('`').skip(1).step_by(2).map(str::to_owned);
        let key = words.next().unwrap_or_default();
        return RecipeError::at(
            Fault::UnknownKey { key, known: words.collect() },
            file,
            text,
            &span,
        );
    }
    let key = key_at(spans, &span).unwrap_or_default();
    let reason = message
        .replace("a sequence", "a list")
        .replace("sequence", "list")
        .replace("map", "table")
        .replace("unknown variant", "unknown word");
    let reason = match reason.split_once(", expected struct ") {
        Some((found, _)) => format!("{found}, expected a table"),
        None => reason,
    };
    RecipeError::at(Fault::WrongValue { key, reason }, file, text, &span)
}

/// The dotted key whose value covers `span`.
fn key_at(table: &DeTable<'_>, span: &Range<usize>) -> Option<String> {
    for (key, value) in table {
        let name = key.get_ref();
        let inner = value.get_ref().as_table().and_then(|table| key_at(table, span));
        if let Some(inner) = inner {
            return Some(format!("{name}.{inner}"));
        }
        let covers = value.span().start <= span.start && span.end <= value.span().end;
        if covers || key.span() == *span {
            return Some(name.to_string());
        }
    }
    None
}
