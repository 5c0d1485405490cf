//! Which libraries a program needs: those that it is linked with, and those
//! that it says it may load later (the `.note.dlopen` notes of systemd).

use object::elf::{DT_NEEDED, DT_RPATH, DT_RUNPATH, PT_INTERP};
use object::read::elf::{Dyn, ElfFile64, FileHeader, ProgramHeader};
use object::{Object, ObjectSection};

/// What an ELF file asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// File names of libraries.
    pub libraries: Vec<String>,
    /// Libraries that it loads if they are there and that matter to it.
    pub recommended: Vec<String>,
    /// Directories where it looks first.
    pub search: Vec<String>,
    /// The program that starts it.
    pub interpreter: Option<String>,
}

/// Reads an ELF file; nothing if it is another kind of file, or a broken one.
pub(crate) fn needs(bytes: &[u8]) -> Option<Needs> {
    let file = ElfFile64::<object::Endianness>::parse(bytes).ok()?;
    let endian = file.endian();
    let header = file.elf_header();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut needs = Needs::default();
    for segment in header.program_headers(endian, bytes).ok()? {
        if segment.p_type(endian) == PT_INTERP {
            let path = segment.data(endian, bytes).ok()?;
            needs.interpreter = Some(text(path.strip_suffix(b"\0").unwrap_or(path)));
        }
    }
    let sections = header.sections(endian, bytes).ok()?;
    if let Some((entries, strings)) = sections.dynamic(endian, bytes).ok()? {
        let strings = sections.strings(endian, bytes, strings).ok()?;
        for entry in entries {
            let Ok(value) = entry.string(endian, strings) else { continue };
            match entry.d_tag(endian) {
                DT_NEEDED => needs.libraries.push(text(value)),
                DT_RPATH | DT_RUNPATH => {
                    needs.search.extend(text(value).split(':').map(str::to_owned));
                }
                _ => {}
            }
        }
    }
    if let Some(section) = file.section_by_name(".note.dlopen") {
        needs.recommended = section.data().map(dlopen_notes).unwrap_or_default();
    }
    Some(needs)
}

/// The libraries of notes marked `required` or `recommended`.
fn dlopen_notes(section: &[u8]) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Note {
        #[serde(default)]
        priority: String,
        soname: Vec<String>,
    }
    let word = |at: usize| {
        let bytes = section.get(at..at + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
    };
    let mut libraries = Vec::new();
    let mut at = 0;
    while let (Some(name_size), Some(size)) = (word(at), word(at + 4)) {
        let content = at + 12 + name_size.next_multiple_of(4);
        let Some(bytes) = section.get(content..content.saturating_add(size)) else { break };
        let json = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        for note in serde_json::from_slice::<Vec<Note>>(json).unwrap_or_default() {
            if matches!(note.priority.as_str(), "required" | "recommended") {
                libraries.extend(note.soname);
            }
        }
        at = content + size.next_multiple_of(4);
    }
    libraries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_program_needs_libc_and_an_interpreter() {
        let me = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let needs = needs(&me).unwrap();
        assert!(needs.libraries.iter().any(|name| name.starts_with("libc.so")));
        assert!(needs.interpreter.unwrap().contains("ld-linux"));
    }

    #[test]
    fn a_script_needs_nothing() {
        assert_eq!(needs(b"#!/bin/sh\n"), None);
    }

    #[test]
    fn recommended_libraries_are_read_and_suggested_ones_are_not() {
        let mut section = Vec::new();
        for (priority, name) in [("recommended", "libkmod.so.2"), ("suggested", "libfido2.so.1")] {
            let json =
                format!(r#"[{{"feature":"x","priority":"{priority}","soname":["{name}"]}}]"#);
            section.extend(4_u32.to_le_bytes());
            section.extend((json.len() as u32 + 1).to_le_bytes());
            section.extend([0; 4]);
            section.extend(b"FDO\0");
            section.extend(json.as_bytes());
            section.push(0);
            section.resize(section.len().next_multiple_of(4), 0);
        }
        assert_eq!(dlopen_notes(&section), ["libkmod.so.2"]);
    }

    proptest::proptest! {
        #[test]
        fn no_notes_make_the_reader_panic(bytes: Vec<u8>) {
            let _ = dlopen_notes(&bytes);
            let _ = needs(&bytes);
        }
    }
}
