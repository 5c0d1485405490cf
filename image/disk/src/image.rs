//! An image: a raw file with holes, or one packed with zstd.

use crate::error::Doing;
use crate::menu::Menu;
use crate::source_disk::OnDisk;
use crate::{CHUNK, FlashError, Job, SECTOR, Sectors, Stage, SumsFile, Table, kernel};
use nix::errno::Errno;
use nix::unistd::{Whence, lseek};
use ruzstd::decoding::StreamingDecoder;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufReader, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// How much of a boot partition is kept to look for its kernel: loader and one
/// kernel take a fifth of it.
const PEEK: u64 = 256 << 20;

/// An image, opened once: what is examined is what is written.
#[derive(Debug)]
pub struct Image {
    path: PathBuf,
    file: File,
    packed: bool,
    table: Table,
    on_disk: Option<OnDisk>,
}

/// What was learnt by reading an image from one end to the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// Bytes that are no holes, in whole chunks: what writing it takes.
    pub data: u64,
    /// Whether a list of checksums was there, and agrees.
    pub checked: bool,
    /// The version of the kernel that it boots, where that can be told.
    pub kernel: Option<String>,
    /// The boot menu's settings.
    pub(crate) menu: Option<Menu>,
}

impl Image {
    /// Opens an image and reads its partition table.
    ///
    /// # Errors
    /// When it cannot be read, or is none.
    pub fn open(path: &Path) -> Result<Self, FlashError> {
        let file = File::open(path).doing("opening", path)?;
        let bad = |why: String| FlashError::BadImage { path: path.to_owned(), why };
        if !file.metadata().doing("looking at", path)?.is_file() {
            return Err(bad("it is not a file".into()));
        }
        let mut start = [0; 4];
        let packed = file.read_exact_at(&mut start, 0).is_ok() && start == [0x28, 0xb5, 0x2f, 0xfd];
        let mut head = vec![0; CHUNK as usize];
        let read = if packed {
            fill(&mut Unpacked::new(&file).map_err(bad)?, &mut head)
                .map_err(|error| bad(format!("it does not unpack: {error}")))?
        } else {
            fill(&mut PositionedReader { file: &file, at: 0 }, &mut head).doing("reading", path)?
        };
        head.truncate(read);
        let table = Table::read(&head).map_err(bad)?;
        let image = Self { path: path.to_owned(), file, packed, table, on_disk: None };
        let length = image.file.metadata().doing("looking at", path)?.len();
        if !packed && length < image.table.length {
            return Err(bad(format!(
                "it is cut off: {length} bytes of {} are here",
                image.table.length
            )));
        }
        Ok(image)
    }

    /// A disk in the place of a file.
    pub(crate) fn of_disk(path: &Path, file: File, table: Table, on_disk: OnDisk) -> Self {
        Self { path: path.to_owned(), file, packed: false, table, on_disk: Some(on_disk) }
    }

