//! Unified kernel images: PE files whose sections are a kernel, an initrd, a
//! command line and what describes them.

use object::pe::{self, ImageNtHeaders64};
use object::read::pe::PeFile;
use serde::Serialize;
use std::collections::BTreeMap;

/// What a unified kernel image says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Uki {
    /// `/etc/os-release` of its root, by key.
    pub os_release: BTreeMap<String, String>,
    /// Version of its kernel.
    pub uname: Option<String>,
    /// Its kernel command line.
    pub command_line: Option<String>,
    /// Further boot entries of the same image.
    pub profiles: Vec<Profile>,
    /// Sections and their sizes, in order.
    pub sections: Vec<Section>,
    /// Whether it carries a Secure Boot signature.
    pub signed: bool,
}

/// One boot entry of several.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "BootEntry"))]
pub struct Profile {
    /// `ID=` and `TITLE=` of the entry, as written.
    pub description: BTreeMap<String, String>,
    /// Its command line, where it has one of its own.
    pub command_line: Option<String>,
}

/// A section of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Section {
    /// Its name.
    pub name: String,
    /// Bytes.
    pub size: u64,
}

impl Uki {
    /// `IMAGE_VERSION` of its os-release.
    pub fn version(&self) -> Option<&str> {
        self.os_release.get("IMAGE_VERSION").map(String::as_str)
    }

    /// Every command line that it can boot with.
    pub fn command_lines(&self) -> impl Iterator<Item = &str> {
        let own = self.profiles.iter().filter_map(|profile| profile.command_line.as_deref());
        self.command_line.as_deref().into_iter().chain(own)
    }

    /// The value of a word of its command line.
    pub fn parameter(&self, key: &str) -> Option<&str> {
        self.command_line.as_deref().and_then(|line| parameter(line, key))
    }
}

/// The value of the last `key=value` on a kernel command line.
pub fn parameter<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.split_whitespace()
        .filter_map(|word| word.split_once('='))
        .filter(|(name, _)| *name == key)
        .map(|(_, value)| value)
        .next_back()
}

/// Reads the sections of a unified kernel image.
pub fn parse(bytes: &[u8]) -> Result<Uki, object::read::Error> {
    let file = PeFile::<ImageNtHeaders64>::parse(bytes)?;
    let signature = file.data_directories().get(pe::IMAGE_DIRECTORY_ENTRY_SECURITY);
    let mut uki = Uki { signed: signature.is_some(), ..Uki::default() };
    for section in file.section_table().iter() {
        let name = String::from_utf8_lossy(section.raw_name()).into_owned();
        let data = section.pe_data(bytes)?;
        let text = || String::from_utf8_lossy(data).trim_matches('\0').trim().to_owned();
        match name.as_str() {
            ".profile" => {
                uki.profiles.push(Profile { description: fields(&text()), command_line: None });
            }
            ".cmdline" => match uki.profiles.last_mut() {
                Some(profile) => profile.command_line = Some(text()),
                None => uki.command_line = Some(text()),
            },
            ".osrel" if uki.profiles.is_empty() => uki.os_release = fields(&text()),
            ".uname" if uki.profiles.is_empty() => uki.uname = Some(text()),
            _ => {}
        }
        uki.sections.push(Section { name, size: data.len() as u64 });
    }
    Ok(uki)
}

/// The content of a section.
pub fn section(bytes: &[u8], name: &str) -> Result<Option<Vec<u8>>, object::read::Error> {
    let file = PeFile::<ImageNtHeaders64>::parse(bytes)?;
    let found = file.section_table().iter().find(|section| section.raw_name() == name.as_bytes());
    Ok(found.map(|section| section.pe_data(bytes)).transpose()?.map(<[u8]>::to_vec))
}

