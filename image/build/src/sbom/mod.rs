//! Bills of materials: what is in an image, in the two formats that scanners
//! read, SPDX 2.3 and CycloneDX 1.5.
//!
//! [`Gather`] finds out what is in a root: dpkg's list, the licences of its
//! packages, the files that no package brought, the crates of our own programs.
//! [`render`] writes it.
//!
//! Both documents are functions of their input alone, so that two builds of one lock give
//! the same files: the only time in them is the build's `SOURCE_DATE_EPOCH`, and
//! their unique ids are taken from a hash of the content.

mod copyright;
pub(crate) mod crates;
mod cyclonedx;
mod gather;
mod spdx;

pub use gather::Gather;

use crate::error::{BuildError, Result};
use cyclonedx::cyclonedx;
use spdx::spdx;

use packageurl::PackageUrl;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// What an image is made of.
#[derive(Clone, Debug)]
pub struct SbomInput {
    /// Name of the image: its profile.
    pub name: String,
    /// Version of the image.
    pub version: String,
    /// The time of the build: `SOURCE_DATE_EPOCH`, never the clock.
    pub created: jiff::Timestamp,
    /// Debian packages. Their order does not matter.
    pub packages: Vec<SbomPackage>,
    /// Files that no package brought. Their order does not matter.
    pub binaries: Vec<SbomBinary>,
    /// Crates that our programs are made of. Their order does not matter.
    pub crates: Vec<SbomCrate>,
}

/// In which words it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// SPDX 2.3, as JSON.
    Spdx,
    /// CycloneDX 1.5, as JSON.
    CycloneDx,
}

/// Writes a bill of materials.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn render(input: &SbomInput, format: Format) -> Result<String> {
    let value = match format {
        Format::Spdx => spdx(input),
        Format::CycloneDx => cyclonedx(input),
    };
    let text = serde_json::to_string_pretty(&value);
    text.map(|text| text + "\n").map_err(|error| BuildError::Unexpected {
        what: format!("a bill of materials cannot be written as JSON: {error}"),
    })
}

/// One Debian package.
#[derive(Clone, Debug)]
pub struct SbomPackage {
    /// Binary package name.
    pub name: String,
    /// Full Debian version, epoch included.
    pub version: String,
    /// Debian architecture (`amd64`, `all`).
    pub arch: String,
    /// Debian release that it came from (`trixie`).
    pub distro: String,
    /// SHA-256 of the `.deb`, in hexadecimal.
    pub sha256: Option<String>,
    /// SPDX licence expression, where it is known.
    pub licence: Option<String>,
}

/// One file that no package brought: a program of ours, or an overlay's file.
#[derive(Clone, Debug)]
pub struct SbomBinary {
    /// File name (`ashlar-agent`).
    pub name: String,
    /// Version of its crate; empty for an overlay's file.
    pub version: String,
    /// Where it is in the image (`/usr/bin/ashlar-agent`).
    pub path: String,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// SPDX licence expression, where it is known.
    pub licence: Option<String>,
}

/// One crate that is linked into a program of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SbomCrate {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SPDX licence expression, where it is known.
    pub licence: Option<String>,
}

impl SbomCrate {
    /// Its package URL.
    fn purl(&self) -> String {
        let plain = || format!("pkg:cargo/{}@{}", self.name, self.version);
        let Ok(mut purl) = PackageUrl::new("cargo", self.name.as_str()) else { return plain() };
        purl.with_version(self.version.as_str()).map_or_else(|_| plain(), |purl| purl.to_string())
    }
}

impl SbomInput {
    /// The packages in the order in which they are written.
    fn sorted_packages(&self) -> Vec<&SbomPackage> {
        let mut all: Vec<_> = self.packages.iter().collect();
        all.sort_by(|a, b| (&a.name, &a.arch, &a.version).cmp(&(&b.name, &b.arch, &b.version)));
        all
    }

    /// The binaries in the order in which they are written.
    fn sorted_binaries(&self) -> Vec<&SbomBinary> {
        let mut all: Vec<_> = self.binaries.iter().collect();
        all.sort_by(|a, b| a.path.cmp(&b.path));
        all
    }

    /// The crates in the order in which they are written.
    fn sorted_crates(&self) -> Vec<&SbomCrate> {
        let mut all: Vec<_> = self.crates.iter().collect();
        all.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        all
    }

    /// An id that only this content has, and that the same content always has.
    fn content_id(&self) -> Uuid {
        let mut hash = Sha256::new();
        // Lengths go in first, so that no two lists of fields read the same.
        let mut field = |text: &str| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        };
        field(&self.name);
        field(&self.version);
        field(&self.created.to_string());
        for package in self.sorted_packages() {
            field(&package.purl());
            field(package.sha256.as_deref().unwrap_or_default());
            field(package.licence.as_deref().unwrap_or_default());
        }
        for binary in self.sorted_binaries() {
            field(&binary.path);
            field(&binary.version);
            field(&binary.sha256);
            field(binary.licence.as_deref().unwrap_or_default());
        }
        for found in self.sorted_crates() {
            field(&found.purl());
        }
        let digest = hash.finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        uuid::Builder::from_custom_bytes(bytes).into_uuid()
    }

    /// The creation time as both formats want it: whole seconds, UTC.
    fn created_text(&self) -> String {
        self.created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}

impl SbomPackage {
    /// Its package URL: the name by which vulnerability scanners look it up.
    pub(crate) fn purl(&self) -> String {
        let plain = || format!("pkg:deb/debian/{}@{}", self.name, self.version);
        let Ok(mut purl) = PackageUrl::new("deb", self.name.as_str()) else { return plain() };
        let distro = format!("debian-{}", self.distro);
        let whole = purl
            .with_namespace("debian")
            .and_then(|p| p.with_version(self.version.as_str()))
            .and_then(|p| p.add_qualifier("arch", self.arch.as_str()))
            .and_then(|p| p.add_qualifier("distro", distro));
        whole.map_or_else(|_| plain(), |p| p.to_string())
    }
}

#[cfg(test)]
mod tests;