    /// As it was named.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its partition table.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// How many bytes of a disk it covers.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.table.length
    }

    /// The file, opened for reading.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Whether it is packed.
    #[must_use]
    pub fn is_packed(&self) -> bool {
        self.packed
    }

    /// Compares it with its checksum, if there is one, and sees that it is whole,
    /// before anything is overwritten.
    ///
    /// # Errors
    /// When it is damaged, or cancelled.
    pub fn examine(&self, sums: Option<&SumsFile>, job: Job<'_>) -> Result<Examined, FlashError> {
        if let Some(sums) = sums {
            self.compare(sums, job)?;
        }
        let mut boot = Boot::of(&self.table);
        let (mut data, mut menu) = (0, None);
        // A disk is slow, and is read as a whole; a file's data lie side by side.
        let slow = self.packed || self.on_disk.is_some();
        if slow {
            let used = self.on_disk.as_ref().map(OnDisk::bytes);
            job.events.begin(Stage::Examine, used.unwrap_or(self.length()));
        }
        let mut chunks = self.chunks()?;
        let mut buffer = Vec::new();
        let mut seen = 0;
        while let Some(at) = chunks.next(&mut buffer)? {
            job.check()?;
            data += buffer.len() as u64;
            if let Some((from, piece)) = boot.keep(at, &buffer).doing("reading", &self.path)? {
                menu = menu.or_else(|| Menu::find(piece, from));
            }
            if slow {
                // Of a disk, what lies between is not read.
                let from = if self.packed { seen } else { at };
                job.events.advance(at + buffer.len() as u64 - from);
                seen = at + buffer.len() as u64;
            }
        }
        if slow {
            job.events.end();
        }
        let kernel = kernel::version(boot.sectors);
        Ok(Examined { data, checked: sums.is_some(), kernel, menu })
    }

    /// The version of the kernel that it boots, where that can be told. Reads no more than
    /// its boot partition.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn kernel(&self) -> Result<Option<String>, FlashError> {
        let mut boot = Boot::of(&self.table);
        let (mut chunks, mut buffer) = (self.chunks()?, Vec::new());
        while let Some(at) = chunks.next(&mut buffer)?.filter(|at| *at < boot.kept.end) {
            boot.keep(at, &buffer).doing("reading", &self.path)?;
        }
        Ok(kernel::version(boot.sectors))
    }

    fn compare(&self, sums: &SumsFile, job: Job<'_>) -> Result<(), FlashError> {
        let expected = sums.of(&self.path)?;
        let length = self.file.metadata().doing("looking at", &self.path)?.len();
        job.events.begin(Stage::Examine, length);
        let (mut hash, mut buffer, mut at) = (Sha256::new(), vec![0; CHUNK as usize], 0);
        while at < length {
            job.check()?;
            let want = usize::try_from(length - at).map_or(buffer.len(), |n| n.min(buffer.len()));
            let piece = buffer.get_mut(..want).unwrap_or_default();
            self.file.read_exact_at(piece, at).doing("reading", &self.path)?;
            hash.update(&*piece);
            at += want as u64;
            job.events.advance(want as u64);
        }
        job.events.end();
        let found = hex::encode(hash.finalize());
        if found == expected {
            return Ok(());
        }
        let (path, sums) = (self.path.clone(), sums.path().to_owned());
        Err(FlashError::Checksum { path, sums, found, expected })
    }

    /// The pieces of it that are not all zeros, in order.
    pub(crate) fn chunks(&self) -> Result<Chunks<'_>, FlashError> {
        let source = match &self.on_disk {
            Some(on_disk) => Source::Disk(on_disk),
            None if self.packed => {
                let bad = |why| FlashError::BadImage { path: self.path.clone(), why };
                Source::Packed(Box::new(Unpacked::new(&self.file).map_err(bad)?))
            }
            None => Source::Raw,
        };
        Ok(Chunks { image: self, source, at: 0 })
    }
}

/// What is kept of a boot partition, to look for its kernel.
struct Boot {
    kept: Range<u64>,
    sectors: Sectors,
}

impl Boot {
    fn of(table: &Table) -> Self {
        let esp = table.labelled("esp");
        Self {
            kept: esp.map_or(0..0, |esp| esp.start..esp.end.min(esp.start + PEEK)),
            sectors: Sectors::new(esp.map_or(0, |esp| esp.end - esp.start)),
        }
    }

    /// Takes what belongs to it of a piece of the disk; gives that, and where it lies.
    fn keep<'a>(&mut self, at: u64, piece: &'a [u8]) -> std::io::Result<Option<(u64, &'a [u8])>> {
        let from = self.kept.start.max(at);
        let to = self.kept.end.min(at + piece.len() as u64);
        if from >= to {
            return Ok(None);
        }
        let piece = piece.get((from - at) as usize..(to - at) as usize).unwrap_or(&[]);
        self.sectors.put(from - self.kept.start, piece)?;
        Ok(Some((from, piece)))
    }
}

