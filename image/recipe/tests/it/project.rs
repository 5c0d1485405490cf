//! A project in a temporary folder.

use ashlar_recipe::{Composed, Fault, RecipeError, compose};
use std::path::PathBuf;

/// Files, and nothing else.
pub(crate) struct Project(tempfile::TempDir);

impl Project {
    /// An empty project.
    pub(crate) fn new() -> Self {
        let project = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(project.recipes()).unwrap();
        project
    }

    /// `recipes/`.
    pub(crate) fn recipes(&self) -> PathBuf {
        self.0.path().join("recipes")
    }

    /// Adds a file.
    pub(crate) fn file(self, path: &str, text: &str) -> Self {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// Adds `recipes/<name>.toml`.
    pub(crate) fn recipe(self, name: &str, text: &str) -> Self {
        self.file(&format!("recipes/{name}.toml"), text)
    }

    /// Composes, which must work.
    pub(crate) fn composed(&self, name: &str) -> Composed {
        match compose(&self.recipes(), name) {
            Ok(composed) => composed,
            Err(error) => panic!("{error}"),
        }
    }

    /// Composes, which must fail. The error's words, its help, and the text
    /// that it points at, with the temporary folder's name cut out.
    pub(crate) fn refusal(&self, name: &str) -> Refusal {
        let error = compose(&self.recipes(), name).unwrap_err();
        let root = format!("{}/", self.0.path().display());
        let diagnostic: &dyn miette::Diagnostic = &error;
        let pointed = diagnostic.labels().and_then(|mut labels| labels.next()).map(|label| {
            let source = diagnostic.source_code().unwrap();
            let seen = source.read_span(label.inner(), 0, 0).unwrap();
            String::from_utf8_lossy(seen.data()).into_owned()
        });
        let words = error.to_string().replace(&root, "");
        let help = diagnostic.help().map(|help| help.to_string().replace(&root, ""));
        let RecipeError { fault, .. } = error;
        Refusal { words, help: help.unwrap_or_default(), pointed, fault }
    }
}

/// Why a recipe was refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The message.
    pub(crate) words: String,
    /// The help, or nothing.
    pub(crate) help: String,
    /// What the label covers.
    pub(crate) pointed: Option<String>,
    /// The fault itself.
    pub(crate) fault: Fault,
}
