//! Disks that are files, and what it takes to flash them.

use crate::small_image::{self, SITE};
use anyhow::Result;
use ashlar_tests::command::Ashlar;
pub(crate) use ashlar_tests::loop_device::LoopDevice;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Large enough for a first boot.
pub(crate) const LARGE: u64 = 16 << 30;
/// A kernel of real machines.
pub(crate) const METAL: &str = "6.12.1-amd64";

/// A small image, a site, and room.
#[derive(Debug)]
pub(crate) struct Bench {
    directory: TempDir,
    pub(crate) image: PathBuf,
    pub(crate) site: PathBuf,
}

impl Bench {
    pub(crate) fn new() -> Result<Self> {
        Self::with_kernel(METAL)
    }

    pub(crate) fn with_kernel(kernel: &str) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let image = small_image::write(directory.path(), kernel);
        let site = directory.path().join("site.toml");
        std::fs::write(&site, SITE)?;
        std::fs::set_permissions(&site, Permissions::from_mode(0o600))?;
        Ok(Self { directory, image, site })
    }

    /// A path in its directory.
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A disk that could be flashed.
    pub(crate) fn disk(&self) -> Result<LoopDevice> {
        LoopDevice::new(&self.place("disk.img"), LARGE, &[])
    }

    /// `ashlar flash DISK`, as somebody with neither project nor tools types it
    /// under sudo.
    pub(crate) fn flash(&self, disk: &Path) -> Result<Ashlar> {
        let flash = Ashlar::new(["flash", "--json"])?
            .arg(disk)
            .arg("--image")
            .arg(&self.image)
            .arg("--site")
            .arg(&self.site)
            .project(self.directory.path());
        Ok(flash.env("HOME", "/nonexistent").env("PATH", "/nonexistent"))
    }
}

/// Why nothing can be shown here, if so.
pub(crate) fn cannot() -> Option<&'static str> {
    (!nix::unistd::geteuid().is_root()).then_some("loop devices need root")
}