/// Reads an image piece by piece; pieces of zeros are passed over.
pub(crate) struct Chunks<'a> {
    image: &'a Image,
    source: Source<'a>,
    at: u64,
}

enum Source<'a> {
    Raw,
    Packed(Box<Unpacked<'a>>),
    Disk(&'a OnDisk),
}

impl Chunks<'_> {
    /// Fills the buffer with the next piece and says where it belongs.
    pub(crate) fn next(&mut self, buffer: &mut Vec<u8>) -> Result<Option<u64>, FlashError> {
        let (image, length) = (self.image, self.image.length());
        let path = &image.path;
        loop {
            self.at = match &self.source {
                Source::Raw => data_from(&image.file, self.at, length).doing("reading", path)?,
                Source::Disk(disk) => disk.next_from(self.at, length),
                Source::Packed(_) => self.at,
            };
            if self.at >= length {
                return Ok(None);
            }
            let at = self.at;
            buffer.resize(CHUNK.min(length - at) as usize, 0);
            match &mut self.source {
                Source::Raw => image.file.read_exact_at(buffer, at).doing("reading", path)?,
                Source::Disk(disk) => {
                    disk.read(&image.file, at, buffer).doing("reading", path)?;
                }
                Source::Packed(unpacked) => {
                    let read = fill(unpacked, buffer).map_err(|error| FlashError::BadImage {
                        path: path.clone(),
                        why: format!("it does not unpack: {error}"),
                    })?;
                    if read < buffer.len() {
                        let why =
                            format!("it is cut off after {} unpacked bytes", at + read as u64);
                        return Err(FlashError::BadImage { path: path.clone(), why });
                    }
                }
            }
            self.at += buffer.len() as u64;
            if !is_zeros(buffer) {
                return Ok(Some(at));
            }
        }
    }
}

/// The chunk at or after `at` that is not a hole.
fn data_from(file: &File, at: u64, length: u64) -> std::io::Result<u64> {
    let from = i64::try_from(at).map_err(std::io::Error::other)?;
    match lseek(file, from, Whence::SeekData) {
        Ok(found) => Ok(u64::try_from(found).map_or(at, |found| found - found % CHUNK).max(at)),
        Err(Errno::ENXIO) => Ok(length),
        Err(error) => Err(error.into()),
    }
}

/// Compares with zeros as memory does, which is quick in a debug build too.
pub(crate) fn is_zeros(bytes: &[u8]) -> bool {
    static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
    bytes.chunks(ZEROS.len()).all(|piece| ZEROS.get(..piece.len()) == Some(piece))
}

/// Reads until the buffer is full or the source ends.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// A file from its start, whatever the position of its descriptor is.
#[derive(Debug)]
struct PositionedReader<'a> {
    file: &'a File,
    at: u64,
}

impl Read for PositionedReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// The frames of a zstd file, one after the other.
struct Unpacked<'a> {
    decoder:
        Option<StreamingDecoder<BufReader<PositionedReader<'a>>, ruzstd::decoding::FrameDecoder>>,
}

impl<'a> Unpacked<'a> {
    fn new(file: &'a File) -> Result<Self, String> {
        let source = BufReader::with_capacity(1 << 20, PositionedReader { file, at: 0 });
        let decoder = StreamingDecoder::new(source)
            .map_err(|error| format!("it does not unpack: {error}"))?;
        Ok(Self { decoder: Some(decoder) })
    }
}

impl Read for Unpacked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        use std::io::BufRead;
        while let Some(decoder) = &mut self.decoder {
            let count = decoder.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let Some(mut source) = self.decoder.take().map(StreamingDecoder::into_inner) else {
                break;
            };
            if !source.fill_buf()?.is_empty() {
                let next = StreamingDecoder::new(source).map_err(std::io::Error::other)?;
                self.decoder = Some(next);
            }
        }
        Ok(0)
    }
}

const _: () = assert!(CHUNK.is_multiple_of(SECTOR));
