//! A root, unpacked. Links in it are followed inside it: `/etc/x` never means the
//! host's.

use nix::fcntl::OFlag;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

/// How many links may lead to a file: what the kernel allows.
const LINKS: usize = 40;

/// An unpacked root and the list of what is in it.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    entries: Vec<Entry>,
    /// Where each link leads, by its path below the root.
    links: BTreeMap<PathBuf, PathBuf>,
}

/// One file, directory or link.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Path from the root, `/usr/bin/su`.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// Permission bits, setuid and the like among them.
    pub mode: u32,
    /// Bytes of its content.
    pub size: u64,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A device, a pipe or a socket.
    Other,
}

impl Tree {
    /// Reads the list of what is below `root`.
    pub fn read_list(root: &Path) -> std::io::Result<Self> {
        let mut entries = Vec::new();
        let mut links = BTreeMap::new();
        for entry in walkdir::WalkDir::new(root).min_depth(1).sort_by_file_name() {
            let entry = entry?;
            let metadata = entry.metadata()?;
            let kind = match metadata.file_type() {
                kind if kind.is_file() => Kind::File,
                kind if kind.is_dir() => Kind::Directory,
                kind if kind.is_symlink() => Kind::Link,
                _ => Kind::Other,
            };
            let below = entry.path().strip_prefix(root).unwrap_or(entry.path());
            if kind == Kind::Link {
                links.insert(below.to_owned(), std::fs::read_link(entry.path())?);
            }
            entries.push(Entry {
                path: format!("/{}", below.display()),
                kind,
                mode: metadata.mode() & 0o7777,
                size: metadata.len(),
            });
        }
        Ok(Self { root: root.to_owned(), entries, links })
    }

    /// Where it is on this host.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Everything in it, sorted by path.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What is below a directory, without following a link to it.
    pub fn below<'a>(&'a self, directory: &'a str) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().filter(move |entry| {
            entry.path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
        })
    }

    /// The path on this host of an entry itself: for links, not what they name.
    pub fn on_host(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// The path below the root that `path` means, every link followed inside it.
    fn resolve(&self, path: &Path) -> std::io::Result<PathBuf> {
        let mut ahead = vec![path.to_owned()];
        let mut at = PathBuf::new();
        let mut followed = 0;
        while let Some(path) = ahead.pop() {
            let mut components = path.components();
            let Some(component) = components.next() else { continue };
            ahead.push(components.as_path().to_owned());
            match component {
                Component::RootDir | Component::Prefix(_) => at = PathBuf::new(),
                Component::CurDir => {}
                // Above the root is the root.
                Component::ParentDir => drop(at.pop()),
                Component::Normal(name) => {
                    at.push(name);
                    if let Some(target) = self.links.get(&at) {
                        followed += 1;
                        if followed > LINKS {
                            return Err(nix::errno::Errno::ELOOP.into());
                        }
                        at.pop();
                        ahead.push(target.clone());
                    }
                }
            }
        }
        Ok(at)
    }

    fn open(&self, path: &str) -> std::io::Result<File> {
        let place = self.root.join(self.resolve(Path::new(path))?);
        // A pipe in the tree must not hold the reader up.
        let flags = OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW;
        File::options().read(true).custom_flags(flags.bits()).open(place)
    }

    /// Every file that a processor or an interpreter runs: programs, libraries and
    /// scripts, by how they begin.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn programs(&self) -> std::io::Result<Vec<String>> {
        let mut programs = Vec::new();
        for entry in self.entries.iter().filter(|entry| entry.kind == Kind::File) {
            let mut start = [0; 4];
            let read = File::open(self.on_host(&entry.path))?.read(&mut start)?;
            let kernel_module = entry.path.ends_with(".ko");
            if read == 4 && (start == *b"\x7fELF" || start.starts_with(b"#!")) && !kernel_module {
                programs.push(entry.path.clone());
            }
        }
        Ok(programs)
    }

    /// Whether something is there, links followed.
    pub fn exists(&self, path: &str) -> bool {
        let place = self.resolve(Path::new(path)).map(|below| self.root.join(below));
        place.is_ok_and(|place| place.symlink_metadata().is_ok())
    }

    /// The content of a file, links followed.
    pub fn read(&self, path: &str) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open(path)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The content of a text file, links followed; nothing if it is not there.
    pub fn text(&self, path: &str) -> std::io::Result<Option<String>> {
        match self.read(path) {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Tree};
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_followed_inside_the_tree_and_never_out_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        std::fs::create_dir_all(root.join("usr/lib")).unwrap();
        std::fs::create_dir(root.join("etc")).unwrap();
        std::fs::write(dir.path().join("outside"), "no").unwrap();
        std::fs::write(root.join("usr/lib/os-release"), "yes").unwrap();
        symlink("/usr/lib/os-release", root.join("etc/os-release")).unwrap();
        symlink("../../../../outside", root.join("etc/escape")).unwrap();
        symlink("/etc", root.join("usr/etc")).unwrap();
        symlink("ring-b", root.join("etc/ring-a")).unwrap();
        symlink("ring-a", root.join("etc/ring-b")).unwrap();
        let tree = Tree::read_list(&root).unwrap();
        assert_eq!(tree.text("/etc/os-release").unwrap().as_deref(), Some("yes"));
        assert_eq!(tree.text("/usr/etc/../etc/os-release").unwrap().as_deref(), Some("yes"));
        assert_eq!(tree.text("/etc/escape").unwrap(), None);
        assert!(tree.text("/etc/ring-a").is_err() && !tree.exists("/etc/ring-a"));
        assert!(!tree.exists("/etc/escape"));
        assert_eq!(tree.below("/etc").count(), 4);
        assert!(tree.below("/etc").all(|entry| entry.kind == Kind::Link));
    }
}
