//! `SHA256SUMS`, as `sha256sum` writes it.

use crate::FlashError;
use crate::error::Doing;
use std::path::{Path, PathBuf};

/// A list of checksums.
#[derive(Clone, Debug)]
pub struct SumsFile {
    path: PathBuf,
    text: String,
}

impl SumsFile {
    /// Reads a list.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(path: &Path) -> Result<Self, FlashError> {
        let text = std::fs::read_to_string(path).doing("reading", path)?;
        Ok(Self { path: path.to_owned(), text })
    }

    /// The list beside an image, if there is one and it names the image.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn beside(image: &Path) -> Result<Option<Self>, FlashError> {
        let path = image.with_file_name("SHA256SUMS");
        if !path.is_file() {
            return Ok(None);
        }
        let sums = Self::read(&path)?;
        Ok(sums.of(image).is_ok().then_some(sums))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says about an image.
    pub(crate) fn of(&self, image: &Path) -> Result<String, FlashError> {
        let name = image.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let line = self.text.lines().find_map(|line| {
            let (sum, rest) = line.split_once(' ')?;
            // A second blank, or the star of a binary file.
            (rest.get(1..)? == name && sum.len() == 64).then(|| sum.to_ascii_lowercase())
        });
        line.ok_or_else(|| FlashError::NoChecksum { sums: self.path.clone(), name })
    }
}
