//! The disk image for download.

use super::{Artefact, COMPRESSED, DISK, Step, StepId};
use crate::error::Result;
use crate::stage::{Staging, Work};

#[derive(Debug)]
pub(super) struct Compressed;

impl Step for Compressed {
    fn id(&self) -> StepId {
        COMPRESSED
    }

    fn about(&self) -> &'static str {
        "compress the disk image"
    }

    fn needs(&self) -> &'static [StepId] {
        &[DISK]
    }

    fn inputs(&self, staging: &mut Staging<'_>) -> Result<()> {
        staging.tools();
        Ok(())
    }

    fn run(&self, work: &Work<'_>) -> Result<()> {
        work.tools()?
            .command("compressing the image", "zstd")
            .args(["--quiet", "-T0", "-3", "/run/disk/disk.raw", "-o", "/run/out/disk.raw.zst"])
            .read(work.output(DISK)?, "disk")
            .write(work.out, "out")
            .run()?;
        Ok(())
    }

    fn room(&self, packed: u64) -> u64 {
        packed * 2
    }

    fn artefacts(&self) -> &'static [Artefact] {
        const ARTEFACTS: [Artefact; 1] = [Artefact::shared("disk.raw.zst", ".raw.zst")];
        &ARTEFACTS
    }
}
