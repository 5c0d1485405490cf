//! Chooses what goes into the initrd, from the root tree, by the list in
//! `data/initrd.toml`.

use crate::cpio::{Node, Tree};
use crate::elf;
use crate::error::{At, BuildError, Result};
use crate::files::children;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

/// The list.
pub(crate) const LIST: &str = include_str!("../data/initrd.toml");

const UNITS: &str = "usr/lib/systemd/system";
const LIBRARIES: [&str; 2] = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu/systemd"];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct List {
    files: Vec<String>,
    libraries: Vec<String>,
    udev_rules: Vec<String>,
    units: Vec<String>,
    directories: Vec<String>,
}

/// Collects files of one root tree, and what they need.
#[derive(Debug)]
pub(crate) struct Collector<'a> {
    root: &'a Path,
    tree: Tree,
    seen: BTreeSet<PathBuf>,
}

/// The initrd's own files: all but modules and the overlay.
pub(crate) fn collect(root: &Path) -> Result<Tree> {
    let list: List = toml::from_str(LIST)
        .map_err(|error| BuildError::Unexpected { what: format!("data/initrd.toml: {error}") })?;
    let mut collector = Collector { root, tree: Tree::new(), seen: BTreeSet::new() };
    for directory in &list.directories {
        collector.directories(Path::new(directory));
    }
    for (link, target) in [
        ("bin", "usr/bin"),
        ("sbin", "usr/sbin"),
        ("lib", "usr/lib"),
        ("lib64", "usr/lib64"),
        ("init", "usr/lib/systemd/systemd"),
        ("etc/initrd-release", "../usr/lib/os-release"),
        ("etc/os-release", "../usr/lib/os-release"),
    ] {
        collector.tree.insert(link.into(), Node::Link(target.into()));
    }
    collector.add(Path::new("/usr/lib/os-release"))?;
    for file in &list.files {
        collector.add(Path::new(file))?;
    }
    for library in &list.libraries {
        collector.library(library, &[], true)?;
    }
    for rule in &list.udev_rules {
        collector.add(&Path::new("/usr/lib/udev/rules.d").join(rule))?;
    }
    collector.units(&list.units)?;
    Ok(collector.tree)
}

impl Collector<'_> {
    /// Takes a file over, with the links on the way to it and the libraries that
    /// it needs.
    fn add(&mut self, path: &Path) -> Result<()> {
        let mut real = PathBuf::from("/");
        let mut rest: Vec<PathBuf> = parts(path);
        while let Some(part) = rest.pop() {
            if part == Path::new("..") {
                real.pop();
                continue;
            }
            real.push(&part);
            let host = self.host(&real);
            let kind = std::fs::symlink_metadata(&host).map_err(|_| BuildError::Unexpected {
                what: format!(
                    "the initrd needs {}, which no package of the recipe brings",
                    path.display()
                ),
            })?;
            let name = inside(&real);
            if kind.is_symlink() {
                let target = std::fs::read_link(&host).at("read", &host)?;
                self.tree.insert(name, Node::Link(target.to_string_lossy().into_owned()));
                real.pop();
                if target.is_absolute() {
                    real = PathBuf::from("/");
                }
                rest.extend(parts(&target));
            } else if kind.is_dir() {
                self.tree.entry(name).or_insert(Node::Directory);
            } else if self.seen.insert(real.clone()) {
                let content = std::fs::read(&host).at("read", &host)?;
                let needs = elf::needs(&content);
                let mode = kind.permissions().mode() & 0o777;
                self.tree.insert(name, Node::File(mode, content));
                self.libraries(needs)?;
            }
        }
        Ok(())
    }

    fn libraries(&mut self, needs: Option<elf::Needs>) -> Result<()> {
        let Some(needs) = needs else { return Ok(()) };
        if let Some(interpreter) = &needs.interpreter {
            self.add(Path::new(interpreter))?;
        }
        for library in &needs.libraries {
            self.library(library, &needs.search, true)?;
        }
        for library in &needs.recommended {
            self.library(library, &needs.search, false)?;
        }
        Ok(())
    }

    fn library(&mut self, name: &str, search: &[String], must: bool) -> Result<()> {
        let places = search.iter().map(String::as_str).chain(LIBRARIES);
        let found = places
            .map(|place| Path::new(place).join(name))
            .find(|path| std::fs::symlink_metadata(self.host(path)).is_ok());
        match found {
            Some(path) => self.add(&path),
            None if must => Err(BuildError::Unexpected {
                what: format!("the initrd needs {name}, which no package of the recipe brings"),
            }),
            None => Ok(()),
        }
    }

    /// Units, and the links by which one wants another.
    fn units(&mut self, units: &[String]) -> Result<()> {
        for unit in units {
            self.add(&Path::new("/").join(UNITS).join(unit))?;
        }
        for directory in children(&self.host(&Path::new("/").join(UNITS)))? {
            let wants =
                directory.extension().is_some_and(|end| end == "wants" || end == "requires");
            if !wants || !directory.is_dir() {
                continue;
            }
            for link in children(&directory)? {
                let Some(name) = link.file_name().and_then(|name| name.to_str()) else { continue };
                if units.iter().any(|unit| unit == name) {
                    let place = link.strip_prefix(self.root).unwrap_or(&link).to_owned();
                    self.add(&Path::new("/").join(place))?;
                }
            }
        }
        Ok(())
    }

    fn directories(&mut self, path: &Path) {
        for part in path.ancestors().filter(|part| !part.as_os_str().is_empty()) {
            self.tree.entry(inside(part)).or_insert(Node::Directory);
        }
    }

    fn host(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }
}

