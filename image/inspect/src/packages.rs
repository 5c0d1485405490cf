//! The packages in an image: from the manifest of its build, or, for an image by
//! itself, from dpkg's own list inside its root.

use crate::tree::Tree;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where dpkg's list may be in a root.
pub const DPKG_STATUS: [&str; 2] = ["/usr/lib/sysimage/dpkg/status", "/var/lib/dpkg/status"];

/// One Debian package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Package {
    /// Binary package name.
    pub name: String,
    /// Debian version.
    pub version: String,
    /// Debian architecture.
    pub architecture: String,
    /// The source package that it was built from; nothing where name and version
    /// are its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
}

/// A Debian source package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Source {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl Package {
    /// The source package's name and version.
    #[must_use]
    pub fn source(&self) -> (&str, &str) {
        match &self.source {
            Some(source) => (&source.name, &source.version),
            None => (&self.name, &self.version),
        }
    }
}

#[derive(Deserialize)]
struct Manifest {
    packages: Vec<Locked>,
}

/// A package as a lock has it: its source is always said.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Locked {
    name: String,
    version: String,
    architecture: String,
    source: String,
    source_version: String,
}

impl From<Locked> for Package {
    fn from(it: Locked) -> Self {
        let own = it.source == it.name && it.source_version == it.version;
        let source = (!own).then_some(Source { name: it.source, version: it.source_version });
        Self { name: it.name, version: it.version, architecture: it.architecture, source }
    }
}

/// The list in a build's `manifest.json`.
pub fn from_manifest(text: &str) -> Result<Vec<Package>, serde_json::Error> {
    let packages = serde_json::from_str::<Manifest>(text)?.packages;
    let mut packages: Vec<Package> = packages.into_iter().map(Package::from).collect();
    packages.sort();
    Ok(packages)
}

/// The installed packages in a dpkg status file.
pub fn from_dpkg_status(text: &str) -> Vec<Package> {
    let mut packages: Vec<Package> = text.split("\n\n").filter_map(stanza).collect();
    packages.sort();
    packages
}

fn stanza(text: &str) -> Option<Package> {
    // A line that starts with white space continues the field before it, and so
    // is no field, whatever it says.
    let field = |name: &str| {
        text.lines()
            .filter(|line| !line.starts_with([' ', '\t']))
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.trim().to_owned())
    };
    // Files of status.d (distroless style) have no Status: all are installed.
    if field("Status").is_some_and(|status| !status.ends_with(" installed")) {
        return None;
    }
    let (name, version) = (field("Package")?, field("Version")?);
    // `Source: name`, or `Source: name (version)`.
    let source = field("Source").map(|written| match written.split_once(" (") {
        Some((source, rest)) => {
            Source { name: source.to_owned(), version: rest.trim_end_matches(')').to_owned() }
        }
        None => Source { name: written, version: version.clone() },
    });
    Some(Package { name, version, architecture: field("Architecture")?, source })
}

/// Which package brought each file of a root, by path. Paths are those of a
/// merged `/usr`, and kernel modules have their unpacked names.
///
/// # Errors
/// When the lists cannot be read.
pub fn owners(tree: &Tree) -> std::io::Result<BTreeMap<String, String>> {
    let mut owners = BTreeMap::new();
    for folder in ["/usr/lib/sysimage/dpkg/info", "/var/lib/dpkg/info"] {
        for entry in tree.below(folder) {
            let name = entry.path.rsplit('/').next().unwrap_or_default();
            let Some(package) = name.strip_suffix(".list") else { continue };
            let package = package.split(':').next().unwrap_or(package);
            let text = tree.text(&entry.path)?.unwrap_or_default();
            for path in text.lines() {
                owners.insert(merged(path), package.to_owned());
            }
        }
    }
    Ok(owners)
}

/// The path that a file of a package has in an image.
fn merged(path: &str) -> String {
    let path = path.strip_suffix(".xz").filter(|path| path.ends_with(".ko")).unwrap_or(path);
    let first = path.split('/').nth(1).unwrap_or_default();
    if ["bin", "lib", "lib64", "sbin"].contains(&first) {
        return format!("/usr{path}");
    }
    // What packages ship there is kept as the factory's copy.
    match path.strip_prefix("/var/lib/") {
        Some(rest) => format!("/usr/share/factory/var/lib/{rest}"),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{from_dpkg_status, from_manifest, merged};
    use proptest::prelude::*;

    #[test]
    fn removed_packages_and_continued_lines_do_not_count() {
        let status = "Package: b\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:2-3\nDescription: x\n Version: 9\n\n\
                      Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n\n\
                      Package: a\nStatus: install ok installed\nArchitecture: all\nVersion: 4\n";
        let found: Vec<_> = from_dpkg_status(status)
            .into_iter()
            .map(|p| format!("{} {} {}", p.name, p.version, p.architecture))
            .collect();
        assert_eq!(found, ["a 4 all", "b 1:2-3 amd64"]);
    }

    #[test]
    fn the_source_of_a_package_is_told_with_its_own_version() {
        let status = "Package: libc6\nSource: glibc (2.41-12)\nVersion: 2.41-12+b1\nArchitecture: amd64\n\n\
                      Package: udev\nSource: systemd\nVersion: 257\nArchitecture: amd64\n\n\
                      Package: bash\nVersion: 5\nArchitecture: amd64\n";
        let packages = from_dpkg_status(status);
        let sources: Vec<_> = packages.iter().map(super::Package::source).collect();
        assert_eq!(sources, [("bash", "5"), ("glibc", "2.41-12"), ("systemd", "257")]);
    }

    #[test]
    fn a_manifest_tells_the_same_of_a_package_as_its_root() {
        let one = |name: &str, source: &str, source_version: &str| {
            format!(
                r#"{{"name":"{name}","version":"5","architecture":"all","source":"{source}",
                "source-version":"{source_version}","suite":"trixie"}}"#
            )
        };
        let list = [one("bash", "bash", "5"), one("udev", "systemd", "5")].join(",");
        let packages = from_manifest(&format!(r#"{{"packages":[{list}]}}"#)).unwrap();
        let status = "Package: udev\nSource: systemd\nVersion: 5\nArchitecture: all\n\n\
                      Package: bash\nVersion: 5\nArchitecture: all\n";
        assert_eq!(packages, from_dpkg_status(status));
    }

    #[test]
    fn files_are_found_where_an_image_has_them() {
        assert_eq!(merged("/lib/modules/6/kernel/nvme.ko.xz"), "/usr/lib/modules/6/kernel/nvme.ko");
        assert_eq!(merged("/usr/share/doc/a/changelog.xz"), "/usr/share/doc/a/changelog.xz");
        assert_eq!(merged("/var/lib/docker/x"), "/usr/share/factory/var/lib/docker/x");
    }

    proptest! {
        #[test]
        fn no_status_file_makes_the_reader_panic(text in "\\PC*|(([A-Z][a-z]{0,3}: ?)?.{0,9}\n){0,9}") {
            let _ = from_dpkg_status(&text);
        }
    }
}
