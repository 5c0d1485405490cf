//! What checks look at.

use super::Findings;
use super::allow::Allow;
use super::tree::Tree;
use crate::{
    Content, Disk, Inspection, Package, PartitionReport, UkiFile, esp, initrd, packages, uki,
};
use ashlar_recipe::BudgetSettings;
use ashlar_sandbox::Sandbox;
use miette::{IntoDiagnostic, WrapErr, miette};
use std::path::{Path, PathBuf};

/// An image, opened and unpacked.
#[derive(Debug)]
pub struct Subject {
    pub disk: Disk,
    pub inspection: Inspection,
    pub allow: Allow,
    pub options: SubjectOptions,
    /// The root of slot A, or why it cannot be unpacked.
    tree: Result<Tree, String>,
    work: WorkDirectory,
}

/// What is known from outside the image.
#[derive(Debug)]
pub struct SubjectOptions {
    /// Where tools run.
    pub sandbox: Sandbox,
    /// The project's `recipes/`, if there is a project.
    pub recipes: Option<PathBuf>,
    /// Sites whose secrets must not be in the image.
    pub keys: Option<PathBuf>,
    /// The recipe's size budgets.
    pub budget: Option<BudgetSettings>,
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
    fn new() -> miette::Result<Self> {
        // A root is too large for a /tmp in memory; /var/tmp is made for this.
        let place = std::env::var_os("TMPDIR").map_or_else(|| "/var/tmp".into(), PathBuf::from);
        let made = tempfile::Builder::new().prefix("ashlar-lint.").tempdir_in(&place);
        let describe = || format!("no temporary directory can be made in {}", place.display());
        Ok(Self(made.into_diagnostic().wrap_err_with(describe)?.keep()))
    }
}

impl Subject {
    /// Opens an image and unpacks its root.
    pub fn open(image: &Path, options: SubjectOptions) -> miette::Result<Self> {
        let allow = Allow::load(options.recipes.as_deref())?;
        let disk = Disk::open(image)?;
        let inspection = Inspection::of(&disk)?;
        let root = inspection.labelled("root-a").ok_or_else(|| {
            miette!(
                help = "checks are made on a whole image, as `ashlar build` writes it",
                "{} has no partition `root-a`",
                disk.path.display()
            )
        })?;
        let work = WorkDirectory::new()?;
        let tree = unpack(&disk, root, &work.0, &options.sandbox)?;
        Ok(Self { disk, inspection, allow, options, tree, work })
    }

    /// An image and a root that a test made.
    #[cfg(test)]
    pub fn made(image: &Path, root: &Path, options: SubjectOptions) -> Self {
        let disk = Disk::open(image).unwrap();
        Self {
            inspection: Inspection::of(&disk).unwrap(),
            disk,
            allow: Allow::load(None).unwrap(),
            options,
            tree: Ok(Tree::read_list(root).unwrap()),
            work: WorkDirectory::new().unwrap(),
        }
    }

    /// The unpacked root; without one, the check is skipped.
    pub fn tree(&self, findings: &mut Findings) -> Option<&Tree> {
        match &self.tree {
            Ok(tree) => Some(tree),
            Err(_) => {
                findings.skip("the root cannot be unpacked");
                None
            }
        }
    }

    /// Why the root cannot be unpacked.
    pub fn unpacking_failed(&self) -> Option<&str> {
        self.tree.as_ref().err().map(String::as_str)
    }

    /// The profile that the image was built from, as its root says.
    pub fn profile(&self) -> Option<String> {
        let text = self.tree.as_ref().ok()?.text("/usr/lib/ashlar/release.json").ok()??;
        let release: serde_json::Value = serde_json::from_str(&text).ok()?;
        Some(release.get("profile")?.as_str()?.to_owned())
    }

    /// The size budgets, once the profile is known.
    pub fn set_budget(&mut self, budget: BudgetSettings) {
        self.options.budget = Some(budget);
    }

    /// The installed packages, from the manifest or from the root.
    pub fn packages(&self) -> miette::Result<Option<Vec<Package>>> {
        if let Some(packages) = crate::manifest_packages(&self.disk.path)? {
            return Ok(Some(packages));
        }
        let Ok(tree) = &self.tree else { return Ok(None) };
        for path in packages::DPKG_STATUS {
            if let Some(text) = tree.text(path).into_diagnostic()? {
                return Ok(Some(packages::from_dpkg_status(&text)));
            }
        }
        Ok(None)
    }

    /// The unpacked initrd of a UKI.
    pub fn initrd(&self, file: &UkiFile) -> miette::Result<Vec<u8>> {
        let carrier = self.inspection.partitions.iter().find(|report| {
            matches!(&report.content, Content::Vfat(fat)
                if fat.ukis.iter().any(|other| other.path == file.path))
        });
        let Some(carrier) = carrier else { return Ok(Vec::new()) };
        let region = self.disk.region(&carrier.partition);
        let uki = esp::file(&region, &file.path).into_diagnostic()?;
        let packed = uki::section(&uki, ".initrd").into_diagnostic()?.unwrap_or_default();
        initrd::unpack(&packed)
            .into_diagnostic()
            .wrap_err_with(|| format!("the initrd of {} cannot be unpacked", file.path))
    }

    /// A place for files that a check makes.
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
) -> miette::Result<Result<Tree, String>> {
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
        Ok(_) => Ok(Ok(Tree::read_list(&work.join("root")).into_diagnostic()?)),
        Err(ashlar_sandbox::SandboxError::Tool { tail, .. }) => Ok(Err(tail)),
        Err(error) => Err(error.into()),
    }
}
