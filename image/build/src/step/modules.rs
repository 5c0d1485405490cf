//! The kernel modules that the hardware needs.

use super::{BASE, MODULES, Step, StepId};
use crate::error::{At, BuildError, Result};
use crate::modules::{self, Modules, patterns, written};
use crate::stage::{Staging, Work};

const SCRIPT: &str = include_str!("../../data/modules.sh");

#[derive(Debug)]
pub(super) struct ChosenModules;

impl Step for ChosenModules {
    fn id(&self) -> StepId {
        MODULES
    }

    fn about(&self) -> &'static str {
        "keep the kernel modules that the hardware needs"
    }

    fn needs(&self) -> &'static [StepId] {
        &[BASE]
    }

    fn inputs(&self, staging: &mut Staging<'_>) -> Result<()> {
        let recipe = staging.recipe();
        staging.value("hardware", written(&recipe.modules));
        staging.value("hardware of the initrd", written(&recipe.initrd_modules));
        staging.matching();
        staging.tools();
        Ok(())
    }

    fn run(&self, work: &Work<'_>) -> Result<()> {
        let from = work.output(BASE)?.join("modules");
        let version = modules::version(&from)?;
        let known = Modules::read(&from.join(&version))?;
        let all = patterns(work.value("hardware")?);
        let of_initrd = patterns(work.value("hardware of the initrd")?);
        let absent = known.absent(all.iter().chain(&of_initrd));
        if !absent.is_empty() {
            return Err(BuildError::NoSuchModules { names: absent, kernel: version });
        }
        let mut kept = known.kept(&all);
        kept.extend(known.kept(&of_initrd));
        let list: String = kept.iter().map(|path| format!("{path}\n")).collect();
        work.tools()?
            .script("choosing kernel modules", SCRIPT)
            .arg("modules.sh")
            .arg(&version)
            .read(&from, "modules")
            .write(work.out, "out")
            .stdin(list.into_bytes())
            .run()?;
        let path = work.out.join("version");
        Ok(std::fs::write(&path, version).at("written", path)?)
    }

    fn room(&self, packed: u64) -> u64 {
        packed
    }
}
