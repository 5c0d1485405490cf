//! The disk for VMware and VirtualBox.

use super::{Artefact, DISK, Step, StepId, VMDK};
use crate::error::{At, BuildError, Result};
use crate::identity::Identity;
use crate::stage::{Staging, Work};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

#[derive(Debug)]
pub(super) struct Vmdk;

impl Step for Vmdk {
    fn id(&self) -> StepId {
        VMDK
    }

    fn about(&self) -> &'static str {
        "make a disk for VMware"
    }

    fn needs(&self) -> &'static [StepId] {
        &[DISK]
    }

    fn inputs(&self, staging: &mut Staging<'_>) -> Result<()> {
        let content_id = Identity::of(staging.recipe()).volume_id("vmdk");
        staging.value("content id", content_id);
        staging.tools();
        Ok(())
    }

    fn run(&self, work: &Work<'_>) -> Result<()> {
        // The kind that ESXi and VirtualBox import; they unpack it into their own.
        work.tools()?
            .command("making a disk for VMware", "qemu-img")
            .args(["convert", "-m", "1", "-f", "raw", "-O", "vmdk", "-o"])
            .args(["subformat=streamOptimized", "/run/disk/disk.raw", "/run/out/disk.vmdk"])
            .read(work.output(DISK)?, "disk")
            .write(work.out, "out")
            .run()?;
        name(&work.out.join("disk.vmdk"), work.value("content id")?)
    }

    fn room(&self, packed: u64) -> u64 {
        packed * 2
    }

    fn artefacts(&self) -> &'static [Artefact] {
        const ARTEFACTS: [Artefact; 1] = [Artefact::shared("disk.vmdk", ".vmdk")];
        &ARTEFACTS
    }
}

/// Writes the content id, which qemu-img takes from a random generator, into the
/// description at the start of the file.
fn name(disk: &Path, content_id: &str) -> Result<()> {
    const FIELD: &[u8] = b"\nCID=";
    let file = File::options().read(true).write(true).open(disk).at("opened", disk)?;
    let mut head = vec![0; 64 << 10];
    let length = file.read_at(&mut head, 0).at("read", disk)?;
    let found = head[..length].windows(FIELD.len()).position(|bytes| bytes == FIELD);
    let at = found.ok_or_else(|| BuildError::Unexpected {
        what: "qemu-img wrote a VMDK without a content id".into(),
    })?;
    let place = (at + FIELD.len()) as u64;
    Ok(file.write_all_at(content_id.as_bytes(), place).at("written", disk)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_id_is_ours_and_nothing_else_changes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = "# Disk DescriptorFile\nversion=1\nCID=0badcafe\nparentCID=ffffffff\n";
        std::fs::write(file.path(), text).unwrap();
        name(file.path(), "12345678").unwrap();
        let named = std::fs::read_to_string(file.path()).unwrap();
        assert_eq!(named, text.replace("0badcafe", "12345678"));
    }
}
