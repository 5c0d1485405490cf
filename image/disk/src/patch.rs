//! What is laid over an image on its way to a disk.

use crate::image::{Examined, Image};
use crate::{FlashError, SECTOR, Sectors, Start, kin, seed};
use std::ops::Range;

/// Sectors that take the place of the image's, and ranges of the image that count
/// as zeros.
#[derive(Clone, Debug)]
pub struct Patch {
    pub(crate) sectors: Sectors,
    pub(crate) blank: Vec<Range<u64>>,
}

impl Patch {
    /// For a disk of its own: the table fitted to it with ids of its own, and the
    /// site in its seed.
    ///
    /// # Errors
    /// When the image has no table or no seed.
    pub fn for_disk(image: &Image, size: u64, site: &[u8]) -> Result<Self, FlashError> {
        let sectors = image.table().renewed(size, kin::id(site), image.path())?;
        let mut patch = Self { sectors, blank: vec![image.table().backup()] };
        patch.seed(image, site)?;
        Ok(patch)
    }

    /// Sets what the disk starts by itself.
    ///
    /// # Errors
    /// When the image has no menu in which that could be set.
    pub fn start(
        &mut self,
        image: &Image,
        examined: &Examined,
        start: Start,
    ) -> Result<(), FlashError> {
        let path = || image.path().to_owned();
        let sector = examined.menu.as_ref().and_then(|menu| Some((menu.at, menu.starting(start)?)));
        match (sector, start) {
            (Some((at, sector)), _) => {
                let bad = |error: std::io::Error| FlashError::BadImage {
                    path: path(),
                    why: format!("its boot menu cannot be changed: {error}"),
                };
                self.sectors.put(at, &sector).map_err(bad)
            }
            // An older image does nothing else.
            (None, Start::Run) => Ok(()),
            (None, _) => Err(FlashError::NoMenu { path: path() }),
        }
    }

    /// For a copy of the image: the site in its seed, and nothing else.
    pub(crate) fn for_copy(image: &Image, site: &[u8]) -> Result<Self, FlashError> {
        let sectors = Sectors::new(image.length());
        let mut patch = Self { sectors, blank: Vec::new() };
        patch.seed(image, site)?;
        Ok(patch)
    }

    fn seed(&mut self, image: &Image, site: &[u8]) -> Result<(), FlashError> {
        let part = image.table().labelled("seed");
        let part = part.ok_or_else(|| FlashError::NoSeed { path: image.path().to_owned() })?;
        let bad = |error: std::io::Error| FlashError::BadImage {
            path: image.path().to_owned(),
            why: format!("its seed partition cannot hold a site: {error}"),
        };
        let volume = seed::volume(part.end - part.start, site).map_err(bad)?;
        for (at, bytes) in volume.iter() {
            self.sectors.put(part.start + at, bytes).map_err(bad)?;
        }
        self.blank.push(part.range());
        Ok(())
    }

    /// Lays itself over the bytes that begin at `at`.
    pub(crate) fn over(&self, at: u64, bytes: &mut [u8]) {
        let end = at + bytes.len() as u64;
        for range in &self.blank {
            let (from, to) = (range.start.max(at), range.end.min(end));
            if from < to {
                bytes[(from - at) as usize..(to - at) as usize].fill(0);
            }
        }
        for (place, sector) in self.sectors.within(at..end) {
            if place + SECTOR <= end {
                let start = (place - at) as usize;
                bytes[start..start + sector.len()].copy_from_slice(sector);
            }
        }
    }
}
