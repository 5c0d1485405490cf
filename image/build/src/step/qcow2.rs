//! The disk for QEMU, libvirt and Proxmox.

use super::{Artefact, DISK, QCOW2, Step, StepId};
use crate::error::Result;
use crate::stage::{Staging, Work};

#[derive(Debug)]
pub(super) struct Qcow2;

impl Step for Qcow2 {
    fn id(&self) -> StepId {
        QCOW2
    }

    fn about(&self) -> &'static str {
        "make a disk for QEMU"
    }

    fn needs(&self) -> &'static [StepId] {
        &[DISK]
    }

    fn inputs(&self, staging: &mut Staging<'_>) -> Result<()> {
        staging.tools();
        Ok(())
    }

    fn run(&self, work: &Work<'_>) -> Result<()> {
        // Not compressed: the root is already, and a compressed cluster is slow
        // to read. One coroutine, so that clusters come in one order.
        work.tools()?
            .command("making a disk for QEMU", "qemu-img")
            .args(["convert", "-m", "1", "-f", "raw", "-O", "qcow2"])
            .args(["/run/disk/disk.raw", "/run/out/disk.qcow2"])
            .read(work.output(DISK)?, "disk")
            .write(work.out, "out")
            .run()?;
        Ok(())
    }

    fn room(&self, packed: u64) -> u64 {
        packed / 10 * 25
    }

    fn artefacts(&self) -> &'static [Artefact] {
        const ARTEFACTS: [Artefact; 1] =
            [Artefact { file: "disk.qcow2", ending: ".qcow2", own: true }];
        &ARTEFACTS
    }
}
