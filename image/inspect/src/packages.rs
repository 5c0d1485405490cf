//! The packages in an image: from the manifest of its build, or, for an image by
//! itself, from dpkg's own list inside its root.

use serde::{Deserialize, Serialize};

/// Where dpkg's list may be in a root.
pub const DPKG_STATUS: [&str; 2] = ["/usr/lib/sysimage/dpkg/status", "/var/lib/dpkg/status"];

/// One Debian package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Package {
    /// Binary package name.
    pub name: String,
    /// Debian version.
    pub version: String,
    /// Debian architecture.
    pub architecture: String,
}

#[derive(Deserialize)]
struct Manifest {
    packages: Vec<Package>,
}

/// The list in a build's `manifest.json`.
pub fn from_manifest(text: &str) -> Result<Vec<Package>, serde_json::Error> {
    let mut packages = serde_json::from_str::<Manifest>(text)?.packages;
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
    Some(Package {
        name: field("Package")?,
        version: field("Version")?,
        architecture: field("Architecture")?,
    })
}

#[cfg(test)]
mod tests {
    use super::from_dpkg_status;
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

    proptest! {
        #[test]
        fn no_status_file_makes_the_reader_panic(text in "\\PC*|(([A-Z][a-z]{0,3}: ?)?.{0,9}\n){0,9}") {
            let _ = from_dpkg_status(&text);
        }
    }
}
