//! Secrets for test clusters.

use anyhow::Result;
use ashlar_site::{Site, SiteOptions};
use std::path::{Path, PathBuf};

/// A site of this name with a fresh ring key.
///
/// # Errors
/// When the system gives no random numbers.
pub fn fresh(name: &str) -> Result<Site> {
    Ok(Site::generate(name, SiteOptions::default())?)
}

/// The same, founding its cluster only once so many nodes are there.
///
/// # Errors
/// As [`fresh`].
pub fn expecting(nodes: u8, name: &str) -> Result<Site> {
    Ok(Site { expect: Some(nodes), ..fresh(name)? })
}

/// Writes it as `site.toml` into `directory`.
///
/// # Errors
/// When it cannot be written.
pub fn write(site: &Site, directory: &Path) -> Result<PathBuf> {
    let path = directory.join("site.toml");
    site.save(&path)?;
    Ok(path)
}
