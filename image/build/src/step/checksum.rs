//! The hash of the disk image: some seconds for its gigabytes of zeros, which go
//! beside the other steps.

use super::{CHECKSUM, DISK, Step, StepId};
use crate::error::{At, Result};
use crate::sparse;
use crate::stage::{Staging, Work};

#[derive(Debug)]
pub(super) struct Checksum;

impl Step for Checksum {
    fn id(&self) -> StepId {
        CHECKSUM
    }

    fn about(&self) -> &'static str {
        "hash the disk image"
    }

    fn needs(&self) -> &'static [StepId] {
        &[DISK]
    }

    fn inputs(&self, _: &mut Staging<'_>) -> Result<()> {
        Ok(())
    }

    fn run(&self, work: &Work<'_>) -> Result<()> {
        let hash = sparse::sha256(&work.output(DISK)?.join("disk.raw"), work.cancel())?;
        let path = work.out.join("disk.raw.sha256");
        Ok(std::fs::write(&path, hash).at("written", path)?)
    }
}
