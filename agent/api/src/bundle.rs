//! [`Support`] as one file to hand to whoever helps.

use crate::Support;
use jiff::Timestamp;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use std::io::Result;

/// What the file is called that a box makes at this time, and the folder in it; the
/// file's ends in `.tar.zst` besides.
#[must_use]
pub fn bundle_name(of: Option<&str>, now: Timestamp) -> String {
    format!("{}-{}", plain(of.unwrap_or("ashlar")), now.strftime("%Y%m%dT%H%M%SZ"))
}

impl Support {
    /// The bytes of that file, with all parts in a folder of this name.
    ///
    /// # Errors
    /// When a part's name is too long for an archive.
    pub fn packed(&self, folder: &str, now: Timestamp) -> Result<Vec<u8>> {
        let mut archive = tar::Builder::new(Vec::new());
        for part in &self.parts {
            let mut header = tar::Header::new_gnu();
            header.set_size(part.text.len() as u64);
            header.set_mode(0o600);
            header.set_mtime(now.as_second().unsigned_abs());
            let name = format!("{folder}/{}", plain(&part.name));
            archive.append_data(&mut header, name, part.text.as_bytes())?;
        }
        let archive = archive.into_inner()?;
        Ok(compress_to_vec(archive.as_slice(), CompressionLevel::Fastest))
    }
}

/// Whatever a box calls it: nothing leaves the folder, and nothing is hidden.
fn plain(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let name: String = name.chars().map(plain).collect();
    if name.starts_with('.') { format!("_{name}") } else { name }
}
