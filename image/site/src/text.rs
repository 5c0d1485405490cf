//! `site.toml` on disk.

use crate::Site;
use crate::error::{Problem, SiteError, Step, move_aside};
use crate::whole_file::{Existing, write_whole};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use toml::de::{DeTable, DeValue};
use zeroize::{Zeroize, Zeroizing};

const HEADER: &str = "\
# A site: the secrets and addresses of one cluster. Who has this file can join
# the cluster. Keep a copy in a safe place, and out of git.
";

impl Site {
    /// Reads a site file. Its owner alone may be able to read it.
    ///
    /// # Errors
    /// When it cannot be read, others may read it, or a line of it is wrong.
    pub fn load(path: &Path) -> Result<Self, SiteError> {
        let help = || match name_of(path) {
            Some(name) => format!("Make it with: ashlar site new {name}"),
            None => "Check its path and its permissions.".to_owned(),
        };
        let io = |error| SiteError::Io { path: path.to_owned(), verb: "read", error, help: help() };
        let mode = std::fs::metadata(path).map_err(io)?.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(SiteError::TooOpen { path: path.to_owned(), mode });
        }
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(io)?);
        Self::parse(&text, path)
    }

    /// Reads the text of a site file; `path` is for errors.
    ///
    /// # Errors
    /// When a line of it is wrong. The error shows nothing of the text.
    pub fn parse(text: &str, path: &Path) -> Result<Self, SiteError> {
        let refused = |error: &toml::de::Error| {
            let span = error.span().unwrap_or(0..0);
            let key = DeTable::parse(text).ok().and_then(|table| key_at(table.get_ref(), &span));
            let reason = without_values(error.message());
            let what = match &key {
                Some(key) if !reason.contains(key.as_str()) => format!("`{key}`: {reason}"),
                _ => reason,
            };
            wrong(path, line_of(text, span.start), what, key.as_deref() == Some("ring-key"))
        };
        // First of all, so that a later version is not refused for a key of its own.
        if let Ok(Format { version }) = toml::from_str(text)
            && version != Self::VERSION
        {
            let known = Self::VERSION;
            let what =
                format!("`version`: this file has {version}, and this program reads {known} only");
            let at = DeTable::parse(text).ok().and_then(|table| {
                Some(line_of(text, table.get_ref().get("version")?.span().start))
            });
            let help = "Use the release of Ashlar that wrote it, or a later one.".to_owned();
            let (path, line) = (path.to_owned(), at.unwrap_or(1));
            return Err(SiteError::Wrong { path, line, what, help });
        }
        let site: Self = toml::from_str(text).map_err(|error| refused(&error))?;
        site.check().map_err(|problem| {
            let span = DeTable::parse(text)
                .ok()
                .and_then(|table| find(table.get_ref(), &problem))
                .unwrap_or(0..0);
            let key = matches!(problem.path.first(), Some(Step::Key("ring-key")));
            wrong(path, line_of(text, span.start), problem.words(), key)
        })?;
        Ok(site)
    }

    /// The text of the site file, secret included; wiped when dropped.
    ///
    /// # Errors
    /// Never for a site that this crate made.
    pub fn to_toml(&self) -> Result<Zeroizing<String>, SiteError> {
        let mut body = toml::to_string(self)
            .map_err(|error| SiteError::Value { what: without_values(&error.to_string()) })?;
        let text = Zeroizing::new([HEADER, &body].concat());
        body.zeroize();
        Ok(text)
    }

    /// Writes the site file, mode 0600, at once or not at all. A folder that is
    /// not there yet is made with mode 0700.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn save(&self, path: &Path) -> Result<(), SiteError> {
        self.write(path, Existing::Replace)
    }

    /// As [`Site::save`], but never over a file that is there: its key may be on
    /// nodes.
    ///
    /// # Errors
    /// When the file exists, or the disk says no.
    pub fn create(&self, path: &Path) -> Result<(), SiteError> {
        self.write(path, Existing::Keep)
    }

    fn write(&self, path: &Path, existing: Existing) -> Result<(), SiteError> {
        let text = self.to_toml()?;
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        let made = if folder.as_os_str().is_empty() {
            Ok(())
        } else {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
        };
        let written = made.and_then(|()| write_whole(path, text.as_bytes(), false, existing));
        written.map_err(|error| {
            if error.kind() == std::io::ErrorKind::AlreadyExists {
                return SiteError::Exists { path: path.to_owned() };
            }
            let help = "Check that the disk has room and that the folder is yours.".to_owned();
            SiteError::Io { path: path.to_owned(), verb: "written", error, help }
        })
    }
}

/// What every version of the format has.
#[derive(serde::Deserialize)]
struct Format {
    version: u32,
}

/// `keys/<name>/site.toml` belongs to the site `<name>`.
fn name_of(path: &Path) -> Option<String> {
    let is_site = path.file_name().is_some_and(|name| name == "site.toml");
    let folder = path.parent()?.file_name()?.to_str()?;
    (is_site && crate::form::is_name(folder)).then(|| folder.to_owned())
}

fn wrong(path: &Path, line: usize, what: String, is_key: bool) -> SiteError {
    let help = match (is_key, name_of(path)) {
        (true, Some(name)) => format!(
            "Put the file back from your copy. If no node uses this site yet, {} && ashlar site \
             new {name}",
            move_aside(path, "broken")
        ),
        (true, ..) => "Put the file back from your copy; a key cannot be mended.".to_owned(),
        _ => "Correct that line.".to_owned(),
    };
    SiteError::Wrong { path: path.to_owned(), line, what, help }
}

/// serde's words without the values that they quote: one may be the key.
fn without_values(message: &str) -> String {
    for kind in ["invalid type: ", "invalid value: ", "invalid length "] {
        if let (true, Some((_, expected))) =
            (message.starts_with(kind), message.split_once(", expected "))
        {
            return format!("expected {expected}");
        }
    }
    message.to_owned()
}

/// The dotted key whose value covers `span`.
fn key_at(table: &DeTable<'_>, span: &Range<usize>) -> Option<String> {
    let covers = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
    table.iter().find_map(|(key, value)| {
        let name = key.get_ref();
        let inner = value.get_ref().as_table().and_then(|table| key_at(table, span));
        match inner {
            Some(inner) => Some(format!("{name}.{inner}")),
            None => covers(value.span()).then(|| name.to_string()),
        }
    })
}

/// Where a problem is: as far down its path as the document goes.
fn find(table: &DeTable<'_>, problem: &Problem) -> Option<Range<usize>> {
    let mut found = None;
    let mut value: Option<&DeValue<'_>> = None;
    for step in &problem.path {
        let next = match (step, value) {
            (Step::Key(name), None) => table.get(*name),
            (Step::Key(name), Some(value)) => value.as_table().and_then(|table| table.get(*name)),
            (Step::Index(index), Some(value)) => value.get(*index),
            (Step::Index(_), None) => None,
        };
        let Some(next) = next else { break };
        found = Some(next.span());
        value = Some(next.get_ref());
    }
    found
}

/// Line of a byte offset, counted from 1.
fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests;
