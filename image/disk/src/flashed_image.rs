//! The image that a disk was flashed with, and the site that it carries.

use crate::error::Doing;
use crate::source_disk::{OnDisk, fat_end};
use crate::{CHUNK, FlashError, Image, Table, window::Window};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;
use zeroize::Zeroizing;

/// What is shipped; a disk with more on it is a box's own.
const SHIPPED: [&str; 5] = ["esp", "root-a", "verity-a", "sig-a", "seed"];
/// Room for the table's second copy behind the last partition.
const TAIL: u64 = 33 * crate::SECTOR;
/// Longer than any site.
const LONGEST: u64 = 64 << 10;

impl Image {
    /// The image that a disk was flashed with. `root` is the verified device of its
    /// root, if there is one: then no damaged block of it is copied.
    ///
    /// # Errors
    /// When it cannot be read, was not flashed, or is a box's own disk already.
    pub fn on_disk(path: &Path, root: Option<&Path>) -> Result<Self, FlashError> {
        let file = File::open(path).doing("opening", path)?;
        let bad = |why: String| FlashError::BadMedium { path: path.to_owned(), why };
        let mut head = vec![0; CHUNK as usize];
        file.read_exact_at(&mut head, 0).doing("reading", path)?;
        let mut table = Table::read(&head).map_err(bad)?;
        if let Some(part) = table.parts.iter().find(|part| !SHIPPED.contains(&part.label.as_str()))
        {
            let why = format!("it has the partition `{}`: a box has run from it", part.label);
            return Err(bad(why));
        }
        let (Some(place), Some(_)) = (table.labelled("root-a"), table.labelled("esp")) else {
            return Err(bad("it has no boot partition, or no root".into()));
        };
        let place = place.range();
        let verified = match root {
            Some(root) => Some((place, File::open(root).doing("opening", root)?)),
            None => None,
        };
        let mut used = Vec::new();
        for part in &table.parts {
            match (part.label.as_str(), &verified) {
                // Another takes its place.
                ("seed", _) => {}
                ("esp", _) => {
                    let end = fat_end(&file, part.start).doing("reading", path)?;
                    used.push(part.start..end.map_or(part.end, |end| part.end.min(end)));
                }
                ("root-a", Some((_, root))) => {
                    let mut root = root;
                    let length = root.seek(SeekFrom::End(0)).doing("measuring", path)?;
                    used.push(part.start..part.end.min(part.start + length));
                }
                _ => used.push(part.range()),
            }
        }
        // The disk that is copied from may be larger than the one that is written.
        let end = table.parts.iter().map(|part| part.end).max().unwrap_or(0);
        table.shorten((end + TAIL).next_multiple_of(CHUNK));
        Ok(Self::of_disk(path, file, table, OnDisk { used, verified }))
    }

    /// The site in the seed of a disk; none if there is no seed or no site in it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn site(&self) -> Result<Option<Zeroizing<String>>, FlashError> {
        let Some(seed) = self.table().labelled("seed") else { return Ok(None) };
        let window = Window::new(self.file(), seed.range());
        let Ok(volume) = fatfs::FileSystem::new(window, fatfs::FsOptions::new()) else {
            return Ok(None);
        };
        let Ok(file) = volume.root_dir().open_file(crate::seed::FILE) else { return Ok(None) };
        let mut text = Zeroizing::new(String::new());
        file.take(LONGEST).read_to_string(&mut text).doing("reading the site on", self.path())?;
        Ok(Some(text))
    }
}
