//! What makes a disk image a DVD as well: the descriptors of ISO 9660 and El Torito.
//!
//! They lie between the partition table (which ends below 32 KiB) and the first
//! partition (at 1 MiB), where a disk has nothing, and give the firmware the disk's
//! own ESP to start from. Nothing else of the image is another byte.

/// A sector of a DVD.
const SECTOR: u64 = 2048;
/// Where the descriptors begin.
pub(crate) const START: u64 = 16 * SECTOR;
/// What a volume's name and its one file say to whoever puts the DVD into a computer.
const NAME: &str = "ASHLAR";
const README: &str = "\
This is a bootable Ashlar appliance. Start a computer with UEFI firmware from it.\r
\r
From a DVD it runs in memory, keeps nothing and joins no cluster: it shows whether\r
this hardware works. To set up a node, write this file to a stick or a disk:\r
\r
    ashlar flash /dev/sdX --site SITE --image FILE.iso\r
";

/// Sectors of the parts, behind the volume (16), the boot record (17) and the end of
/// descriptors (18).
const CATALOG: u32 = 19;
const LITTLE_PATHS: u32 = 20;
const BIG_PATHS: u32 = 21;
const FOLDER: u32 = 22;
const FILE: u32 = 23;
const LAST: u32 = FILE;

/// How many bytes the descriptors are.
pub(crate) const LENGTH: u64 = (LAST as u64 + 1) * SECTOR - START;

/// The descriptors of an image of `length` bytes, whose ESP begins at byte `esp`;
/// nothing if they are not whole sectors of a DVD, or more than it can count.
pub(crate) fn descriptors(length: u64, esp: u64) -> Option<Vec<u8>> {
    let sectors = |bytes: u64| {
        let whole = bytes.is_multiple_of(SECTOR).then_some(bytes / SECTOR)?;
        u32::try_from(whole).ok()
    };
    let (length, esp) = (sectors(length)?, sectors(esp)?);
    let mut all = Vec::new();
    for sector in [
        primary(length),
        boot_record(),
        descriptor(255).bytes,
        catalog(esp),
        paths(u32::to_le_bytes, u16::to_le_bytes),
        paths(u32::to_be_bytes, u16::to_be_bytes),
        folder(),
        README.as_bytes().to_vec(),
    ] {
        let begun = all.len();
        all.extend(sector);
        all.resize(begun + SECTOR as usize, 0);
    }
    Some(all)
}

/// Bytes that grow field by field.
#[derive(Default)]
struct Fields {
    bytes: Vec<u8>,
}

impl Fields {
    fn put(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend(bytes);
        self
    }

    fn zeros(mut self, count: usize) -> Self {
        self.bytes.resize(self.bytes.len() + count, 0);
        self
    }

    /// Text, filled up with spaces.
    fn text(mut self, text: &str, length: usize) -> Self {
        let end = self.bytes.len() + length;
        self.bytes.extend(text.as_bytes());
        self.bytes.resize(end, b' ');
        self
    }

    /// A number in both byte orders.
    fn both16(self, number: u16) -> Self {
        self.put(&number.to_le_bytes()).put(&number.to_be_bytes())
    }

    fn both32(self, number: u32) -> Self {
        self.put(&number.to_le_bytes()).put(&number.to_be_bytes())
    }

    /// A date that is not given.
    fn no_date(self) -> Self {
        self.put(&[b'0'; 16]).zeros(1)
    }
}

/// The beginning of a volume descriptor.
fn descriptor(kind: u8) -> Fields {
    Fields::default().put(&[kind]).put(b"CD001").put(&[1])
}

fn primary(length: u32) -> Vec<u8> {
    let paths_bytes = 10;
    descriptor(1)
        .zeros(1)
        .text("", 32)
        .text(NAME, 32)
        .zeros(8)
        .both32(length)
        .zeros(32)
        .both16(1)
        .both16(1)
        .both16(SECTOR as u16)
        .both32(paths_bytes)
        .put(&LITTLE_PATHS.to_le_bytes())
        .zeros(4)
        .put(&BIG_PATHS.to_be_bytes())
        .zeros(4)
        .put(&record(b"\0", FOLDER, SECTOR as u32, true))
        // Names of the set, the publisher, the preparer, the program, and of files
        // about them.
        .text("", 4 * 128 + 3 * 37)
        .no_date()
        .no_date()
        .no_date()
        .no_date()
        .put(&[1])
        .bytes
}

