//! The order of writing.
//!
//! 1. The first and the last MiB are zeroed: from here on nothing takes the disk
//!    for what it was, and it does not boot.
//! 2. Everything but the first MiB is written, with the patch laid over it.
//! 3. All of that is read back, past the cache, and compared by hash. Marks in
//!    the part of the disk that the image does not reach show whether the disk is
//!    as large as it says.
//! 4. The first MiB is written, and read back.
//!
//! Zeros of the image are of two kinds. Between the data of one partition they
//! mean something (a table of free clusters, a block of a verified root), and are
//! made by the disk itself where it can, else sent. Behind a partition's last
//! data they are room, and sending gigabytes of them to a stick would take
//! minutes; only the first of them are written, so that nothing of what was
//! there before is taken for a file system.

use crate::error::{DiskNow, Doing, Failure};
use crate::image::{Chunks, Image, is_zeros};
use crate::medium::Medium;
use crate::{CHUNK, FlashError, Job, Patch, SECTOR, Stage};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Zeros that are written behind the last data of a partition.
const MARGIN: u64 = 4 << 20;
/// So often the disk must have written what it was sent, which keeps the rate
/// that is shown the disk's own, and the wait after Ctrl-C short.
const SETTLE: u64 = 16 << 20;
/// Into how many parts the unused rest of a disk is divided by marks.
const MARKS: u64 = 8;
/// In pieces of this a disk is emptied of which nothing is known, or which is slow,
const SLOW_PIECE: u64 = 64 << 20;
/// and up to this one that is done with a piece
const QUICK_PIECE: u64 = 16 << 30;
/// within this.
const QUICK: Duration = Duration::from_millis(250);

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Bytes that were sent to the disk.
    pub sent: u64,
    /// Bytes that were read back; more, where the disk made zeros by itself.
    pub read: u64,
}

/// Writes an image with its patch onto a medium.
///
/// `data` is how many bytes the image has, for progress; `sequence` is the
/// medium's from when a person looked at it.
///
/// # Errors
/// With why it was not written to the end, and what the disk is now.
pub fn flash(
    image: &Image,
    patch: Patch,
    medium: &dyn Medium,
    disk: &Path,
    data: u64,
    sequence: Option<u64>,
    job: Job<'_>,
) -> Result<Written, Failure> {
    let mut run = Run {
        medium,
        disk,
        job,
        patch,
        written: Vec::new(),
        marks: Vec::new(),
        sent: 0,
        unsettled: 0,
        now: DiskNow::Untouched,
    };
    run.all(image, data, sequence).map_err(|why| Failure {
        why: Box::new(why),
        now: run.now,
        disk: disk.to_owned(),
    })
}

/// A piece of the disk, and what must be in it.
struct Piece {
    at: u64,
    length: u64,
    hash: [u8; 32],
}

struct Run<'a> {
    medium: &'a dyn Medium,
    disk: &'a Path,
    job: Job<'a>,
    patch: Patch,
    written: Vec<Piece>,
    marks: Vec<u64>,
    sent: u64,
    unsettled: u64,
    now: DiskNow,
}

