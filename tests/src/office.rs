//! Where a site is made and its passes: a folder of keys, and what is typed there.

use crate::command::{Ashlar, Ran};
use anyhow::Result;
use ashlar_site::Site;
use std::path::PathBuf;
use tempfile::TempDir;

/// The place of one site.
#[derive(Debug)]
pub struct Office {
    project: TempDir,
    site: String,
}

impl Office {
    /// Makes a site by what a person types: `ashlar site new SITE` and further words.
    ///
    /// # Errors
    /// When the command fails.
    pub fn found(site: &str, words: &[&str]) -> Result<Self> {
        let project = tempfile::tempdir()?;
        // By this folder `ashlar` knows a project.
        std::fs::create_dir(project.path().join("recipes"))?;
        let office = Self { project, site: site.to_owned() };
        office.types(&[&["new", site], words].concat())?;
        Ok(office)
    }

    /// `ashlar site WORDS…`, which must succeed.
    ///
    /// # Errors
    /// With its output when it fails.
    pub fn types(&self, words: &[&str]) -> Result<Ran> {
        Ashlar::new(["site"])?.args(words).project(self.project.path()).succeeds()
    }

    /// Makes a pass for a person, and says where it is.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn pass(&self, person: &str, words: &[&str]) -> Result<PathBuf> {
        self.types(&[&["admin", &self.site, person], words].concat())?;
        Ok(self.key(&format!("admins/{person}.toml")))
    }

    /// Takes a person's passes back, and says where the list is.
    ///
    /// # Errors
    /// When there are none.
    pub fn take_back(&self, person: &str) -> Result<PathBuf> {
        self.types(&["admin", "revoke", &self.site, person])?;
        Ok(self.key("revoked.pem"))
    }

    /// The site as it stands in its file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn site(&self) -> Result<Site> {
        Ok(Site::load(&self.key("site.toml"))?)
    }

    fn key(&self, name: &str) -> PathBuf {
        self.project.path().join("keys").join(&self.site).join(name)
    }
}
