//! Gathers what is in a root.

use super::{SbomBinary, SbomInput, SbomPackage, copyright, crates, cyclonedx};
use crate::digest;
use crate::error::{At, BuildError, Result};
use ashlar_recipe::Lock;
use ashlar_sandbox::EPOCH;
use std::collections::BTreeMap;
use std::path::Path;

/// Where dpkg's list may be in a root: a finished one keeps it in `/usr`.
const STATUS: [&str; 2] = ["var/lib/dpkg/status", "usr/lib/sysimage/dpkg/status"];

/// Gathers what a bill of materials says.
#[derive(Debug)]
pub struct Gather {
    input: SbomInput,
}

impl Gather {
    /// Of an image of this name and version.
    #[must_use]
    pub fn new(name: &str, version: &str) -> Self {
        let seconds = i64::try_from(EPOCH).unwrap_or(i64::MAX);
        let created = jiff::Timestamp::from_second(seconds);
        Self {
            input: SbomInput {
                name: name.to_owned(),
                version: version.to_owned(),
                created: created.unwrap_or(jiff::Timestamp::UNIX_EPOCH),
                packages: Vec::new(),
                binaries: Vec::new(),
                crates: Vec::new(),
            },
        }
    }

    /// The packages of a root, as dpkg has them there, with their licences.
    ///
    /// # Errors
    /// When the root cannot be read.
    pub fn root(&mut self, root: &Path) -> Result<()> {
        for status in STATUS.map(|path| root.join(path)) {
            if !status.is_file() {
                continue;
            }
            let text = std::fs::read_to_string(&status).at("read", &status)?;
            for stanza in text.split("\n\n") {
                let Some(mut package) = installed(stanza) else { continue };
                package.licence = licence(root, &package.name);
                self.input.packages.push(package);
            }
            return Ok(());
        }
        Ok(())
    }

    /// The hashes of the packages, from the lock that they were fetched by.
    pub fn hashes(&mut self, lock: &Lock) {
        let hashes: BTreeMap<_, _> = lock
            .packages
            .iter()
            .map(|package| ((&package.name, &package.architecture, &package.version), package))
            .collect();
        for package in &mut self.input.packages {
            let key = (&package.name, &package.arch, &package.version);
            package.sha256 = hashes.get(&key).map(|locked| locked.sha256.clone());
        }
    }

    /// A file that no package brought: ours, or an overlay's.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn file(&mut self, file: &Path, path: &str, ours: bool) -> Result<()> {
        self.input.binaries.push(SbomBinary {
            name: path.rsplit('/').next().unwrap_or(path).to_owned(),
            version: if ours { env!("CARGO_PKG_VERSION") } else { "" }.to_owned(),
            path: path.to_owned(),
            sha256: digest::file(file)?,
            licence: ours.then(|| env!("CARGO_PKG_LICENSE").to_owned()),
        });
        Ok(())
    }

    /// The files of an overlay.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn overlay(&mut self, overlay: &Path) -> Result<()> {
        for entry in walkdir::WalkDir::new(overlay).sort_by_file_name() {
            let entry = entry.map_err(std::io::Error::from).at("read", overlay)?;
            if entry.file_type().is_file() {
                let below = entry.path().strip_prefix(overlay).unwrap_or(entry.path());
                self.file(entry.path(), &format!("/{}", below.display()), false)?;
            }
        }
        Ok(())
    }

    /// What only the build knew: the packages' hashes and the crates of our programs,
    /// from the CycloneDX bill that it wrote. Nothing, if that is another image's.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn recorded(&mut self, bill: &Path) -> Result<bool> {
        let text = std::fs::read(bill).at("read", bill)?;
        let recorded = cyclonedx::read(&text).map_err(|error| BuildError::Unexpected {
            what: format!("{} is no bill of materials: {error}", bill.display()),
        })?;
        if (&recorded.name, &recorded.version) != (&self.input.name, &self.input.version) {
            return Ok(false);
        }
        for package in &mut self.input.packages {
            package.sha256 = recorded.hashes.get(&package.purl()).cloned();
        }
        self.input.crates.extend(recorded.crates);
        Ok(true)
    }

    /// The crates of compiled programs, by the list that lies beside them.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn listed_crates(&mut self, list: &Path) -> Result<()> {
        self.input.crates.extend(crates::read(list)?);
        Ok(())
    }

    /// All that was gathered.
    #[must_use]
    pub fn finish(mut self) -> SbomInput {
        // A later overlay's file lies over an earlier one's.
        let files: BTreeMap<String, SbomBinary> =
            self.input.binaries.drain(..).map(|file| (file.path.clone(), file)).collect();
        self.input.binaries = files.into_values().collect();
        self.input
    }
}

/// The licence of a package, by its copyright file. Some packages' folders are links
/// to others'; one that leads out of the root would be the host's.
fn licence(root: &Path, package: &str) -> Option<String> {
    let path = root.join("usr/share/doc").join(package).join("copyright");
    let real = path.canonicalize().ok()?;
    if !real.starts_with(root.canonicalize().ok()?) {
        return None;
    }
    copyright::expression(&String::from_utf8_lossy(&std::fs::read(real).ok()?))
}

/// A stanza of dpkg's list, if its package is installed.
fn installed(stanza: &str) -> Option<SbomPackage> {
    let field = |name: &str| {
        stanza
            .lines()
            .filter(|line| !line.starts_with([' ', '\t']))
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.trim().to_owned())
    };
    if !field("Status")?.ends_with(" installed") {
        return None;
    }
    Some(SbomPackage {
        name: field("Package")?,
        version: field("Version")?,
        arch: field("Architecture")?,
        distro: "trixie".into(),
        sha256: None,
        licence: None,
    })
}

#[cfg(test)]
mod tests {
    use super::Gather;

    #[test]
    fn a_bill_has_what_is_in_the_root_and_not_what_a_lock_wished() {
        let dir = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put(
            "root/var/lib/dpkg/status",
            "Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.2\n\n\
             Package: gone\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 1\n",
        );
        put("root/usr/share/doc/bash/copyright", "Format: x\n\nFiles: *\nLicense: GPL-3+\n");
        put("one/usr/lib/a", "first");
        put("two/usr/lib/a", "second");
        let mut gather = Gather::new("retail", "1");
        gather.root(&dir.path().join("root")).unwrap();
        gather.overlay(&dir.path().join("one")).unwrap();
        gather.overlay(&dir.path().join("two")).unwrap();
        let input = gather.finish();
        assert_eq!(input.packages.len(), 1);
        assert_eq!(input.packages[0].licence.as_deref(), Some("GPL-3.0-or-later"));
        assert_eq!(input.binaries.len(), 1, "what lies above counts");
        assert_eq!(input.binaries[0].sha256, crate::digest::text("second"));
    }
}
