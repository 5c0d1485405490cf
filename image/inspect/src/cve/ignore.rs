//! Holes that a project has looked at and lives with.

use super::Hole;
use jiff::civil::Date;
use miette::{Diagnostic, NamedSource, SourceSpan};
use serde::{Deserialize, Serialize};
use std::path::Path;
use thiserror::Error;

/// A list of holes that a project lives with, `recipes/cve.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Ignore {
    #[serde(default)]
    ignore: Vec<Ignored>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Ignored {
    /// The hole, `CVE-2026-1234`.
    pub id: String,
    /// Only in this source package; in all when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Why it does no harm here.
    pub reason: String,
    /// The last day on which that counts; then somebody looks again.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub until: Date,
}

/// Why the list cannot be read.
#[derive(Debug, Error, Diagnostic)]
pub enum IgnoreError {
    /// The file is there, and cannot be read.
    #[error("{path} cannot be read")]
    Read {
        /// The file.
        path: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// It is not what it should be.
    #[error("{message}")]
    #[diagnostic(help(
        "an entry is `[[ignore]]` with `id = \"CVE-…\"`, `reason = \"…\"`, \
         `until = \"2026-12-31\"`, and `source = \"…\"` if it is about one package only"
    ))]
    Parse {
        /// What, and in which file.
        message: String,
        /// The file's text.
        #[source_code]
        text: NamedSource<String>,
        /// Where.
        #[label("here")]
        place: Option<SourceSpan>,
    },
}

impl Ignore {
    /// Reads a list.
    ///
    /// # Errors
    /// When it cannot be read, or an entry has no reason or no date.
    pub fn load(path: &Path) -> Result<Self, IgnoreError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|source| IgnoreError::Read { path: name.clone(), source })?;
        Self::parse(&text, &name)
    }

    fn parse(text: &str, name: &str) -> Result<Self, IgnoreError> {
        let refused = |message: String, place: Option<SourceSpan>| IgnoreError::Parse {
            message: format!("{name}: {message}"),
            place,
            text: NamedSource::new(name, text.to_owned()),
        };
        let list: Self = toml::from_str(text)
            .map_err(|error| refused(error.message().to_owned(), error.span().map(Into::into)))?;
        match list.ignore.iter().find(|entry| entry.reason.trim().is_empty()) {
            Some(entry) => Err(refused(format!("{} has no reason", entry.id), None)),
            None => Ok(list),
        }
    }

    /// The entry that covers a hole on a day.
    #[must_use]
    pub fn covers(&self, hole: &Hole, today: Date) -> Option<&Ignored> {
        self.ignore.iter().find(|entry| entry.until >= today && entry.is_about(hole))
    }

    /// The entries whose day has passed: each has to be looked at again.
    pub fn expired(&self, today: Date) -> impl Iterator<Item = &Ignored> {
        self.ignore.iter().filter(move |entry| entry.until < today)
    }

    /// The entries that are about none of these holes: they can go.
    pub fn idle<'a>(&'a self, holes: &'a [Hole]) -> impl Iterator<Item = &'a Ignored> {
        self.ignore.iter().filter(|entry| !holes.iter().any(|hole| entry.is_about(hole)))
    }
}

impl Ignored {
    fn is_about(&self, hole: &Hole) -> bool {
        self.id == hole.id && self.source.as_ref().is_none_or(|source| *source == hole.source)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Hole, Severity};
    use super::Ignore;
    use jiff::civil::date;

    fn hole(id: &str, source: &str) -> Hole {
        Hole {
            id: id.into(),
            source: source.into(),
            version: "1".into(),
            packages: Vec::new(),
            severity: Severity::High,
            fixed: None,
            postponed: None,
            description: String::new(),
        }
    }

    #[test]
    fn an_entry_counts_for_its_package_and_until_its_day() {
        let text = "[[ignore]]\nid = 'CVE-1'\nsource = 'bash'\nreason = 'not reachable'\nuntil = '2026-05-01'\n";
        let list = Ignore::parse(text, "cve.toml").unwrap();
        let day = date(2026, 5, 1);
        assert!(list.covers(&hole("CVE-1", "bash"), day).is_some());
        assert!(list.covers(&hole("CVE-1", "dash"), day).is_none());
        assert!(list.covers(&hole("CVE-2", "bash"), day).is_none());
        assert_eq!(list.expired(day).count(), 0);
        let next = date(2026, 5, 2);
        assert!(list.covers(&hole("CVE-1", "bash"), next).is_none());
        assert_eq!(list.expired(next).count(), 1);
        assert_eq!(list.idle(&[hole("CVE-2", "bash")]).count(), 1);
    }

    #[test]
    fn an_entry_without_a_reason_or_a_date_is_refused() {
        for text in [
            "[[ignore]]\nid = 'CVE-1'\nuntil = '2026-05-01'\n",
            "[[ignore]]\nid = 'CVE-1'\nreason = 'x'\n",
            "[[ignore]]\nid = 'CVE-1'\nreason = ' '\nuntil = '2026-05-01'\n",
            "[[ignore]]\nid = 'CVE-1'\nreason = 'x'\nuntil = 'soon'\n",
            "[[ignored]]\n",
        ] {
            let error = Ignore::parse(text, "cve.toml").unwrap_err().to_string();
            assert!(error.contains("cve.toml"), "{error}");
        }
    }
}
