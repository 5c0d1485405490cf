//! The root file system and its hash tree: our programs are added to what is packed
//! already, so that a change of the agent packs these and nothing else.

use super::{Artefact, BASE, ROOT, SYSTEM, Step, StepId};
use crate::error::Result;
use crate::identity::Identity;
use crate::layer::{self, Release};
use crate::stage::{Staging, Work};

const SCRIPT: &str = include_str!("../../data/root.sh");

#[derive(Debug)]
pub(super) struct Root;

impl Step for Root {
    fn id(&self) -> StepId {
        ROOT
    }

    fn about(&self) -> &'static str {
        "add our programs to the packed root, hash"
    }

    fn needs(&self) -> &'static [StepId] {
        &[BASE, SYSTEM]
    }

    fn inputs(&self, staging: &mut Staging<'_>) -> Result<()> {
        let line = Identity::of(staging.recipe());
        staging.programs()?;
        staging.value("profile", staging.recipe().name.clone());
        let book = staging.recipe().recipe.image.documentation_url.clone();
        staging.value("book", book.unwrap_or_default());
        staging.version();
        staging.packing();
        staging.value("root uuid", line.uuid("root"));
        staging.value("verity uuid", line.uuid("verity"));
        staging.value("salt", line.salt());
        staging.tools();
        Ok(())
    }

    fn run(&self, work: &Work<'_>) -> Result<()> {
        let release = Release { profile: work.value("profile")?, version: work.version()? };
        let laid = work.draft("layer")?;
        for name in layer::PROGRAMS {
            layer::program(laid.path(), name, work.place(name)?)?;
        }
        release.fill(laid.path())?;
        let base = work.output(BASE)?.join("root");
        let os_release = layer::os_release(&base, &release, work.value("book")?)?;
        layer::put(laid.path(), "usr/lib/os-release", os_release.as_bytes(), 0o644)?;
        work.tools()?
            .script("making the root", SCRIPT)
            .read(work.output(SYSTEM)?, "system")
            .read(laid.path(), "layer")
            .write(work.out, "out")
            .env("COMPRESSION", work.value("compression")?)
            .env("CLUSTER", work.value("cluster size")?)
            .env("ROOT_UUID", work.value("root uuid")?)
            .env("VERITY_UUID", work.value("verity uuid")?)
            .env("SALT", work.value("salt")?)
            .run()?;
        Ok(())
    }

    fn room(&self, packed: u64) -> u64 {
        packed / 10 * 15
    }

    fn artefacts(&self) -> &'static [Artefact] {
        const ARTEFACTS: [Artefact; 2] = [
            Artefact::shared("root.erofs", ".root.erofs"),
            Artefact::shared("root.verity", ".root.verity"),
        ];
        &ARTEFACTS
    }
}
