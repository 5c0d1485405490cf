//! Secrets for test clusters.

use anyhow::{Context, Result};
use ashlar_recipe::{RingKey, Site};
use std::io::Read;
use std::path::{Path, PathBuf};

/// A site of this name with a fresh ring key.
///
/// # Errors
/// When the system gives no random numbers.
pub fn fresh(name: &str) -> Result<Site> {
    let mut key = [0; 32];
    std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut key))?;
    Ok(Site {
        version: 1,
        name: name.to_owned(),
        ring_key: RingKey::new(key),
        expect: None,
        ssh_keys: Vec::new(),
        network: ashlar_recipe::NetworkPlan::default(),
    })
}

/// Writes it as `site.toml` into `directory`.
///
/// # Errors
/// When it cannot be written.
pub fn write(site: &Site, directory: &Path) -> Result<PathBuf> {
    let path = directory.join("site.toml");
    let text = toml::to_string(site).context("the site as TOML")?;
    std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    Ok(path)
}
