//! An image with its root unpacked.

use crate::error::InspectError;
use crate::tree::Tree;
use crate::{Content, Disk, Inspection, Package, PartitionReport, packages};
use ashlar_sandbox::{Sandbox, SandboxError};
use std::path::{Path, PathBuf};

/// An image, and its root in a directory of its own, which goes with it.
#[derive(Debug)]
pub struct Opened {
    /// The disk.
    pub disk: Disk,
    /// What is on it.
    pub inspection: Inspection,
    /// The root of slot A, or why it cannot be unpacked.
    pub(crate) tree: Result<Tree, String>,
    work: WorkDirectory,
}

/// A temporary directory whose files may belong to others.
#[derive(Debug)]
struct WorkDirectory(PathBuf);

impl Drop for WorkDirectory {
    fn drop(&mut self) {
        let _ = Sandbox::remove(&self.0);
    }
}

impl WorkDirectory {
    fn new(place: &Path) -> Result<Self, InspectError> {
        let made = tempfile::Builder::new().prefix("opened.").tempdir_in(place);
        made.map(|made| Self(made.keep()))
            .map_err(|source| InspectError::Work { path: place.to_owned(), source })
    }
}

impl Opened {
    /// Opens an image and unpacks its root below `place`, which should be on a
    /// disk: a root is too large for a file system in memory.
    ///
    /// # Errors
    /// When the image cannot be read. One whose root cannot be unpacked opens all
    /// the same: [`Opened::root`] says why.
    pub fn new(image: &Path, place: &Path, sandbox: &Sandbox) -> Result<Self, InspectError> {
        let disk = Disk::open(image)?;
        let inspection = Inspection::of(&disk)?;
        let root = inspection.labelled("root-a").ok_or_else(|| InspectError::NotAnImage {
            path: disk.path.clone(),
            why: "it has no partition `root-a`".to_owned(),
        })?;
        let work = WorkDirectory::new(place)?;
        let tree = unpack(&disk, root, &work.0, sandbox)?;
        Ok(Self { disk, inspection, tree, work })
    }

    /// The same with a root that somebody else has unpacked, and keeps; `place`
    /// is for [`Opened::work`].
    ///
    /// # Errors
    /// When the image or the root cannot be read.
    pub fn unpacked(image: &Path, root: &Path, place: &Path) -> Result<Self, InspectError> {
        let disk = Disk::open(image)?;
        let inspection = Inspection::of(&disk)?;
        let read = |source| InspectError::Work { path: root.to_owned(), source };
        let tree = Ok(Tree::read_list(root).map_err(read)?);
        Ok(Self { disk, inspection, tree, work: WorkDirectory::new(place)? })
    }

    /// The unpacked root.
    ///
    /// # Errors
    /// When it could not be unpacked.
    pub fn root(&self) -> Result<&Tree, InspectError> {
        self.tree
            .as_ref()
            .map_err(|why| InspectError::NoRoot { path: self.disk.path.clone(), why: why.clone() })
    }

    /// The profile that the image was built from, as its root says.
    #[must_use]
    pub fn profile(&self) -> Option<String> {
        let text = self.tree.as_ref().ok()?.text("/usr/lib/ashlar/release.json").ok()??;
        let release: serde_json::Value = serde_json::from_str(&text).ok()?;
        Some(release.get("profile")?.as_str()?.to_owned())
    }

    /// The installed packages, as dpkg's list in the root has them; nothing if
    /// there is no such list.
    ///
    /// # Errors
    /// When the root cannot be read.
    pub fn packages(&self) -> Result<Option<Vec<Package>>, InspectError> {
        let Ok(tree) = &self.tree else { return Ok(None) };
        for path in packages::DPKG_STATUS {
            let text = tree.text(path).map_err(|source| InspectError::Read {
                path: self.disk.path.clone(),
                what: path.to_owned(),
                source,
            })?;
            if let Some(text) = text {
                return Ok(Some(packages::from_dpkg_status(&text)));
            }
        }
        Ok(None)
    }

    /// A place for files that somebody makes while looking.
    #[must_use]
    pub fn work(&self) -> &Path {
        &self.work.0
    }
}

/// Unpacks a root; the inner error is the file system's fault.
fn unpack(
    disk: &Disk,
    root: &PartitionReport,
    work: &Path,
    sandbox: &Sandbox,
) -> Result<Result<Tree, String>, InspectError> {
    let Content::Erofs(_) = root.content else {
        return Ok(Err("it is no erofs file system".into()));
    };
    let done = sandbox
        .command("unpacking the root", "fsck.erofs")
        .args(["--extract=/run/work/root", "--xattrs", "--preserve"])
        .arg(format!("--offset={}", root.partition.offset))
        .arg("/run/image")
        .read(&disk.path, "image")
        .write(work, "work")
        .run();
    match done {
        Ok(_) => {
            let tree = Tree::read_list(&work.join("root"));
            let path = work.to_owned();
            Ok(Ok(tree.map_err(|source| InspectError::Work { path, source })?))
        }
        Err(SandboxError::Tool { tail, .. }) => Ok(Err(tail)),
        Err(error) => Err(error.into()),
    }
}
