//! Where the values of a composed recipe were written.

use schemars::JsonSchema;
use serde::Serialize;
use std::ops::Range;
use std::path::PathBuf;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Origin {
    /// The recipe file.
    pub file: PathBuf,
    /// Its line, from 1.
    pub line: usize,
    #[serde(skip)]
    pub(crate) span: Range<usize>,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&format!("{}:{}", self.file.display(), self.line))
    }
}

/// The key of a list item in [`Composed::origins`](crate::Composed::origins).
pub(crate) fn item_key(list: &str, item: &str) -> String {
    format!("{list}[{item:?}]")
}
