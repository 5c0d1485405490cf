//! Package indexes: reading those of archives, and making one of files at hand.

use crate::digest;
use crate::error::{At, BuildError, Result};
use crate::files::set_mode;
use ashlar_recipe::{LockedPackage, RELEASE};
use ashlar_sandbox::Sandbox;
use std::path::Path;

/// One package in an index, or the control file of a package by itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stanza<'a>(&'a str);

/// The packages of an index.
pub(crate) fn stanzas(text: &str) -> impl Iterator<Item = Stanza<'_>> {
    text.split("\n\n").map(Stanza).filter(|stanza| !stanza.0.trim().is_empty())
}

impl<'a> Stanza<'a> {
    /// A field of one line.
    pub(crate) fn field(self, name: &str) -> Option<&'a str> {
        let value = |line: &'a str| line.strip_prefix(name)?.strip_prefix(':').map(str::trim);
        self.0.lines().find_map(value)
    }

    /// The package, without the archive that it was found in.
    pub(crate) fn package(self) -> Option<LockedPackage> {
        let (name, version) = (self.field("Package")?, self.field("Version")?);
        // `Source: glibc (2.41-12)`, where name or version differ.
        let (source, of) =
            match self.field("Source").map(|it| it.split_once(" (").unwrap_or((it, ""))) {
                Some((source, of)) => (source, of.trim_end_matches(')')),
                None => (name, ""),
            };
        Some(LockedPackage {
            name: name.to_owned(),
            architecture: self.field("Architecture")?.to_owned(),
            version: version.to_owned(),
            source: source.to_owned(),
            source_version: if of.is_empty() { version } else { of }.to_owned(),
            archive: None,
            suite: None,
            component: None,
            filename: self.field("Filename")?.trim_start_matches("./").to_owned(),
            size: self.field("Size")?.parse().ok()?,
            sha256: self.field("SHA256")?.to_owned(),
        })
    }
}

/// Makes a directory of packages a repository that apt and mmdebstrap take, and
/// says what is in it. `sandbox` is where `dpkg-deb` runs.
pub(crate) fn make(sandbox: &Sandbox, repository: &Path) -> Result<Vec<LockedPackage>> {
    // The file's name before its control file; a line by itself between them.
    let listing = "cd /run/repo; for deb in *.deb; do \
                   echo \"Filename: ./$deb\"; dpkg-deb --field \"$deb\"; echo; done";
    let listed = sandbox.script("reading packages", listing).read(repository, "repo").run()?;
    let (mut index, mut packages) = (String::new(), Vec::new());
    for stanza in stanzas(&listed) {
        let name = stanza.field("Filename").unwrap_or_default();
        let path = repository.join(name);
        let size = std::fs::metadata(&path).at("read", &path)?.len();
        let text = format!("{}\nSize: {size}\nSHA256: {}\n", stanza.0.trim(), digest::file(&path)?);
        let package = Stanza(&text).package().ok_or_else(|| BuildError::Unexpected {
            what: format!(
                "{name} is no Debian package: its control file lacks a name or a version"
            ),
        })?;
        packages.push(package);
        index.push_str(&text);
        index.push('\n');
    }
    let release = format!(
        // mmdebstrap finds the essential packages by the suite's name.
        "Suite: {RELEASE}\nCodename: {RELEASE}\nSHA256:\n {} {} Packages\n",
        digest::text(&index),
        index.len()
    );
    for (name, text) in [("Packages", &index), ("Release", &release)] {
        let path = repository.join(name);
        std::fs::write(&path, text).at("written", &path)?;
        // apt reads them as a user of its own.
        set_mode(&path, 0o644)?;
    }
    Ok(packages)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = "Package: libc6\nSource: glibc (2.41-12)\nVersion: 2.41-12+b1\n\
        Architecture: amd64\nFilename: pool/main/g/glibc/libc6_2.41-12_amd64.deb\nSize: 7\n\
        SHA256: cd8c\nDescription: the C library\n with Version: 9 in its text\n\n\
        Package: bash\nVersion: 5\nArchitecture: amd64\nFilename: ./bash.deb\nSize: 1\n\
        SHA256: ff\n";

    #[test]
    fn an_index_tells_the_source_of_each_package() {
        let packages: Vec<_> = stanzas(INDEX).filter_map(Stanza::package).collect();
        assert_eq!(packages.len(), 2);
        let [libc, bash] = &packages[..] else { panic!() };
        assert_eq!((libc.source.as_str(), libc.source_version.as_str()), ("glibc", "2.41-12"));
        assert_eq!(libc.version, "2.41-12+b1");
        assert_eq!((bash.source.as_str(), bash.source_version.as_str()), ("bash", "5"));
        assert_eq!(bash.filename, "bash.deb");
    }

    proptest::proptest! {
        #[test]
        fn no_index_makes_the_reader_panic(text: String) {
            let _ = stanzas(&text).map(Stanza::package).count();
        }
    }
}