/// The fields of an os-release file.
pub fn fields(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.trim_matches(['"', '\'']).to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{fields, parameter, parse};
    use object::write::pe::{NtHeaders, Writer};
    use proptest::prelude::*;

    /// A PE file with the given sections.
    fn pe(sections: &[(&str, &str)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(true, 4096, 512, &mut bytes);
        writer.reserve_dos_header_and_stub();
        writer.reserve_nt_headers(16);
        writer.reserve_section_headers(sections.len() as u16);
        let places: Vec<_> = sections
            .iter()
            .map(|(name, text)| {
                let mut raw = [0; 8];
                raw[..name.len()].copy_from_slice(name.as_bytes());
                writer.reserve_section(
                    raw,
                    object::pe::IMAGE_SCN_MEM_READ,
                    text.len() as u32,
                    text.len() as u32,
                )
            })
            .collect();
        writer.write_dos_header_and_stub().unwrap();
        writer.write_nt_headers(NtHeaders {
            machine: object::pe::IMAGE_FILE_MACHINE_AMD64,
            time_date_stamp: 0,
            characteristics: object::pe::IMAGE_FILE_EXECUTABLE_IMAGE,
            major_linker_version: 0,
            minor_linker_version: 0,
            address_of_entry_point: 0,
            image_base: 0,
            major_operating_system_version: 0,
            minor_operating_system_version: 0,
            major_image_version: 0,
            minor_image_version: 0,
            major_subsystem_version: 0,
            minor_subsystem_version: 0,
            subsystem: object::pe::IMAGE_SUBSYSTEM_EFI_APPLICATION,
            dll_characteristics: Default::default(),
            size_of_stack_reserve: 0,
            size_of_stack_commit: 0,
            size_of_heap_reserve: 0,
            size_of_heap_commit: 0,
        });
        writer.write_section_headers();
        for (place, (_, text)) in places.iter().zip(sections) {
            writer.write_section(place.file_offset, text.as_bytes());
        }
        bytes
    }

    #[test]
    fn each_boot_entry_keeps_its_own_command_line() {
        let uki = parse(&pe(&[
            (".osrel", "IMAGE_ID=retail\nIMAGE_VERSION=\"7\"\n"),
            (".cmdline", "roothash=aa quiet\0"),
            (".uname", "6.12.1"),
            (".profile", "ID=main\n"),
            (".profile", "ID=reset\nTITLE='Factory reset'\n"),
            (".cmdline", "roothash=aa systemd.factory_reset=1"),
        ]))
        .unwrap();
        assert_eq!(uki.version(), Some("7"));
        assert_eq!(uki.uname.as_deref(), Some("6.12.1"));
        assert_eq!(uki.parameter("roothash"), Some("aa"));
        assert_eq!(uki.profiles.len(), 2);
        assert_eq!(uki.profiles[0].command_line, None);
        assert_eq!(uki.profiles[1].description["TITLE"], "Factory reset");
        assert_eq!(uki.command_lines().count(), 2);
        assert!(!uki.signed);
    }

    #[test]
    fn the_last_of_two_values_counts_as_it_does_for_the_kernel() {
        assert_eq!(parameter("roothash=a roothash=b quiet", "roothash"), Some("b"));
        assert_eq!(parameter("xroothash=a", "roothash"), None);
    }

    #[test]
    fn os_release_values_lose_their_quotes() {
        assert_eq!(fields("# c\nA=\"x y\"\nB='z'\nC=w")["A"], "x y");
    }

    proptest! {
        #[test]
        fn a_damaged_image_is_an_error_and_never_a_panic(
            damage in prop::collection::vec((0_usize..4096, any::<u8>()), 1..40),
            cut in 0_usize..4096,
        ) {
            let mut bytes = pe(&[(".cmdline", "roothash=aa"), (".profile", "ID=x"), (".osrel", "A=b")]);
            for (at, byte) in damage {
                if let Some(place) = bytes.get_mut(at) {
                    *place = byte;
                }
            }
            bytes.truncate(cut.max(64));
            let _ = parse(&bytes);
        }
    }
}
