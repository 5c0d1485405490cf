//! The lock file, `recipes/<name>.lock`: exactly which packages an image holds.

use crate::RecipeError;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A lock file, version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Lock {
    /// Format version: 1.
    pub version: u32,
    /// Hash of what the recipe asks apt for: [`Lock::inputs_of`].
    pub inputs: String,
    /// The archives, in sources.list form without options.
    pub suites: Vec<String>,
    /// Every package, sorted by name and architecture.
    #[serde(default, rename = "package")]
    pub packages: Vec<LockedPackage>,
}

/// One exact package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedPackage {
    /// Binary package name.
    pub name: String,
    /// Debian architecture: `amd64` or `all`.
    pub architecture: String,
    /// Debian version.
    pub version: String,
    /// Path below the archive's root (`pool/main/…`).
    pub filename: String,
    /// Bytes of the `.deb`.
    pub size: u64,
    /// SHA-256 of the `.deb`, lower-case hex.
    pub sha256: String,
}

impl Lock {
    /// Reads a lock file.
    ///
    /// # Errors
    /// When it cannot be read or is no lock file.
    pub fn load(path: &Path) -> Result<Self, RecipeError> {
        let _ = path;
        Err(RecipeError::Unfinished)
    }

    /// Writes it, sorted, at once or not at all.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn save(&self, path: &Path) -> Result<(), RecipeError> {
        let _ = path;
        Err(RecipeError::Unfinished)
    }
}

/// What differs between two locks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LockDiff {
    /// Packages that only the new lock has.
    pub added: Vec<LockedPackage>,
    /// Packages that only the old lock has.
    pub removed: Vec<LockedPackage>,
    /// Packages in both whose version or contents differ.
    pub moved: Vec<Moved>,
}

/// A package that moved from one version to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Moved {
    /// As the old lock has it.
    pub from: LockedPackage,
    /// As the new lock has it.
    pub to: LockedPackage,
}
