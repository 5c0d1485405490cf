//! Checks of our own programs: they were compiled on somebody's machine, and must
//! run on the node's.

use super::Severity::Error;
use super::{Check, Findings, Subject};
use crate::tree::{Entry, Kind, Tree};
use aho_corasick::AhoCorasick;
use miette::IntoDiagnostic;
use object::elf::FileHeader64;
use object::endian::Endianness;
use object::read::elf::FileHeader;
use std::collections::{BTreeMap, BTreeSet};

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "build-paths",
        severity: Error,
        rule: "no program of ours names a home on the machine that compiled it",
        explanation: "The places of panics and of debugging symbols are paths of the compiling \
                      machine. Left in, they tell the builder's name to everybody who has the \
                      image, and two people's builds of one source differ. Compile with the \
                      paths remapped, as `ashlar build` does.",
        run: build_paths,
    },
    Check {
        name: "libc-symbols",
        severity: Error,
        rule: "our programs need no symbol that the libraries of the root have not",
        explanation: "A program that was linked on a newer system asks for newer symbol versions \
                      (GLIBC_2.42) and does not start on the node. Compile it in the tools root, \
                      as `ashlar build` does, or on a system as old as the image.",
        run: libc_symbols,
    },
];

/// What only paths of a builder's home have in them.
const HOMES: [&str; 4] = ["/home/", "/root/.", "/.cargo/registry/", "/.rustup/"];

/// Our programs: the only ones that no package brought.
pub(super) fn ours(tree: &Tree) -> impl Iterator<Item = &Entry> {
    tree.entries().iter().filter(|entry| {
        entry.kind == Kind::File
            && entry.path.strip_prefix("/usr/bin/").is_some_and(|name| name.starts_with("ashlar"))
    })
}

fn build_paths(subject: &Subject, findings: &mut Findings) -> miette::Result<()> {
    let Some(tree) = subject.tree(findings) else { return Ok(()) };
    let search = AhoCorasick::new(HOMES).into_diagnostic()?;
    for entry in ours(tree) {
        let bytes = std::fs::read(tree.on_host(&entry.path)).into_diagnostic()?;
        let count = search.find_iter(&bytes).count();
        if let Some(first) = search.find(&bytes) {
            let text = path_around(&bytes, first.start());
            findings.add(&entry.path, format!("{count} paths such as {text}"));
        }
    }
    Ok(())
}

/// The printable text around a place, not longer than a line.
fn path_around(bytes: &[u8], at: usize) -> String {
    let printable = |byte: &&u8| byte.is_ascii_graphic();
    let before = bytes[..at].iter().rev().take_while(printable).take(20).count();
    let after = bytes[at..].iter().take_while(printable).take(60).count();
    String::from_utf8_lossy(&bytes[at - before..at + after]).into_owned()
}

fn libc_symbols(subject: &Subject, findings: &mut Findings) -> miette::Result<()> {
    let Some(tree) = subject.tree(findings) else { return Ok(()) };
    let mut defined: BTreeMap<String, Option<BTreeSet<String>>> = BTreeMap::new();
    for entry in ours(tree) {
        let bytes = std::fs::read(tree.on_host(&entry.path)).into_diagnostic()?;
        // A script needs nothing.
        if !bytes.starts_with(b"\x7fELF") {
            continue;
        }
        let needed = needed(&bytes).into_diagnostic()?;
        for (library, versions) in needed {
            let has = match defined.get(&library) {
                Some(has) => has,
                None => {
                    let has = library_in(tree, &library)?;
                    defined.entry(library.clone()).or_insert(has)
                }
            };
            let Some(has) = has else {
                findings.add(&entry.path, format!("{library} is not in the root"));
                continue;
            };
            for version in versions.difference(has) {
                let message = format!("it needs {version}, which the root's {library} has not");
                findings.add(&entry.path, message);
            }
        }
    }
    Ok(())
}

/// The symbol versions that a library of the root defines; nothing if it is not
/// there.
fn library_in(tree: &Tree, library: &str) -> miette::Result<Option<BTreeSet<String>>> {
    for folder in ["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib"] {
        if let Ok(bytes) = tree.read(&format!("{folder}/{library}")) {
            return defined(&bytes).into_diagnostic().map(Some);
        }
    }
    Ok(None)
}

/// Library → symbol versions that a program needs of it.
fn needed(bytes: &[u8]) -> object::Result<BTreeMap<String, BTreeSet<String>>> {
    let elf = FileHeader64::<Endianness>::parse(bytes)?;
    let endian = elf.endian()?;
    let sections = elf.sections(endian, bytes)?;
    let mut needed = BTreeMap::new();
    let Some((mut libraries, link)) = sections.gnu_verneed(endian, bytes)? else {
        return Ok(needed);
    };
    let strings = sections.strings(endian, bytes, link)?;
    while let Some((library, mut versions)) = libraries.next()? {
        let name = String::from_utf8_lossy(library.file(endian, strings)?).into_owned();
        let found: &mut BTreeSet<String> = needed.entry(name).or_default();
        while let Some(version) = versions.next()? {
            found.insert(String::from_utf8_lossy(version.name(endian, strings)?).into_owned());
        }
    }
    Ok(needed)
}

/// The symbol versions that a library defines.
fn defined(bytes: &[u8]) -> object::Result<BTreeSet<String>> {
    let elf = FileHeader64::<Endianness>::parse(bytes)?;
    let endian = elf.endian()?;
    let sections = elf.sections(endian, bytes)?;
    let mut defined = BTreeSet::new();
    let Some((mut versions, link)) = sections.gnu_verdef(endian, bytes)? else {
        return Ok(defined);
    };
    let strings = sections.strings(endian, bytes, link)?;
    while let Some((_, mut names)) = versions.next()? {
        // The first name is the version's own; those after it are what it follows.
        if let Some(name) = names.next()? {
            defined.insert(String::from_utf8_lossy(name.name(endian, strings)?).into_owned());
        }
    }
    Ok(defined)
}

#[cfg(test)]
mod tests {
    use super::{needed, path_around};

    #[test]
    fn a_program_tells_which_symbols_it_needs() {
        // This test is a program that somebody's compiler linked.
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let needed = needed(&own).unwrap();
        assert!(
            needed["libc.so.6"].iter().all(|version| version.starts_with("GLIBC_")),
            "{needed:?}"
        );
    }

    #[test]
    fn a_path_is_shown_without_what_is_around_it() {
        assert_eq!(path_around(b"\0x\0/home/ann/a.rs\0more", 3), "/home/ann/a.rs");
    }
}
