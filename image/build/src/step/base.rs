//! Locked packages, unpacked and configured.

use super::{BASE, Step, StepId};
use crate::error::Result;
use crate::stage::{Staging, Work};

const SCRIPT: &str = include_str!("../../data/base.sh");

#[derive(Debug)]
pub(super) struct Base;

impl Step for Base {
    fn id(&self) -> StepId {
        BASE
    }

    fn about(&self) -> &'static str {
        "unpack and configure the locked packages"
    }

    fn needs(&self) -> &'static [StepId] {
        &[]
    }

    fn inputs(&self, staging: &mut Staging<'_>) -> Result<()> {
        staging.packages();
        staging.tools();
        Ok(())
    }

    fn run(&self, work: &Work<'_>) -> Result<()> {
        let repository = work.draft("repo")?;
        let names = work.pool(repository.path())?;
        work.tools()?
            .script("unpacking the packages", SCRIPT)
            .arg("base.sh")
            .arg(names.join(","))
            .mounting()
            .write(repository.path(), "repo")
            .write(work.out, "out")
            .run()?;
        Ok(())
    }

    fn room(&self, packed: u64) -> u64 {
        packed / 10 * 65
    }
}
