//! A cpio archive (`newc`), as the kernel unpacks it for an initrd. Everything
//! belongs to root, and the only time in it is the build's, so that equal
//! contents are equal bytes.

use ashlar_sandbox::EPOCH;
use std::collections::BTreeMap;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A directory, mode 0755.
    Directory,
    /// A file and its permission bits.
    File(u32, Vec<u8>),
    /// A symbolic link and its target.
    Link(String),
}

/// Entries by path, without a leading slash. The order is the map's: a
/// directory sorts before what is in it.
pub type Tree = BTreeMap<String, Node>;

/// The archive.
pub fn archive(tree: &Tree) -> Vec<u8> {
    let mut out = Vec::new();
    for (inode, (name, node)) in (1..).zip(tree) {
        let (mode, content): (u32, &[u8]) = match node {
            Node::Directory => (0o040_755, &[]),
            Node::File(mode, content) => (0o100_000 | mode, content),
            Node::Link(target) => (0o120_777, target.as_bytes()),
        };
        entry(&mut out, inode, name, mode, content);
    }
    entry(&mut out, 0, "TRAILER!!!", 0, &[]);
    out
}

fn entry(out: &mut Vec<u8>, inode: u32, name: &str, mode: u32, content: &[u8]) {
    let links = if mode & 0o170_000 == 0o040_000 { 2 } else { 1 };
    let time = if inode == 0 { 0 } else { EPOCH };
    out.extend_from_slice(b"070701");
    // inode, mode, uid, gid, links, mtime, size, major, minor, rmajor, rminor,
    // length of the name with its zero, checksum
    let size = content.len() as u64;
    let name_size = name.len() as u64 + 1;
    let header = [inode.into(), mode.into(), 0, 0, links, time, size, 0, 0, 0, 0, name_size, 0];
    for field in header {
        out.extend_from_slice(format!("{field:08x}").as_bytes());
    }
    out.extend_from_slice(name.as_bytes());
    out.push(0);
    pad(out);
    out.extend_from_slice(content);
    pad(out);
}

fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    fn tree() -> Tree {
        Tree::from([
            ("bin".into(), Node::Link("usr/bin".into())),
            ("usr".into(), Node::Directory),
            ("usr/bin".into(), Node::Directory),
            ("usr/bin/tool".into(), Node::File(0o755, b"#!/bin/sh\n".to_vec())),
        ])
    }

    #[test]
    fn equal_trees_are_equal_bytes_and_every_entry_is_aligned() {
        assert_eq!(archive(&tree()), archive(&tree()));
        assert_eq!(archive(&tree()).len() % 4, 0);
    }

    #[test]
    fn the_system_s_cpio_reads_it_back() {
        let dir = tempfile::tempdir().unwrap();
        let child = Command::new("cpio")
            .args(["--extract", "--quiet", "--make-directories"])
            .current_dir(dir.path())
            .stdin(Stdio::piped())
            .spawn();
        let mut child = child.expect("cpio: see .ci/packages.debian");
        child.stdin.take().unwrap().write_all(&archive(&tree())).unwrap();
        assert!(child.wait().unwrap().success());
        assert_eq!(std::fs::read(dir.path().join("bin/tool")).unwrap(), b"#!/bin/sh\n");
    }
}