impl Run<'_> {
    fn all(&mut self, image: &Image, data: u64, seen: Option<u64>) -> Result<Written, FlashError> {
        self.job.check()?;
        let size = self.medium.size();
        self.mark(image.length().max(CHUNK), size)?;
        if seen.is_some() && self.medium.sequence().doing("looking at", self.disk)? != seen {
            return Err(FlashError::Changed { path: self.disk.to_owned() });
        }
        self.wipe(size)?;
        self.job.events.begin(Stage::Write, data + self.marks.len() as u64 * CHUNK + CHUNK);
        let head = self.body(image)?;
        self.medium.settle().doing("writing", self.disk)?;
        self.job.events.end();
        let read = self.written.iter().map(|piece| piece.length).sum::<u64>() + head.len() as u64;
        self.read_back(read)?;
        for at in std::mem::take(&mut self.marks) {
            self.medium.write_at(at, &[0; SECTOR as usize]).doing("writing", self.disk)?;
        }
        self.medium.sync().doing("writing", self.disk)?;
        self.job.check()?;

        self.now = DiskNow::Unknown;
        if let Err(why) = self.head(&head) {
            // Better none than half a one.
            let wiped = self.medium.write_at(0, &vec![0; head.len()]);
            if wiped.and_then(|()| self.medium.sync()).is_ok() {
                self.now = DiskNow::NotBootable;
            }
            return Err(why);
        }
        self.job.events.end();
        Ok(Written { sent: self.sent + head.len() as u64, read })
    }

    /// Writes the first MiB, which makes a bootable disk of it.
    fn head(&self, head: &[u8]) -> Result<(), FlashError> {
        self.medium.write_at(0, head).doing("writing", self.disk)?;
        self.medium.settle().doing("writing", self.disk)?;
        self.compare(&piece(0, head))
    }

    /// Marks what the image does not reach, so that a disk that says it is larger
    /// than it is loses either a mark or what the mark fell onto.
    fn mark(&mut self, from: u64, size: u64) -> Result<(), FlashError> {
        let step = size.saturating_sub(from) / MARKS;
        let step = step - step % CHUNK;
        for number in (1..MARKS).filter(|_| step > CHUNK) {
            let at = from - from % CHUNK + number * step;
            let word = [Uuid::new_v4(), Uuid::new_v4()].map(Uuid::into_bytes).concat();
            let mark = word.repeat(SECTOR as usize / word.len());
            self.patch.sectors.put(at, &mark).doing("marking", self.disk)?;
            self.marks.push(at);
        }
        Ok(())
    }

    fn wipe(&mut self, size: u64) -> Result<(), FlashError> {
        self.now = DiskNow::NotBootable;
        let zeros = vec![0; CHUNK as usize];
        let end = size - CHUNK.min(size);
        for at in [0, end] {
            self.medium.write_at(at, &zeros).doing("wiping", self.disk)?;
        }
        self.medium.sync().doing("wiping", self.disk)?;
        self.empty(CHUNK, end)
    }

    /// Tells the disk that nothing on it is needed: some do that at once, others take
    /// minutes, which whoever waits must see. One that cannot need not.
    fn empty(&mut self, from: u64, end: u64) -> Result<(), FlashError> {
        let (mut at, mut piece) = (from, SLOW_PIECE);
        while at < end {
            self.job.check()?;
            let length = (end - at).min(piece);
            let began = Instant::now();
            if !self.medium.discard(at, length) {
                break;
            }
            if at == from {
                self.job.events.begin(Stage::Empty, end - from);
            }
            self.job.events.advance(length);
            at += length;
            let quick = began.elapsed() < QUICK;
            piece = if quick { (piece * 2).min(QUICK_PIECE) } else { SLOW_PIECE };
        }
        if at > from {
            self.job.events.end();
        }
        Ok(())
    }

    /// Writes all but the first chunk, which it returns.
    fn body(&mut self, image: &Image) -> Result<Vec<u8>, FlashError> {
        let size = self.medium.size();
        let mut head = vec![0; CHUNK as usize];
        let mut chunks = image.chunks()?;
        let mut pending = Pending::first(&mut chunks)?;
        let mut done = 0;
        loop {
            self.job.check()?;
            let patched = self.next_patched(done, size);
            let Some(at) = [pending.at, patched].into_iter().flatten().min() else { break };
            let length = CHUNK.min(size - at) as usize;
            let mut bytes = if pending.at == Some(at) {
                let bytes = std::mem::take(&mut pending.bytes);
                pending = Pending::first(&mut chunks)?;
                bytes
            } else {
                Vec::new()
            };
            bytes.resize(length, 0);
            self.patch.over(at, &mut bytes);
            self.gap(image, done, Some((at, &bytes)))?;
            if at == 0 {
                head = bytes;
            } else {
                self.put(at, &bytes)?;
            }
            done = at + length as u64;
        }
        self.gap(image, done, None)?;
        Ok(head)
    }

    /// The first chunk at or behind `from` that the patch has sectors in.
    fn next_patched(&self, from: u64, size: u64) -> Option<u64> {
        let at = self.patch.sectors.next_from(from).filter(|at| *at < size)?;
        Some((at - at % CHUNK).max(from))
    }

    /// Zeros what must be zero between two written chunks.
    fn gap(
        &mut self,
        image: &Image,
        from: u64,
        next: Option<(u64, &[u8])>,
    ) -> Result<(), FlashError> {
        let to = next.map_or(u64::MAX, |(at, _)| at);
        for part in &image.table().parts {
            let (start, end) = (part.start.max(from).max(CHUNK), part.end.min(to));
            if start >= end {
                continue;
            }
            // Two partitions may share the next chunk: only its own bytes count.
            let data_follows = next.is_some_and(|(at, bytes)| {
                let own = part.end.saturating_sub(at).min(bytes.len() as u64) as usize;
                bytes.get(..own).is_some_and(|own| !is_zeros(own))
            });
            let length = if data_follows { end - start } else { MARGIN.min(end - start) };
            self.zero(start, length)?;
        }
        Ok(())
    }

    fn zero(&mut self, start: u64, length: u64) -> Result<(), FlashError> {
        let by_itself = self.medium.zeroed(start, length);
        let mut at = start;
        while at < start + length {
            self.job.check()?;
            let zeros = vec![0; CHUNK.min(start + length - at) as usize];
            if by_itself {
                self.written.push(piece(at, &zeros));
            } else {
                self.put(at, &zeros)?;
            }
            at += zeros.len() as u64;
        }
        Ok(())
    }

    fn put(&mut self, at: u64, bytes: &[u8]) -> Result<(), FlashError> {
        self.medium.write_at(at, bytes).doing("writing", self.disk)?;
        self.written.push(piece(at, bytes));
        self.sent += bytes.len() as u64;
        self.unsettled += bytes.len() as u64;
        if self.unsettled >= SETTLE {
            self.medium.sync().doing("writing", self.disk)?;
            self.unsettled = 0;
        }
        self.job.events.advance(bytes.len() as u64);
        Ok(())
    }

    fn read_back(&mut self, bytes: u64) -> Result<(), FlashError> {
        self.job.events.begin(Stage::Verify, bytes);
        let written = std::mem::take(&mut self.written);
        for piece in &written {
            self.job.check()?;
            self.compare(piece)?;
        }
        Ok(())
    }

    fn compare(&self, piece: &Piece) -> Result<(), FlashError> {
        let mut found = vec![0; piece.length as usize];
        self.medium.read_at(piece.at, &mut found).doing("reading back", self.disk)?;
        if <[u8; 32]>::from(Sha256::digest(&found)) != piece.hash {
            return Err(FlashError::Differs { path: self.disk.to_owned(), offset: piece.at });
        }
        self.job.events.advance(piece.length);
        Ok(())
    }
}

fn piece(at: u64, bytes: &[u8]) -> Piece {
    Piece { at, length: bytes.len() as u64, hash: Sha256::digest(bytes).into() }
}

/// The next chunk of the image, read ahead.
struct Pending {
    at: Option<u64>,
    bytes: Vec<u8>,
}

impl Pending {
    fn first(chunks: &mut Chunks<'_>) -> Result<Self, FlashError> {
        let mut bytes = Vec::new();
        let at = chunks.next(&mut bytes)?;
        Ok(Self { at, bytes })
    }
}
