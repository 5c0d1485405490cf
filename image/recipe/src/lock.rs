//! The lock file, `recipes/<name>.lock`: exactly which packages an image holds,
//! and where each was found. `recipes/tools.lock` is one too, of the packages
//! that make images.

use crate::archives::Archive;
use crate::compose::Composed;
use crate::error::{Fault, RecipeError};
use ashlar_site::whole_file::{Existing, write_whole};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// A lock file, version 2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Lock {
    /// Format version: [`Lock::VERSION`].
    pub version: u32,
    /// Hash of what apt was asked for: [`Wanted::digest`].
    pub inputs: String,
    /// The suites that packages were found in.
    #[serde(default, rename = "archive")]
    pub archives: Vec<LockedArchive>,
    /// Every package, sorted by name and architecture.
    #[serde(default, rename = "package")]
    pub packages: Vec<LockedPackage>,
}

/// A suite of an archive, as it was on the day of the lock.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedArchive {
    /// The archive's name: `debian`, or one of `archives.toml`.
    pub name: String,
    /// Its suite.
    pub suite: String,
    /// Its root.
    pub url: String,
    /// The components that were looked into.
    pub components: Vec<String>,
    /// The date of its `Release` file, in RFC 3339.
    pub date: String,
    /// Fingerprints of the trusted keys that signed it.
    pub keys: Vec<String>,
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
    /// The source package that it was built from.
    pub source: String,
    /// The source package's version.
    pub source_version: String,
    /// The archive that it was found in. A file of one's own was found in none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<String>,
    /// Its suite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suite: Option<String>,
    /// Its component; a flat repository has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// Path below the archive's root (`pool/main/…`), or, of a file of one's
    /// own, below the folder of the recipes.
    pub filename: String,
    /// Bytes of the `.deb`.
    pub size: u64,
    /// SHA-256 of the `.deb`, lower-case hex.
    pub sha256: String,
}

/// What apt is asked for when a lock is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Packages by name, sorted.
    pub packages: Vec<String>,
    /// Files of one's own, by path below the folder of the recipes.
    pub debs: Vec<String>,
    /// Where packages may come from.
    pub archives: Vec<Archive>,
}

impl Composed {
    /// What apt is asked for.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        Wanted {
            packages: self.packages(),
            debs: self.recipe.debs.clone(),
            archives: self.archives.clone(),
        }
    }
}

impl Wanted {
    /// Hash over all that decides which packages apt chooses: a lock with
    /// another one is out of date. A mirror decides nothing.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let mut put = |kind: &str, word: &str| hash.update(format!("{kind} {word}\n"));
        for package in &self.packages {
            put("package", package);
        }
        for deb in &self.debs {
            put("deb", deb);
        }
        for archive in &self.archives {
            put("archive", &archive.name);
            for suite in &archive.suites {
                put("suite", suite);
            }
            for component in &archive.components {
                put("component", component);
            }
            if let Some(key) = &archive.key {
                put("key", &key.fingerprint);
            }
            if let Some(pin) = archive.pin {
                put("pin", &pin.to_string());
            }
        }
        hex::encode(hash.finalize())
    }
}

const HEADER: &str = "\
# Made by `ashlar lock`. It belongs in git: it says which packages an image holds.
";

impl Lock {
    /// The version that this program reads and writes. Version 1 did not say
    /// where a package came from.
    pub const VERSION: u32 = 2;

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
        /// Only the version, so that another one is not called broken.
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let source: Arc<str> = text.into();
        let fault = |fault, span: Option<std::ops::Range<usize>>| {
            RecipeError::at(fault, path, &source, &span.unwrap_or(0..0))
        };
        let refused = |reason: String, span| fault(Fault::Lock { reason }, span);
        let version = toml::from_str::<Version>(text).map_err(|error| {
            refused(format!("this is no lock file: {}", error.message()), error.span())
        })?;
        let (found, known) = (version.version, Self::VERSION);
        if found < known {
            return Err(fault(Fault::OldLock { version: found, known }, None));
        }
        if found > known {
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
        let homeless = |package: &&LockedPackage| {
            package.archive.is_some() && lock.archive_of(package).is_none()
        };
        if let Some(package) = lock.packages.iter().find(homeless) {
            let name = &package.name;
            return Err(refused(format!("package `{name}`: its archive is not listed"), None));
        }
        if lock.by_name().len() != lock.packages.len() {
            return Err(refused("a package is listed twice".into(), None));
        }
        Ok(lock)
    }

