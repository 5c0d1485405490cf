//! Finds the files that a recipe names.

use crate::archives::{self, Archive, Archives};
use crate::error::{Fault, RecipeError};
use crate::modules::{ModulePattern, read_set};
use crate::origin::{Origin, item_key};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A stack and its file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct StackFile {
    /// Its name on the Swarm: the file name without extension.
    pub name: String,
    /// The Compose file.
    pub path: PathBuf,
}

/// Finds the files that a recipe names, and the place of a name for an error.
pub(crate) struct Finder<'a> {
    pub(crate) dir: &'a Path,
    pub(crate) origins: &'a BTreeMap<String, Origin>,
    pub(crate) texts: BTreeMap<&'a Path, &'a Arc<str>>,
}

impl Finder<'_> {
    /// An error at the place where `key` was written.
    pub(crate) fn error(&self, key: &str, fault: Fault) -> RecipeError {
        let place = self
            .origins
            .get(key)
            .and_then(|origin| Some((origin, self.texts.get(origin.file.as_path())?)));
        match place {
            Some((origin, text)) => RecipeError::at(fault, &origin.file, text, &origin.span),
            None => RecipeError::new(fault),
        }
    }

    fn missing(
        &self,
        list: &str,
        what: &'static str,
        name: &str,
        path: PathBuf,
        known: Vec<String>,
    ) -> RecipeError {
        let fault = Fault::Missing { what, name: name.to_owned(), path, known };
        self.error(&item_key(list, name), fault)
    }

    pub(crate) fn overlays(
        &self,
        key: &str,
        names: &[String],
    ) -> Result<Vec<PathBuf>, RecipeError> {
        let all = self.dir.parent().unwrap_or_else(|| Path::new("")).join("overlays");
        let mut found = Vec::new();
        for name in names {
            let path = all.join(name);
            if !path.is_dir() {
                let known = folders(&all).unwrap_or_default();
                return Err(self.missing(key, "overlay", name, path, known));
            }
            found.push(path);
        }
        Ok(found)
    }

    pub(crate) fn stacks(&self, written: &[String]) -> Result<Vec<StackFile>, RecipeError> {
        let folder = self.dir.join("stacks");
        let mut found: Vec<StackFile> = Vec::new();
        for word in written {
            let by_path = word.contains(['/', '.']);
            let path =
                if by_path { self.dir.join(word) } else { folder.join(format!("{word}.yml")) };
            if !path.is_file() {
                let known = stems(&folder, "yml").unwrap_or_default();
                return Err(self.missing("stacks", "stack", word, path, known));
            }
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let twice = found.iter().any(|other| other.name == name);
            if twice || !ashlar_site::is_name(&name) {
                let reason = if twice {
                    format!("two stacks would be called `{name}` on the Swarm; rename a file")
                } else {
                    format!(
                        "`{name}` cannot be a stack: write lower-case letters, digits and dashes"
                    )
                };
                let fault = Fault::WrongValue { key: "stacks".into(), reason };
                return Err(self.error(&item_key("stacks", word), fault));
            }
            found.push(StackFile { name, path });
        }
        Ok(found)
    }

    /// The local packages, by path below the folder of the recipes.
    pub(crate) fn debs(&self, written: &[String]) -> Result<(), RecipeError> {
        for word in written {
            let path = self.dir.join(word);
            if !path.is_file() {
                let known = stems(path.parent().unwrap_or(self.dir), "deb").unwrap_or_default();
                return Err(self.missing("debs", "package file", word, path, known));
            }
        }
        Ok(())
    }

    /// Debian's archives, and the repositories that the recipe names.
    pub(crate) fn archives(
        &self,
        components: &[&str],
        names: &[String],
    ) -> Result<Vec<Archive>, RecipeError> {
        let known = Archives::read(self.dir)?;
        let mut archives = known.debian(components)?;
        for name in names {
            let Some(archive) = known.repository(name)? else {
                let path = self.dir.join(archives::FILE);
                let fault = Fault::NoSuchRepository {
                    name: name.clone(),
                    path,
                    known: known.repositories(),
                };
                return Err(self.error(&item_key("repositories", name), fault));
            };
            archives.push(archive);
        }
        Ok(archives)
    }

    pub(crate) fn sets(
        &self,
        key: &str,
        names: &[String],
        sources: &mut Vec<PathBuf>,
    ) -> Result<Vec<ModulePattern>, RecipeError> {
        let folder = self.dir.join("hardware");
        let mut found = Vec::new();
        for name in names {
            let path = folder.join(format!("{name}.txt"));
            if !path.is_file() {
                let known = stems(&folder, "txt").unwrap_or_default();
                return Err(self.missing(key, "hardware set", name, path, known));
            }
            let text: Arc<str> = std::fs::read_to_string(&path)
                .map_err(|error| RecipeError::read(&path, error))?
                .into();
            let patterns = read_set(&text).map_err(|(error, span)| {
                let fault = Fault::WrongValue { key: name.clone(), reason: error.to_string() };
                RecipeError::at(fault, &path, &text, &span)
            })?;
            found.extend(patterns);
            if !sources.contains(&path) {
                sources.push(path);
            }
        }
        Ok(found)
    }

    pub(crate) fn patterns(&self, written: &[String]) -> Result<Vec<ModulePattern>, RecipeError> {
        let key = "hardware.modules";
        let pattern = |word: &String| {
            ModulePattern::new(word).map_err(|error| {
                let fault = Fault::WrongValue { key: key.into(), reason: error.to_string() };
                self.error(&item_key(key, word), fault)
            })
        };
        written.iter().map(pattern).collect()
    }
}

/// Names of the files in a folder with an extension, sorted.
pub(crate) fn stems(folder: &Path, extension: &str) -> std::io::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == extension) && path.is_file() {
            found.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    found.sort();
    Ok(found)
}

fn folders(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.path().is_dir() {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    found.sort();
    Ok(found)
}
