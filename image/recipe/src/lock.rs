//! The lock file, `recipes/<name>.lock`: exactly which packages an image holds.

use crate::compose::Composed;
use crate::error::{Fault, RecipeError};
use ashlar_site::whole_file::{Existing, write_whole};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// A lock file, version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Lock {
    /// Format version: [`Lock::VERSION`].
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

const HEADER: &str = "\
# Made by `ashlar lock`. It belongs in git: two builds of it are the same image.
";

impl Lock {
    /// The version that this program reads and writes.
    pub const VERSION: u32 = 1;

    /// Hash over all that decides which packages apt chooses: a lock with
    /// another one is out of date.
    #[must_use]
    pub fn inputs_of(composed: &Composed, suites: &[String]) -> String {
        let mut hash = Sha256::new();
        let packages = composed.packages();
        for (kind, words) in [("package", &packages), ("suite", &suites.to_vec())] {
            for word in words {
                hash.update(format!("{kind} {word}\n"));
            }
        }
        for component in composed.components() {
            hash.update(format!("component {component}\n"));
        }
        hex::encode(hash.finalize())
    }

    /// Reads a lock file.
    ///
    /// # Errors
    /// When it cannot be read or is no lock file.
    pub fn load(path: &Path) -> Result<Self, RecipeError> {
        let text = std::fs::read_to_string(path).map_err(|error| RecipeError::read(path, error))?;
        Self::parse(&text, path)
    }

    /// Reads the text of a lock file; `path` is for errors.
    ///
    /// # Errors
    /// When it is no lock file.
    pub fn parse(text: &str, path: &Path) -> Result<Self, RecipeError> {
        /// Only the version, so that a newer file is not called broken.
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let source: Arc<str> = text.into();
        let refused = |reason: String, span: Option<std::ops::Range<usize>>| {
            RecipeError::at(Fault::Lock { reason }, path, &source, &span.unwrap_or(0..0))
        };
        let version = toml::from_str::<Version>(text).map_err(|error| {
            refused(format!("this is no lock file: {}", error.message()), error.span())
        })?;
        if version.version != Self::VERSION {
            let (found, known) = (version.version, Self::VERSION);
            let reason = format!("lock file version {found}; this program knows version {known}");
            return Err(refused(reason, None));
        }
        let lock: Self = toml::from_str(text).map_err(|error| {
            refused(format!("this is no lock file: {}", error.message()), error.span())
        })?;
        let hashed = |package: &&LockedPackage| {
            package.sha256.len() != 64 || !package.sha256.chars().all(|c| c.is_ascii_hexdigit())
        };
        if let Some(package) = lock.packages.iter().find(hashed) {
            let name = &package.name;
            return Err(refused(format!("package `{name}`: its `sha256` is none"), None));
        }
        if lock.by_name().len() != lock.packages.len() {
            return Err(refused("a package is listed twice".into(), None));
        }
        Ok(lock)
    }

    /// Writes it, sorted, at once or not at all.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn save(&self, path: &Path) -> Result<(), RecipeError> {
        let mut sorted = self.clone();
        sorted.packages.sort();
        let text = toml::to_string(&sorted)
            .map_err(|error| RecipeError::new(Fault::Lock { reason: error.to_string() }))?;
        write_whole(path, format!("{HEADER}{text}").as_bytes(), true, Existing::Replace)
            .map_err(|error| RecipeError::write(path, error))
    }

    /// What `new` has that this one has not, and the reverse.
    #[must_use]
    pub fn diff(&self, new: &Self) -> LockDiff {
        let (old, new) = (self.by_name(), new.by_name());
        let mut diff = LockDiff::default();
        for (key, package) in &new {
            match old.get(key) {
                None => diff.added.push((*package).clone()),
                Some(from) if from != package => {
                    diff.moved.push(Moved { from: (*from).clone(), to: (*package).clone() })
                }
                Some(_) => {}
            }
        }
        let gone = old.iter().filter(|(key, _)| !new.contains_key(*key));
        diff.removed.extend(gone.map(|(_, package)| (*package).clone()));
        diff
    }

    /// A package keeps its name when its architecture changes between `all` and
    /// `amd64`; an image holds one architecture of each only.
    fn by_name(&self) -> BTreeMap<&str, &LockedPackage> {
        self.packages.iter().map(|package| (package.name.as_str(), package)).collect()
    }
}

/// What differs between two locks, each list sorted by name.
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

impl LockDiff {
    /// Whether the two locks hold the same packages.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.moved.is_empty()
    }
}

/// One line a package: `~ serf 0.10.1 → 0.10.2`, `+ new 1`, `- gone 2`.
impl std::fmt::Display for LockDiff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut lines: Vec<String> = Vec::new();
        for Moved { from, to } in &self.moved {
            let (name, old, new) = (&from.name, &from.version, &to.version);
            lines.push(if old == new {
                format!("~ {name} {old}: same version, other contents")
            } else {
                format!("~ {name} {old} → {new}")
            });
        }
        lines.extend(self.added.iter().map(|new| format!("+ {} {}", new.name, new.version)));
        lines.extend(self.removed.iter().map(|old| format!("- {} {}", old.name, old.version)));
        f.write_str(&lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str) -> LockedPackage {
        LockedPackage {
            name: name.into(),
            architecture: "amd64".into(),
            version: version.into(),
            filename: format!("pool/main/{name}_{version}_amd64.deb"),
            size: 7,
            sha256: hex::encode(Sha256::digest(format!("{name} {version}"))),
        }
    }

    fn lock(packages: &[(&str, &str)]) -> Lock {
        Lock {
            version: Lock::VERSION,
            inputs: "0".repeat(64),
            suites: vec!["deb http://deb.debian.org/debian trixie main".into()],
            packages: packages.iter().map(|(name, version)| package(name, version)).collect(),
        }
    }

    #[test]
    fn a_saved_lock_is_read_back_sorted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("retail.lock");
        lock(&[("serf", "1"), ("bash", "2")]).save(&path).unwrap();
        assert_eq!(Lock::load(&path).unwrap(), lock(&[("bash", "2"), ("serf", "1")]));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_diff_names_what_came_went_and_moved() {
        let mut new = lock(&[("bash", "2"), ("serf", "1.1"), ("xfsprogs", "6")]);
        let diff = lock(&[("bash", "2"), ("serf", "1"), ("nano", "8")]).diff(&new);
        assert_eq!(diff.to_string(), "~ serf 1 → 1.1\n+ xfsprogs 6\n- nano 8");
        assert!(new.diff(&new).is_empty());
        let old = new.clone();
        new.packages[0].sha256 = "f".repeat(64);
        assert_eq!(old.diff(&new).to_string(), "~ bash 2: same version, other contents");
    }

    #[test]
    fn a_lock_of_a_newer_program_is_not_called_broken() {
        let error = Lock::parse("version = 9\nnovelty = 1\n", Path::new("a.lock")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a.lock:1: lock file version 9; this program knows version 1"
        );
    }

    #[test]
    fn a_lock_with_a_package_twice_or_without_a_hash_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.lock");
        lock(&[("bash", "2"), ("bash", "3")]).save(&path).unwrap();
        assert!(Lock::load(&path).unwrap_err().to_string().contains("listed twice"));
        let mut bad = lock(&[("bash", "2")]);
        bad.packages[0].sha256 = "no".into();
        bad.save(&path).unwrap();
        assert!(Lock::load(&path).unwrap_err().to_string().contains("`bash`"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text: String) {
            let _ = Lock::parse(&text, Path::new("x.lock"));
        }
    }
}
