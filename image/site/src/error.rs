//! What can be wrong with a site. These errors never show the text around the
//! place, because it may be the key.

use std::path::{Path, PathBuf};

/// Why a site cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum SiteError {
    /// The file could not be read or written.
    #[error("{} cannot be {verb}: {error}", .path.display())]
    #[diagnostic(help("{help}"))]
    Io {
        /// Which.
        path: PathBuf,
        /// `read` or `written`.
        verb: &'static str,
        /// Why.
        error: std::io::Error,
        /// What to do.
        help: String,
    },
    /// A site that is there already is not overwritten.
    #[error("{} exists already, and its key may be on nodes", .path.display())]
    #[diagnostic(help("Take another name. Or, if no node uses it, {}.", move_aside(.path, "old")))]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// Others than its owner may read the file.
    #[error("{} holds a secret, but others may read it (mode {mode:04o})", .path.display())]
    #[diagnostic(help("Close it: chmod 600 {}", quoted(.path)))]
    TooOpen {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A line of the file is wrong.
    #[error("{}:{line}: {what}", .path.display())]
    #[diagnostic(help("{help}"))]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// Which key is wrong, and what was expected.
        what: String,
        /// What to do.
        help: String,
    },
    /// A value given to a new site is wrong.
    #[error("{what}")]
    Value {
        /// Which key is wrong, and what was expected.
        what: String,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes for a key")]
    NoRandomness,
}

/// What is wrong with one key of a site, before it is known where that is.
#[derive(Debug)]
pub(crate) struct Problem {
    /// Keys and, for lists, indices.
    pub(crate) path: Vec<Step>,
    /// What was expected.
    pub(crate) reason: String,
}

/// One step into a document.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Key(&'static str),
    Index(usize),
}

impl Problem {
    pub(crate) fn new(path: &[Step], reason: impl Into<String>) -> Self {
        Self { path: path.to_vec(), reason: reason.into() }
    }

    /// `network.node[1].mac: expected …`, counting from 0 as TOML tools do.
    pub(crate) fn words(&self) -> String {
        let mut key = String::new();
        for step in &self.path {
            match step {
                Step::Key(name) if key.is_empty() => key.push_str(name),
                Step::Key(name) => key.push_str(&format!(".{name}")),
                Step::Index(index) => key.push_str(&format!("[{index}]")),
            }
        }
        format!("`{key}`: {}", self.reason)
    }

    pub(crate) fn without_file(&self) -> SiteError {
        SiteError::Value { what: self.words() }
    }
}

/// How to make room for a new site. Never a command that deletes: a terminal may
/// break the line inside the path, and someone may paste half of it.
pub(crate) fn move_aside(file: &Path, suffix: &str) -> String {
    let folder = file.parent().unwrap_or(file);
    let mut aside = folder.as_os_str().to_owned();
    aside.push(".");
    aside.push(suffix);
    format!("move it aside: mv {} {}", quoted(folder), quoted(Path::new(&aside)))
}

/// For a command line that someone may paste.
#[must_use]
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}