    /// The text of the file, sorted.
    ///
    /// # Errors
    /// Never, as far as TOML can write any text.
    pub fn to_text(&self) -> Result<String, RecipeError> {
        let mut sorted = self.clone();
        sorted.packages.sort();
        toml::to_string(&sorted)
            .map(|text| format!("{HEADER}{text}"))
            .map_err(|error| RecipeError::new(Fault::Lock { reason: error.to_string() }))
    }

    /// Writes it, sorted, at once or not at all.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn save(&self, path: &Path) -> Result<(), RecipeError> {
        write_whole(path, self.to_text()?.as_bytes(), true, Existing::Replace)
            .map_err(|error| RecipeError::write(path, error))
    }

    /// The suite that a package was found in.
    #[must_use]
    pub fn archive_of(&self, package: &LockedPackage) -> Option<&LockedArchive> {
        let (name, suite) = (package.archive.as_ref()?, package.suite.as_ref()?);
        self.archives.iter().find(|archive| archive.name == *name && archive.suite == *suite)
    }

    /// A package keeps its name when its architecture changes between `all` and
    /// `amd64`; an image holds one architecture of each only.
    pub(crate) fn by_name(&self) -> BTreeMap<&str, &LockedPackage> {
        self.packages.iter().map(|package| (package.name.as_str(), package)).collect()
    }
}

impl LockedPackage {
    /// The name of its file among other packages, where nothing else tells them
    /// apart: `util-linux_2.41-5_amd64.deb`. An epoch's colon is `%3a`, as apt
    /// writes it.
    #[must_use]
    pub fn file_name(&self) -> String {
        let version = self.version.replace(':', "%3a");
        format!("{}_{version}_{}.deb", self.name, self.architecture)
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
            source: name.into(),
            source_version: version.into(),
            archive: Some("debian".into()),
            suite: Some("trixie".into()),
            component: Some("main".into()),
            filename: format!("pool/main/{name}_{version}_amd64.deb"),
            size: 7,
            sha256: hex::encode(Sha256::digest(format!("{name} {version}"))),
        }
    }

    fn lock(packages: &[(&str, &str)]) -> Lock {
        Lock {
            version: Lock::VERSION,
            inputs: "0".repeat(64),
            archives: vec![LockedArchive {
                name: "debian".into(),
                suite: "trixie".into(),
                url: "http://deb.debian.org/debian".into(),
                components: vec!["main".into()],
                date: "2026-01-01T00:00:00Z".into(),
                keys: vec!["F".repeat(40)],
            }],
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
            "a.lock:1: lock file version 9; this program knows version 2"
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

    #[test]
    fn a_lock_of_version_2_is_read_as_it_was_written() {
        let text = include_str!("../tests/golden/version-2.lock");
        let read = Lock::parse(text, Path::new("version-2.lock")).unwrap();
        assert_eq!(read.to_text().unwrap(), text);
        let serf = read.packages.iter().find(|package| package.name == "serf").unwrap();
        assert_eq!(read.archive_of(serf).unwrap().date, "2026-01-10T08:17:31Z");
        assert_eq!(serf.file_name(), "serf_1%3a0.10.1-2_amd64.deb");
        let own = read.packages.iter().find(|package| package.name == "label-printer").unwrap();
        assert_eq!(read.archive_of(own), None);
    }

    #[test]
    fn a_lock_of_version_1_is_refused_with_the_command_that_makes_it_anew() {
        let text = include_str!("../tests/golden/version-1.lock");
        let error = Lock::parse(text, Path::new("version-1.lock")).unwrap_err();
        assert!(matches!(error.fault, Fault::OldLock { version: 1, known: 2 }));
        let help = miette::Diagnostic::help(&error).unwrap().to_string();
        assert!(help.contains("`ashlar lock`"), "{help}");
    }

    #[test]
    fn a_package_from_an_archive_that_the_lock_does_not_list_is_refused() {
        let mut bad = lock(&[("bash", "2")]);
        bad.archives.clear();
        let text = bad.to_text().unwrap();
        let error = Lock::parse(&text, Path::new("x.lock")).unwrap_err();
        assert!(error.to_string().contains("`bash`: its archive is not listed"), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text: String) {
            let _ = Lock::parse(&text, Path::new("x.lock"));
        }
    }
}