fn boot_record() -> Vec<u8> {
    descriptor(0).put(b"EL TORITO SPECIFICATION").zeros(9 + 32).put(&CATALOG.to_le_bytes()).bytes
}

/// One entry, for UEFI. Its count of sectors is too short for an ESP; 1 means all up
/// to the end of the medium (UEFI, 13.3.2.1).
fn catalog(esp: u32) -> Vec<u8> {
    let head = |sum: u16| {
        let begun = Fields::default().put(&[1, 0xef, 0, 0]).put(b"ASHLAR").zeros(18);
        begun.put(&sum.to_le_bytes()).put(&[0x55, 0xaa])
    };
    let words = head(0).bytes;
    let words = words.chunks(2).filter_map(|pair| Some(u16::from_le_bytes(pair.try_into().ok()?)));
    let sum = words.fold(0, u16::wrapping_add).wrapping_neg();
    head(sum).put(&[0x88, 0, 0, 0, 0, 0]).put(&1_u16.to_le_bytes()).put(&esp.to_le_bytes()).bytes
}

fn paths(long: fn(u32) -> [u8; 4], short: fn(u16) -> [u8; 2]) -> Vec<u8> {
    Fields::default().put(&[1, 0]).put(&long(FOLDER)).put(&short(1)).zeros(2).bytes
}

fn folder() -> Vec<u8> {
    let own = |name| record(name, FOLDER, SECTOR as u32, true);
    let file = record(b"README.TXT;1", FILE, README.len() as u32, false);
    [own(b"\0"), own(b"\x01"), file].concat()
}

/// An entry of a folder.
fn record(name: &[u8], place: u32, length: u32, folder: bool) -> Vec<u8> {
    let padding = usize::from(name.len().is_multiple_of(2));
    let size = 33 + name.len() + padding;
    Fields::default()
        .put(&[size as u8, 0])
        .both32(place)
        .both32(length)
        .zeros(7)
        .put(&[u8::from(folder) << 1, 0, 0])
        .both16(1)
        .put(&[name.len() as u8])
        .put(name)
        .zeros(padding)
        .bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(bytes: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
    }

    #[test]
    fn the_boot_catalogue_points_at_the_esp_and_its_words_add_up_to_nothing() {
        let all = descriptors(4 << 30, 1 << 20).unwrap();
        assert_eq!(all.len() as u64, LENGTH);
        let sector = |number: u32| &all[(number as usize - 16) * 2048..][..2048];
        assert!(sector(17)[7..].starts_with(b"EL TORITO SPECIFICATION"));
        let catalog = sector(word(sector(17), 0x47));
        let words = catalog[..32].chunks(2).map(|it| u16::from_le_bytes(it.try_into().unwrap()));
        assert_eq!(words.fold(0, u16::wrapping_add), 0);
        assert_eq!((catalog[1], &catalog[30..32]), (0xef, &[0x55, 0xaa][..]));
        assert_eq!((catalog[32], word(catalog, 40)), (0x88, 512));
    }

    #[test]
    fn every_descriptor_has_its_length_and_the_volume_that_of_the_image() {
        let all = descriptors(4 << 30, 1 << 20).unwrap();
        let volume = &all[..2048];
        assert_eq!(word(volume, 80), 2 << 20);
        assert_eq!(primary(1).len(), 882);
        assert_eq!(volume[881], 1, "the version follows the last date");
        let end = &all[2 * 2048..][..7];
        assert_eq!((end[0], &end[1..6]), (255, &b"CD001"[..]));
        // The folder's own entry, its parent, and the file with its text.
        let folder = &all[6 * 2048..][..2048];
        let file = &folder[usize::from(folder[0]) * 2..];
        assert_eq!(&file[33..45], b"README.TXT;1");
        assert_eq!(word(file, 10) as usize, README.len());
        assert!(all[7 * 2048..].starts_with(README.as_bytes()));
        assert!(README.len() <= 2048 && README.is_ascii());
    }

    #[test]
    fn what_a_dvd_cannot_count_is_refused() {
        assert_eq!(descriptors((4 << 30) + 512, 1 << 20), None);
        assert_eq!(descriptors(1 << 44, 1 << 20), None);
    }
}
