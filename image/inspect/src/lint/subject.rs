//! What checks look at.

use super::Findings;
use super::allow::Allow;
use super::secrets::Secret;
use crate::tree::Tree;
use crate::{Content, Opened, Package, UkiFile, esp, initrd, uki};
use ashlar_sandbox::Sandbox;
use miette::{IntoDiagnostic, WrapErr};
use std::path::{Path, PathBuf};

/// An image, opened and unpacked, and what is known from outside it.
#[derive(Debug)]
pub struct Subject {
    /// The image.
    pub image: Opened,
    /// What is allowed in it.
    pub allow: Allow,
    /// What is known from outside.
    pub options: SubjectOptions,
}

/// What is known from outside the image.
#[derive(Debug)]
pub struct SubjectOptions {
    /// Where tools run.
    pub sandbox: Sandbox,
    /// Where the root is unpacked: on a disk, not in memory.
    pub work: PathBuf,
    /// A file with exceptions of the project; it may be missing.
    pub exceptions: Option<PathBuf>,
    /// What must not be anywhere in the image.
    pub secrets: Vec<Secret>,
    /// Sizes that the image may not exceed.
    pub budgets: Option<Budgets>,
    /// The packages that the profile's lock names.
    pub locked: Option<Vec<Package>>,
}

/// Sizes that an image may not exceed, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budgets {
    /// The root file system, packed.
    pub root: Option<u64>,
    /// A UKI.
    pub uki: Option<u64>,
}

impl Subject {
    /// Opens an image and unpacks its root.
    ///
    /// # Errors
    /// When the image or the list of exceptions cannot be read.
    pub fn open(image: &Path, options: SubjectOptions) -> miette::Result<Self> {
        let allow = Allow::load(options.exceptions.as_deref())?;
        let image = Opened::new(image, &options.work, &options.sandbox)?;
        Ok(Self { image, allow, options })
    }

    /// The same with a root that somebody else has unpacked, and keeps.
    ///
    /// # Errors
    /// When the image, the root or the list of exceptions cannot be read.
    pub fn unpacked(image: &Path, root: &Path, options: SubjectOptions) -> miette::Result<Self> {
        let allow = Allow::load(options.exceptions.as_deref())?;
        let image = Opened::unpacked(image, root, &options.work)?;
        Ok(Self { image, allow, options })
    }

    /// The unpacked root; without one, the check is skipped.
    pub(super) fn tree(&self, findings: &mut Findings) -> Option<&Tree> {
        match &self.image.tree {
            Ok(tree) => Some(tree),
            Err(_) => {
                findings.skip("the root cannot be unpacked");
                None
            }
        }
    }

    /// Why the root cannot be unpacked.
    pub(super) fn unpacking_failed(&self) -> Option<&str> {
        self.image.tree.as_ref().err().map(String::as_str)
    }

    /// The installed packages, as the root has them.
    pub(super) fn packages(&self) -> miette::Result<Option<Vec<Package>>> {
        Ok(self.image.packages()?)
    }

    /// The unpacked initrd of a UKI.
    pub(super) fn initrd(&self, file: &UkiFile) -> miette::Result<Vec<u8>> {
        let carrier = self.image.inspection.partitions.iter().find(|report| {
            matches!(&report.content, Content::Vfat(fat)
                if fat.ukis.iter().any(|other| other.path == file.path))
        });
        let Some(carrier) = carrier else { return Ok(Vec::new()) };
        let region = self.image.disk.region(&carrier.partition);
        let uki = esp::file(&region, &file.path).into_diagnostic()?;
        let packed = uki::section(&uki, ".initrd").into_diagnostic()?.unwrap_or_default();
        initrd::unpack(&packed)
            .into_diagnostic()
            .wrap_err_with(|| format!("the initrd of {} cannot be unpacked", file.path))
    }
}