/// Lays a directory of the host, modes normalised already, over the tree.
pub(crate) fn lay(tree: &mut Tree, directory: &Path) -> Result<()> {
    for entry in walkdir::WalkDir::new(directory).min_depth(1).sort_by_file_name() {
        let entry = entry.map_err(std::io::Error::from).at("read", directory)?;
        let path = entry.path();
        let name = path.strip_prefix(directory).unwrap_or(path).to_string_lossy().into_owned();
        let node = if entry.file_type().is_dir() {
            Node::Directory
        } else if entry.file_type().is_symlink() {
            let target = std::fs::read_link(path).at("read", path)?;
            Node::Link(target.to_string_lossy().into_owned())
        } else {
            let mode = std::fs::metadata(path).at("read", path)?.permissions().mode() & 0o777;
            Node::File(mode, std::fs::read(path).at("read", path)?)
        };
        // `lib` is a link to `usr/lib` here, and must stay one.
        if !(node == Node::Directory && matches!(tree.get(&name), Some(Node::Link(_)))) {
            tree.insert(name, node);
        }
    }
    Ok(())
}

/// Updates of the processors' microcode, as the kernel looks for them at the very
/// start; empty if no package brings any.
pub(crate) fn microcode(root: &Path) -> Result<Tree> {
    const FOLDER: &str = "kernel/x86/microcode";
    let vendors = [("intel-ucode", "GenuineIntel.bin"), ("amd-ucode", "AuthenticAMD.bin")];
    let mut tree = Tree::new();
    for (vendor, name) in vendors {
        let directory = root.join("usr/lib/firmware").join(vendor);
        if !directory.is_dir() {
            continue;
        }
        let mut blob = Vec::new();
        for file in children(&directory)? {
            // AMD's folder has signatures and a README as well.
            let skip = file.extension().is_some_and(|end| end == "asc" || end == "initramfs")
                || file.file_name().is_some_and(|name| name == "README");
            if file.is_file() && !skip {
                blob.extend(std::fs::read(&file).at("read", &file)?);
            }
        }
        for (at, _) in FOLDER.match_indices('/').chain([(FOLDER.len(), "")]) {
            tree.insert(FOLDER[..at].to_owned(), Node::Directory);
        }
        tree.insert(format!("{FOLDER}/{name}"), Node::File(0o644, blob));
    }
    Ok(tree)
}

/// The parts of a path, last first, without the root.
fn parts(path: &Path) -> Vec<PathBuf> {
    let normal = path.components().rev().filter_map(|part| match part {
        Component::Normal(name) => Some(PathBuf::from(name)),
        Component::ParentDir => Some(PathBuf::from("..")),
        _ => None,
    });
    normal.collect()
}

fn inside(path: &Path) -> String {
    path.strip_prefix("/").unwrap_or(path).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collector(root: &Path) -> Collector<'_> {
        Collector { root, tree: Tree::new(), seen: BTreeSet::new() }
    }

    #[test]
    fn links_on_the_way_to_a_file_come_along() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("usr/bin")).unwrap();
        std::fs::write(dir.path().join("usr/bin/dash"), "x").unwrap();
        std::os::unix::fs::symlink("dash", dir.path().join("usr/bin/sh")).unwrap();
        std::os::unix::fs::symlink("usr/bin", dir.path().join("bin")).unwrap();
        let mut collector = collector(dir.path());
        collector.add(Path::new("/bin/sh")).unwrap();
        let names: Vec<_> = collector.tree.keys().map(String::as_str).collect();
        assert_eq!(names, ["bin", "usr", "usr/bin", "usr/bin/dash", "usr/bin/sh"]);
    }

    #[test]
    fn a_file_that_is_missing_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = collector(dir.path()).add(Path::new("/usr/bin/nothing")).unwrap_err();
        assert!(error.to_string().contains("usr/bin/nothing"), "{error}");
    }

    #[test]
    fn the_list_is_well_formed() {
        let list: List = toml::from_str(LIST).unwrap();
        let unique: BTreeSet<_> = list.files.iter().chain(&list.units).collect();
        assert_eq!(unique.len(), list.files.len() + list.units.len(), "something is listed twice");
    }
}
