//! The pass: found by the site's name, or named by its file.

use anyhow::{Context, Result, bail};
use ashlar_pki::people::Pass;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Loads the pass for a site, or the one in this file.
pub(super) fn load(site: &str) -> Result<Pass> {
    let path = if site.contains('/') || site.ends_with(".toml") {
        PathBuf::from(site)
    } else {
        find(site)?
    };
    let shown = path.display();
    let text = std::fs::read_to_string(&path).map(Zeroizing::new);
    let text = text.with_context(|| format!("cannot read the pass {shown}"))?;
    let mode = std::fs::metadata(&path)?.permissions().mode();
    if mode & 0o077 != 0 {
        bail!("{shown} is readable by others, and whoever has it is let in: chmod 600 {shown}");
    }
    // Not the parser's own words: they quote what they cannot read, the key perhaps.
    let pass: Pass = toml::from_str(&text).map_err(|error| {
        anyhow::anyhow!("{shown} is no pass: {}; make it anew", error.message())
    })?;
    Ok(pass)
}

/// `~/.config/ashlar/SITE.toml`, or the only one in `keys/SITE/admins/` of the project
/// that this is run in.
fn find(site: &str) -> Result<PathBuf> {
    let own = own(site);
    if let Some(path) = own.as_ref().filter(|path| path.is_file()) {
        return Ok(path.clone());
    }
    let here = std::env::current_dir()?;
    let folders = here.ancestors().map(|dir| dir.join("keys").join(site).join("admins"));
    let passes = folders.map(|folder| passes(&folder)).find(|passes| !passes.is_empty());
    let mut passes = passes.unwrap_or_default();
    match (passes.len(), passes.pop()) {
        (1, Some(path)) => Ok(path),
        (0, _) | (_, None) => {
            let own = own.map(|path| path.display().to_string()).unwrap_or_default();
            bail!(
                "there is no pass for site {site}: neither {own} nor keys/{site}/admins/ here; \
                 `ashlar site admin {site} NAME` makes one where the site is"
            )
        }
        (_, Some(path)) => bail!(
            "there are several passes for site {site}: name one, such as --site {}",
            path.display()
        ),
    }
}

fn own(site: &str) -> Option<PathBuf> {
    let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
    let config = config.filter(|dir| dir.is_absolute()).or(home)?;
    Some(config.join("ashlar").join(format!("{site}.toml")))
}

fn passes(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries.map(|entry| entry.path());
    let mut passes: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    passes.sort();
    passes
}
