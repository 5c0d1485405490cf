//! A copy of an image with a site in it.

use crate::error::Doing;
use crate::image::is_zeros;
use crate::{CHUNK, FlashError, Image, Job, Patch, Stage, Start, block_device};
use nix::fcntl::{FallocateFlags, fallocate};
use std::fs::File;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Copies an image without its holes and writes the site, and what it starts by
/// itself, into the copy. The copy is its owner's alone, because it is a key now; it appears whole
/// or not at all, and takes the place of a file that is there.
///
/// # Errors
/// When the image has no seed, the disk has no room, or on cancelling.
pub fn stamp(
    image: &Image,
    site: &[u8],
    start: Start,
    copy: &Path,
    job: Job<'_>,
) -> Result<(), FlashError> {
    let mut patch = Patch::for_copy(image, site)?;
    // Only an installer's menu differs from the image's, and is looked for.
    if start != Start::Run {
        patch.start(image, &image.examine(None, job)?, start)?;
    }
    let name = copy.file_name().unwrap_or_default().to_string_lossy();
    let draft = copy.with_file_name(format!(".{name}.{}", uuid::Uuid::new_v4().simple()));
    let made = copy_to(image, &patch, &draft, job)
        .and_then(|()| std::fs::rename(&draft, copy).doing("making", copy));
    if made.is_err() {
        let _ = std::fs::remove_file(&draft);
    }
    made
}

fn copy_to(image: &Image, patch: &Patch, draft: &Path, job: Job<'_>) -> Result<(), FlashError> {
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(draft)
        .doing("making", draft)?;
    let shared = !image.is_packed() && block_device::share(image.file(), &file).is_ok();
    if !shared {
        file.set_len(image.length()).doing("making", draft)?;
        job.events.begin(Stage::Write, image.length());
        let (mut chunks, mut bytes, mut done) = (image.chunks()?, Vec::new(), 0);
        while let Some(at) = chunks.next(&mut bytes)? {
            job.check()?;
            // Smaller holes within a piece stay holes too.
            for (number, block) in bytes.chunks(64 << 10).enumerate() {
                if !is_zeros(block) {
                    let place = at + (number as u64) * (64 << 10);
                    file.write_all_at(block, place).doing("writing", draft)?;
                }
            }
            job.events.advance(at + bytes.len() as u64 - done);
            done = at + bytes.len() as u64;
        }
        job.events.end();
    }
    for range in &patch.blank {
        blank(&file, range.start, range.end - range.start).doing("writing", draft)?;
    }
    for (at, sector) in patch.sectors.iter() {
        file.write_all_at(sector, at).doing("writing", draft)?;
    }
    file.sync_all().doing("writing", draft)
}

fn blank(file: &File, at: u64, length: u64) -> std::io::Result<()> {
    let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    if let (Ok(start), Ok(length)) = (i64::try_from(at), i64::try_from(length))
        && fallocate(file, flags, start, length).is_ok()
    {
        return Ok(());
    }
    let zeros = vec![0; CHUNK as usize];
    let end = at + length;
    let mut place = at;
    while place < end {
        let count = CHUNK.min(end - place);
        file.write_all_at(zeros.get(..count as usize).unwrap_or(&[]), place)?;
        place += count;
    }
    Ok(())
}
