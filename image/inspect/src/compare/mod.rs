//! What is different in another image.
//!
//! A [`Picture`] is what can be compared of an image, as plain lists; the
//! [`Comparison`] of two of them has what concerns security first.

mod picture;

pub use picture::{FileFact, Picture};

use serde::Serialize;
use std::collections::BTreeMap;

/// What is different between two images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Its parts, what concerns security first.
    pub parts: Vec<Part>,
}

/// One kind of thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Part {
    /// What is compared: `setuid files`, `packages`.
    pub name: &'static str,
    /// Whether a difference here changes who can do what on a box.
    pub security: bool,
    /// The differences, by name.
    pub changes: Vec<Change>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Change {
    /// What differs.
    pub name: String,
    /// How it is in the first image; nothing if it is not there.
    pub from: Option<String>,
    /// How it is in the second one.
    pub to: Option<String>,
}

impl Comparison {
    /// Compares two images.
    #[must_use]
    pub fn of(one: &Picture, other: &Picture) -> Self {
        let security = [
            ("kernel command line", &one.command_line, &other.command_line),
            ("accounts", &one.accounts, &other.accounts),
            ("keys", &one.keys, &other.keys),
            ("ssh", &one.ssh, &other.ssh),
            ("setuid files and capabilities", &one.privileged, &other.privileged),
            ("listening sockets", &one.listening, &other.listening),
            ("enabled units", &one.enabled, &other.enabled),
        ];
        let rest = [
            ("image", &one.image, &other.image),
            ("partitions", &one.partitions, &other.partitions),
            ("sizes", &one.sizes, &other.sizes),
            ("packages", &one.packages, &other.packages),
            ("units", &one.units, &other.units),
        ];
        let mut parts: Vec<Part> = Vec::new();
        for (all, security) in [(security.as_slice(), true), (rest.as_slice(), false)] {
            for (name, from, to) in all {
                parts.push(Part { name, security, changes: changes(from, to, String::clone) });
            }
        }
        let files = changes(&one.files, &other.files, FileFact::to_string);
        parts.push(Part { name: "files", security: false, changes: files });
        Self { parts }
    }

    /// Whether nothing is different.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.iter().all(|part| part.changes.is_empty())
    }

    /// Whether anything differs that concerns security.
    #[must_use]
    pub fn concerns_security(&self) -> bool {
        self.parts.iter().any(|part| part.security && !part.changes.is_empty())
    }
}

fn changes<T: PartialEq>(
    from: &BTreeMap<String, T>,
    to: &BTreeMap<String, T>,
    text: impl Fn(&T) -> String,
) -> Vec<Change> {
    let mut names: Vec<&String> = from.keys().chain(to.keys()).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .filter(|name| from.get(*name) != to.get(*name))
        .map(|name| Change {
            name: name.clone(),
            from: from.get(name).map(&text),
            to: to.get(name).map(&text),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Comparison, Picture};
    use crate::tree::Tree;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    fn put(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn root() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        put(root, "etc/passwd", "root:x:0:0:root:/root:/bin/bash\n");
        put(root, "usr/lib/systemd/system/a.service", "[Service]\nExecStart=/bin/a\n");
        put(root, "usr/lib/systemd/system/ssh.socket", "[Socket]\nListenStream=22\n");
        put(root, "usr/bin/su", "su");
        put(
            root,
            "usr/lib/sysimage/dpkg/status",
            "Package: bash\nStatus: install ok installed\nVersion: 5.1\nArchitecture: amd64\n",
        );
        dir
    }

    fn seen(one: &Path, other: &Path) -> Vec<String> {
        let picture = |root: &Path| Picture::of_tree(&Tree::read_list(root).unwrap()).unwrap();
        let comparison = Comparison::of(&picture(one), &picture(other));
        let part = |part: &super::Part| {
            let line = |change: &super::Change| {
                let word = |side: &Option<String>| side.clone().unwrap_or_else(|| "-".into());
                format!(
                    "{}: {} {} > {}",
                    part.name,
                    change.name,
                    word(&change.from),
                    word(&change.to)
                )
            };
            part.changes.iter().map(line).collect::<Vec<_>>()
        };
        comparison.parts.iter().flat_map(part).collect()
    }

    #[test]
    fn an_image_does_not_differ_from_itself() {
        let one = root();
        assert_eq!(seen(one.path(), one.path()), Vec::<String>::new());
    }

    #[test]
    fn what_lets_somebody_in_is_told_before_all_else() {
        let (one, other) = (root(), root());
        let root = other.path();
        put(root, "etc/passwd", "root:x:0:0:root:/root:/bin/bash\neve:x:0:0::/:/bin/sh\n");
        std::fs::set_permissions(root.join("usr/bin/su"), PermissionsExt::from_mode(0o4755))
            .unwrap();
        let wants = root.join("etc/systemd/system/sockets.target.wants");
        std::fs::create_dir_all(&wants).unwrap();
        symlink("/usr/lib/systemd/system/ssh.socket", wants.join("ssh.socket")).unwrap();
        put(root, "etc/ssh/sshd_config.d/50-open.conf", "PermitRootLogin yes\n");
        put(root, "usr/share/keyrings/new.gpg", "key");
        put(
            root,
            "usr/lib/sysimage/dpkg/status",
            "Package: bash\nStatus: install ok installed\nVersion: 5.2\nArchitecture: amd64\n",
        );
        let seen = seen(one.path(), root);
        let starts = |part: &str| seen.iter().position(|line| line.starts_with(part));
        assert!(seen[0].starts_with("accounts: eve - > uid 0"), "{seen:#?}");
        for part in ["keys: /usr/share/keyrings/new.gpg", "ssh: permitrootlogin - > yes"] {
            assert!(starts(part).is_some(), "{part} {seen:#?}");
        }
        assert!(starts("setuid files and capabilities: /usr/bin/su - > mode 4755").is_some());
        assert!(starts("listening sockets: ssh.socket - > 22").is_some(), "{seen:#?}");
        assert!(starts("packages: bash:amd64 5.1 > 5.2") > starts("enabled units: ssh.socket"));
        assert!(starts("files: /usr/bin/su") > starts("packages"));
    }

    #[test]
    fn a_changed_unit_and_a_changed_file_are_named() {
        let (one, other) = (root(), root());
        put(other.path(), "usr/lib/systemd/system/a.service", "[Service]\nExecStart=/bin/b\n");
        put(other.path(), "usr/bin/new", "new");
        let seen = seen(one.path(), other.path());
        assert!(seen.iter().any(|line| line.starts_with("units: a.service")), "{seen:#?}");
        assert!(seen.iter().any(|line| line.starts_with("files: /usr/bin/new - > ")), "{seen:#?}");
    }
}
