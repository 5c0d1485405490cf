//! What must not be in any image: the secrets below a project's `keys/`.

use ashlar_inspect::lint::Secret;
use ashlar_site::Site;
use miette::{IntoDiagnostic, miette};
use std::path::Path;
use zeroize::Zeroizing;

/// Every secret below `keys/`; none if there is no such directory.
pub(super) fn below(keys: &Path) -> miette::Result<Vec<Secret>> {
    let mut secrets = Vec::new();
    if keys.is_dir() {
        read(keys, keys, &mut secrets)?;
    }
    Ok(secrets)
}

fn read(keys: &Path, directory: &Path, secrets: &mut Vec<Secret>) -> miette::Result<()> {
    for entry in std::fs::read_dir(directory).into_diagnostic()? {
        let entry = entry.into_diagnostic()?;
        let path = entry.path();
        if entry.file_type().into_diagnostic()?.is_dir() {
            read(keys, &path, secrets)?;
            continue;
        }
        let name = path.strip_prefix(keys).unwrap_or(&path).display().to_string();
        if path.file_name().is_some_and(|name| name == "site.toml") {
            let site = Site::load(&path).map_err(|error| {
                miette!(
                    help = "mend or remove it: a site that cannot be read cannot be searched for",
                    "{error}"
                )
            })?;
            let what = format!("the ring key of keys/{name}");
            secrets.extend(Secret::key(site.ring_key.as_bytes(), &what));
            continue;
        }
        let text = Zeroizing::new(std::fs::read(&path).into_diagnostic()?);
        secrets.extend(Secret::private_key(&text, &format!("the private key keys/{name}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::below;
    use ashlar_site::{Site, SiteOptions};

    #[test]
    fn every_site_and_every_private_key_is_searched_for() {
        let dir = tempfile::tempdir().unwrap();
        let keys = dir.path().join("keys");
        assert!(below(&keys).unwrap().is_empty());
        std::fs::create_dir_all(keys.join("shop")).unwrap();
        let site = Site::generate("shop", SiteOptions::default()).unwrap();
        site.create(&keys.join("shop/site.toml")).unwrap();
        std::fs::write(keys.join("README.md"), "no secret").unwrap();
        let sites = below(&keys).unwrap();
        assert!(sites.len() >= 5, "a key in five forms");
        assert!(format!("{sites:?}").contains("the ring key of keys/shop/site.toml"));
        let line = "A".repeat(64);
        let pem =
            format!("-----BEGIN PRIVATE KEY-----\n{line}\n{line}\n-----END PRIVATE KEY-----\n");
        std::fs::write(keys.join("signing.key"), pem).unwrap();
        let all = below(&keys).unwrap();
        assert!(all.len() > sites.len());
        assert!(format!("{all:?}").contains("the private key keys/signing.key"));
    }

    #[test]
    fn a_site_that_cannot_be_read_is_not_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("shop")).unwrap();
        std::fs::write(dir.path().join("shop/site.toml"), "nonsense").unwrap();
        assert!(below(dir.path()).is_err());
    }
}
