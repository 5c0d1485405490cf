//! Everything that can be wrong with a recipe or a lock file, each with its
//! place, what was expected, and what to do.

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode, SourceSpan};
use std::fmt::{self, Display};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a recipe or a lock file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}{fault}", Where(.at.as_deref()))]
pub struct RecipeError {
    /// What is wrong.
    pub fault: Fault,
    /// The place in a file, when there is one.
    pub at: Option<Box<Place>>,
}

/// A place in a file.
#[derive(Clone, Debug)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Its line, from 1.
    pub line: usize,
    text: NamedSource<Arc<str>>,
    span: SourceSpan,
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// There is no recipe of that name.
    #[error("there is no recipe `{name}` in {}", .folder.display())]
    NoSuchRecipe {
        /// As asked for.
        name: String,
        /// Where it was looked for.
        folder: PathBuf,
        /// The recipes that there are.
        known: Vec<String>,
    },
    /// A file could not be read or written.
    #[error("{} cannot be {verb}: {error}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// `read` or `written`.
        verb: &'static str,
        /// Why.
        error: std::io::Error,
    },
    /// The text is no TOML.
    #[error("this is not TOML: {reason}")]
    Syntax {
        /// The parser's words.
        reason: String,
    },
    /// A key that recipes do not have.
    #[error("unknown key `{key}`")]
    UnknownKey {
        /// As written.
        key: String,
        /// The keys that can stand there.
        known: Vec<String>,
    },
    /// A value of the wrong type, or a word or size that is none.
    #[error("wrong value for `{key}`: {reason}")]
    WrongValue {
        /// Dotted key.
        key: String,
        /// What was found and what was expected.
        reason: String,
    },
    /// A recipe that extends itself, by way of others or not.
    #[error("recipes extend each other in a circle: {}", Chain(.chain))]
    Circle {
        /// Each recipe and the place where it names the next.
        chain: Vec<(String, PathBuf, usize)>,
    },
    /// Something that a recipe names is not there.
    #[error("there is no {what} `{name}`: {} does not exist", .path.display())]
    Missing {
        /// `overlay`, `stack`, `target machine` or `hardware set`.
        what: &'static str,
        /// As written.
        name: String,
        /// Where it should be.
        path: PathBuf,
        /// Those that there are.
        known: Vec<String>,
    },
    /// A recipe takes packages from a repository that nobody described.
    #[error("there is no repository `{name}` in {}", .path.display())]
    NoSuchRepository {
        /// As written.
        name: String,
        /// Where it should be.
        path: PathBuf,
        /// Those that there are.
        known: Vec<String>,
    },
    /// An item is to be taken back that no parent gave.
    #[error("no recipe that this one extends has `{name}` in `{list}`")]
    NothingToRemove {
        /// The item.
        name: String,
        /// Dotted key of the list.
        list: String,
        /// What the parents have there.
        known: Vec<String>,
    },
    /// A lock file of an older program, which says too little.
    #[error("lock file version {version}; this program reads version {known}")]
    OldLock {
        /// The file's.
        version: u32,
        /// This program's.
        known: u32,
    },
    /// A lock file that does not fit this program.
    #[error("{reason}")]
    Lock {
        /// What is wrong with it.
        reason: String,
    },
}

impl RecipeError {
    pub(crate) fn new(fault: Fault) -> Self {
        Self { fault, at: None }
    }

    pub(crate) fn at(fault: Fault, file: &Path, text: &Arc<str>, span: &Range<usize>) -> Self {
        Self { fault, at: Some(Box::new(Place::new(file, text, span))) }
    }

    pub(crate) fn read(path: &Path, error: std::io::Error) -> Self {
        Self::new(Fault::Io { path: path.to_owned(), verb: "read", error })
    }

    pub(crate) fn write(path: &Path, error: std::io::Error) -> Self {
        Self::new(Fault::Io { path: path.to_owned(), verb: "written", error })
    }
}

impl Place {
    fn new(file: &Path, text: &Arc<str>, span: &Range<usize>) -> Self {
        Self {
            file: file.to_owned(),
            line: line_of(text, span.start),
            text: NamedSource::new(file.to_string_lossy(), Arc::clone(text)).with_language("TOML"),
            span: (span.start, span.len()).into(),
        }
    }
}

/// The line, from 1, of a byte offset.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

/// The item of `known` that was most likely meant.
pub(crate) fn nearest<'a>(word: &str, known: &'a [String]) -> Option<&'a str> {
    known
        .iter()
        .map(|item| (strsim::normalized_damerau_levenshtein(word, item), item.as_str()))
        .filter(|(likeness, _)| *likeness >= 0.5)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, item)| item)
}

impl Fault {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::NoSuchRecipe { name, known, .. } => suggest(name, known, "Recipes"),
            Self::UnknownKey { key, known } => suggest(key, known, "Keys here"),
            Self::Missing { name, path, known, .. } => {
                let create = path.display();
                format!("{} Or create {create}.", suggest(name, known, "There are"))
            }
            Self::NoSuchRepository { name, known, .. } => {
                let words = suggest(name, known, "There are");
                format!("{words} Or describe it there: [{name}] with url, suites, key …")
            }
            Self::NothingToRemove { name, list, known } => match nearest(name, known) {
                Some(meant) => format!("Did you mean `{meant}`?"),
                None if list == "packages" => "Delete it from `remove.packages`: a package that \
                         only comes as a dependency of another cannot be left out."
                    .to_owned(),
                None => format!("Delete it from `remove.{list}`."),
            },
            Self::Circle { .. } => "Remove one of these `extends`.".to_owned(),
            Self::Lock { .. } | Self::OldLock { .. } => {
                "Make it anew with `ashlar lock`.".to_owned()
            }
            Self::Io { .. } | Self::Syntax { .. } | Self::WrongValue { .. } => return None,
        })
    }

    fn label(&self) -> &'static str {
        match self {
            Self::UnknownKey { .. } => "not a key of a recipe",
            Self::Circle { .. } => "closes the circle",
            Self::Missing { .. } | Self::NoSuchRecipe { .. } | Self::NoSuchRepository { .. } => {
                "named here"
            }
            Self::Syntax { .. }
            | Self::WrongValue { .. }
            | Self::NothingToRemove { .. }
            | Self::Lock { .. }
            | Self::OldLock { .. }
            | Self::Io { .. } => "here",
        }
    }
}

fn suggest(word: &str, known: &[String], what: &str) -> String {
    match nearest(word, known) {
        Some(meant) => format!("Did you mean `{meant}`?"),
        None if known.is_empty() => format!("{what}: none."),
        None => format!("{what}: {}.", known.join(", ")),
    }
}

impl Diagnostic for RecipeError {
    fn help<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        self.fault.help().map(|help| Box::new(help) as Box<dyn Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.at.as_ref().map(|place| &place.text as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.at.as_ref()?;
        let label = LabeledSpan::new_with_span(Some(self.fault.label().to_owned()), place.span);
        Some(Box::new(std::iter::once(label)))
    }
}

struct Where<'a>(Option<&'a Place>);

impl Display for Where<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(place) => write!(f, "{}:{}: ", place.file.display(), place.line),
            None => Ok(()),
        }
    }
}

struct Chain<'a>(&'a [(String, PathBuf, usize)]);

impl Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, file, line) in self.0 {
            write!(f, "{name} ({}:{line}) → ", file.display())?;
        }
        f.write_str(self.0.first().map_or("itself", |(name, ..)| name))
    }
}
