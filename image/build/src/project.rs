//! Where a project keeps its things.

use miette::Diagnostic;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// A directory with `recipes/`, and the places around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    root: PathBuf,
}

/// Why there is no project.
#[derive(Debug, Error, Diagnostic)]
pub enum ProjectError {
    /// `--project` names something else.
    #[error("{path} has no recipes/ directory")]
    #[diagnostic(help("give --project the directory that contains recipes/"))]
    NotAProject { path: PathBuf },
    /// No parent has `recipes/`.
    #[error("no recipes/ directory in {start} or any parent of it")]
    #[diagnostic(help("change to your project, or name it with --project DIR"))]
    NoneAbove { start: PathBuf },
    /// The current directory is gone.
    #[error("the current directory cannot be read")]
    NoCurrentDirectory(#[source] std::io::Error),
}

impl Project {
    /// `named`, or the nearest parent of the current directory with `recipes/`.
    pub fn find(named: Option<&Path>) -> Result<Self, ProjectError> {
        match named {
            Some(path) if path.join("recipes").is_dir() => {
                let root = std::path::absolute(path).map_err(ProjectError::NoCurrentDirectory)?;
                Ok(Self { root })
            }
            Some(path) => Err(ProjectError::NotAProject { path: path.to_owned() }),
            None => {
                let start = std::env::current_dir().map_err(ProjectError::NoCurrentDirectory)?;
                Self::above(&start)
            }
        }
    }

    fn above(start: &Path) -> Result<Self, ProjectError> {
        start
            .ancestors()
            .find(|directory| directory.join("recipes").is_dir())
            .map(|root| Self { root: root.to_owned() })
            .ok_or_else(|| ProjectError::NoneAbove { start: start.to_owned() })
    }

    /// The project's own directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `recipes/`: profiles and their lock files.
    pub fn recipes(&self) -> PathBuf {
        self.root.join("recipes")
    }

    /// `overlays/`: file trees that recipes lay over the root.
    pub fn overlays(&self) -> PathBuf {
        self.root.join("overlays")
    }

    /// `keys/`: sites; secret.
    pub fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// `out/<profile>/<version>/`: finished images.
    pub fn out(&self) -> PathBuf {
        self.root.join("out")
    }
}

#[cfg(test)]
mod tests {
    use super::Project;

    #[test]
    fn the_nearest_parent_with_recipes_is_the_project() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b");
        std::fs::create_dir_all(&deep).unwrap();
        assert!(
            Project::above(&deep).is_err()
                || dir.path().ancestors().any(|d| d.join("recipes").is_dir())
        );
        std::fs::create_dir(dir.path().join("recipes")).unwrap();
        assert_eq!(Project::above(&deep).unwrap().root(), dir.path());
    }

    #[test]
    fn a_directory_without_recipes_is_refused_with_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let error = Project::find(Some(dir.path())).unwrap_err();
        assert!(error.to_string().contains(dir.path().to_str().unwrap()));
    }
}
