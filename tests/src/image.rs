//! The images that tiers share.

use crate::command::{Ashlar, workspace};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A finished build.
#[derive(Clone, Debug)]
pub struct Built {
    directory: PathBuf,
    result: Value,
}

impl Built {
    /// The retail image of the committed lock: what the tier `build` has left,
    /// if it says so; else built, or found in the cache.
    ///
    /// # Errors
    /// When it cannot be built.
    pub fn retail() -> Result<&'static Self> {
        static RETAIL: OnceLock<Built> = OnceLock::new();
        Self::once(&RETAIL, "retail", "ASHLAR_BUILT")
    }

    /// The same of the smallest image for real machines, and of the tier `metal`.
    ///
    /// # Errors
    /// When it cannot be built.
    pub fn metal() -> Result<&'static Self> {
        static METAL: OnceLock<Built> = OnceLock::new();
        Self::once(&METAL, "minimal-metal", "ASHLAR_BUILT_METAL")
    }

    fn once(kept: &'static OnceLock<Self>, profile: &str, variable: &str) -> Result<&'static Self> {
        if let Some(built) = kept.get() {
            return Ok(built);
        }
        // Tiers run side by side, and the builder lets one in at a time.
        let built = if let Some(left) = std::env::var_os(variable) {
            let directory = workspace().join(left);
            let directory = directory
                .canonicalize()
                .with_context(|| format!("no image in {}", directory.display()))?;
            Self::at(directory)
        } else {
            let words = ["build", "--profile", profile, "--locked", "--json"];
            Self::from_json(Ashlar::new(words)?.succeeds()?.json()?)?
        };
        Ok(kept.get_or_init(|| built))
    }

    /// From what `ashlar build --json` says.
    ///
    /// # Errors
    /// When it does not name its directory.
    pub fn from_json(result: Value) -> Result<Self> {
        let directory = result["directory"].as_str().context("`directory` in the build's JSON")?;
        Ok(Self { directory: directory.into(), result })
    }

    /// What a build left in this directory.
    #[must_use]
    pub const fn at(directory: PathBuf) -> Self {
        Self { directory, result: Value::Null }
    }

    /// Every artefact with its checksum.
    ///
    /// # Errors
    /// When they are not written down there.
    pub fn sums(&self) -> Result<BTreeMap<String, String>> {
        let path = self.directory.join("SHA256SUMS");
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let lines = text.lines().map(|line| line.split_once("  ").context("a checksum line"));
        lines.map(|line| line.map(|(sum, name)| (name.to_owned(), sum.to_owned()))).collect()
    }

    /// It has the same artefacts as another one, byte for byte.
    ///
    /// # Errors
    /// With those that differ.
    pub fn is_the_same_as(&self, other: &Self) -> Result<()> {
        let (own, theirs) = (self.sums()?, other.sums()?);
        let differ = |(name, sum): &(&String, &String)| theirs.get(*name) != Some(*sum);
        let differing: Vec<_> = own.iter().filter(differ).map(|(name, _)| name).collect();
        ensure!(
            differing.is_empty() && own.len() == theirs.len(),
            "{} has {differing:?}, and {} has {:?}",
            self.directory.display(),
            other.directory.display(),
            theirs.keys()
        );
        Ok(())
    }

    /// Where the artefacts are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The build's own words; null for what the tier `build` has left.
    #[must_use]
    pub const fn result(&self) -> &Value {
        &self.result
    }

    /// The raw disk image.
    ///
    /// # Errors
    /// When it is not there.
    pub fn disk(&self) -> Result<PathBuf> {
        self.one(|name| name.ends_with(".raw"))
    }

    /// The root file system by itself.
    ///
    /// # Errors
    /// When it is not there.
    pub fn root(&self) -> Result<PathBuf> {
        self.one(|name| name.ends_with(".root.erofs") || name.ends_with("root.erofs"))
    }

    /// The one artefact whose file name fits.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn one(&self, fits: impl Fn(&str) -> bool) -> Result<PathBuf> {
        let mut found = self.files()?;
        found.retain(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(&fits));
        match found.as_slice() {
            [path] => Ok(path.clone()),
            others => bail!("expected one file, found {others:?} in {}", self.directory.display()),
        }
    }

    /// Every artefact, sorted by name.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn files(&self) -> Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(&self.directory)
            .with_context(|| self.directory.display().to_string())?;
        let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>>>()?;
        files.sort();
        Ok(files)
    }
}
