//! An image as `ashlar build` lays it out, in small: a boot partition with a
//! kernel's version in it, a root with holes, a seed.

use fatfs::{FileSystem, FormatVolumeOptions, FsOptions};
use gpt::{GptConfig, partition_types};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Its length.
pub(crate) const LENGTH: u64 = 64 << 20;
/// A site that can be read.
pub(crate) const SITE: &str = "version = 1\nname = \"shop\"\n\
    ring-key = \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"\n";

/// Writes an image that boots `kernel` to `directory/small.raw`.
pub(crate) fn write(directory: &Path, kernel: &str) -> PathBuf {
    write_with(directory, kernel, 20)
}

/// The same with a root of so many MiB; no more of it is filled.
pub(crate) fn write_with(directory: &Path, kernel: &str, root_mib: u64) -> PathBuf {
    let path = directory.join("small.raw");
    let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    file.set_len(LENGTH - (20 << 20) + (root_mib << 20)).unwrap();
    let mut disk = GptConfig::new()
        .writable(true)
        .create_from_device(file.try_clone().unwrap(), None)
        .unwrap();
    let mib = |count: u64| count << 20;
    for (label, size, kind, alignment) in [
        ("esp", mib(20), partition_types::EFI, 2048),
        ("root-a", mib(root_mib), partition_types::LINUX_FS, 2048),
        ("seed", mib(20) + 8192, partition_types::BASIC, 2048),
        // Two that share a MiB, as systemd-repart lays them.
        ("sig-a", 16 << 10, partition_types::LINUX_FS, 8),
    ] {
        disk.add_partition(label, size, kind, 0, Some(alignment)).unwrap();
    }
    let place = |label: &str| {
        let part = disk.partitions().values().find(|part| part.name == label).unwrap();
        part.first_lba * 512
    };
    let (esp, root, signature) = (place("esp"), place("root-a"), place("sig-a"));
    disk.write().unwrap();
    boot(&file, esp, mib(20), kernel);
    // A root with a hole that means zeros, and room behind its end.
    file.write_all_at(&[0xA5; 70_000], root).unwrap();
    file.write_all_at(&[0x5A; 300_000], root + mib(9) + 12_345).unwrap();
    file.write_all_at(b"signed", signature).unwrap();
    path
}

fn boot(file: &File, at: u64, size: u64, kernel: &str) {
    let mut part = Part { file: file.try_clone().unwrap(), start: at, size, position: 0 };
    fatfs::format_volume(&mut part, FormatVolumeOptions::new().volume_label(*b"ESP        "))
        .unwrap();
    part.seek(SeekFrom::Start(0)).unwrap();
    let volume = FileSystem::new(part, FsOptions::new()).unwrap();
    let linux = volume.root_dir().create_dir("EFI").unwrap().create_dir("Linux").unwrap();
    let mut uki = linux.create_file("ashlar_1.efi").unwrap();
    uki.write_all(&unified(kernel)).unwrap();
    let loader = volume.root_dir().create_dir("loader").unwrap();
    let mut settings = loader.create_file("loader.conf").unwrap();
    settings.write_all(include_bytes!("../../../build/data/loader.conf")).unwrap();
}

/// The boot menu's settings on a disk.
pub(crate) fn menu(disk: &File) -> String {
    let table = GptConfig::new().open_from_device(disk.try_clone().unwrap()).unwrap();
    let esp = table.partitions().values().find(|part| part.name == "esp").unwrap();
    let size = (esp.last_lba + 1 - esp.first_lba) * 512;
    let part = Part::new(disk.try_clone().unwrap(), esp.first_lba * 512, size);
    let volume = FileSystem::new(part, FsOptions::new()).unwrap();
    let mut text = String::new();
    let mut file = volume.root_dir().open_file("loader/loader.conf").unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

/// A PE file with a `.uname`.
fn unified(kernel: &str) -> Vec<u8> {
    use object::pe;
    let mut bytes = Vec::new();
    let mut writer = object::write::pe::Writer::new(true, 4096, 512, &mut bytes);
    writer.reserve_dos_header_and_stub();
    writer.reserve_nt_headers(16);
    writer.reserve_section_headers(1);
    let range = writer.reserve_section(
        *b".uname\0\0",
        pe::IMAGE_SCN_CNT_INITIALIZED_DATA | pe::IMAGE_SCN_MEM_READ,
        kernel.len() as u32,
        kernel.len() as u32,
    );
    writer.write_dos_header_and_stub().unwrap();
    writer.write_nt_headers(object::write::pe::NtHeaders {
        machine: pe::IMAGE_FILE_MACHINE_AMD64,
        time_date_stamp: 0,
        characteristics: pe::IMAGE_FILE_EXECUTABLE_IMAGE,
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
        subsystem: pe::IMAGE_SUBSYSTEM_EFI_APPLICATION,
        dll_characteristics: pe::DllFlags(0),
        size_of_stack_reserve: 0,
        size_of_stack_commit: 0,
        size_of_heap_reserve: 0,
        size_of_heap_commit: 0,
    });
    writer.write_section_headers();
    writer.write_section(range.file_offset, kernel.as_bytes());
    bytes
}

/// A partition as a file of its own.
pub(crate) struct Part {
    file: File,
    start: u64,
    size: u64,
    position: u64,
}

impl Part {
    /// The bytes of a partition.
    pub(crate) fn new(file: File, start: u64, size: u64) -> Self {
        Self { file, start, size, position: 0 }
    }
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let want = buffer.len().min((self.size - self.position) as usize);
        let read = self.file.read_at(&mut buffer[..want], self.start + self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Write for Part {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        let want = buffer.len().min((self.size - self.position) as usize);
        let written = self.file.write_at(&buffer[..want], self.start + self.position)?;
        self.position += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Seek for Part {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.position = match to {
            SeekFrom::Start(offset) => offset,
            SeekFrom::End(offset) => self.size.checked_add_signed(offset).unwrap(),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset).unwrap(),
        };
        Ok(self.position)
    }
}

/// What is in the seed of a disk: its volume's label, and the site.
pub(crate) fn seed(disk: &File) -> (String, String) {
    let table = GptConfig::new().open_from_device(disk.try_clone().unwrap()).unwrap();
    let seed = table.partitions().values().find(|part| part.name == "seed").unwrap();
    let size = (seed.last_lba + 1 - seed.first_lba) * 512;
    let part = Part::new(disk.try_clone().unwrap(), seed.first_lba * 512, size);
    let volume = FileSystem::new(part, FsOptions::new()).unwrap();
    let mut text = String::new();
    volume.root_dir().open_file("site.toml").unwrap().read_to_string(&mut text).unwrap();
    (volume.volume_label(), text)
}
