//! The disk image.

use super::{Artefact, BASE, DISK, ROOT, Step, StepId, UKI};
use crate::error::Result;
use crate::identity::{self, Identity};
use crate::stage::{Staging, Work};
use crate::{layer, loader};

const SCRIPT: &str = include_str!("../../data/disk.sh");

#[derive(Debug)]
pub(super) struct Disk;

impl Step for Disk {
    fn id(&self) -> StepId {
        DISK
    }

    fn about(&self) -> &'static str {
        "partition and fill the disk image"
    }

    fn needs(&self) -> &'static [StepId] {
        &[BASE, ROOT, UKI]
    }

    fn inputs(&self, staging: &mut Staging<'_>) -> Result<()> {
        let composed = staging.recipe();
        let line = Identity::of(composed);
        staging.version();
        staging.value("loader settings", loader::settings(composed));
        staging.value("product line", line.seed());
        staging.value("seed volume id", line.volume_id("seed"));
        staging.value("seed bytes", composed.recipe.disk.seed.as_bytes().to_string());
        staging.tools();
        Ok(())
    }

    fn run(&self, work: &Work<'_>) -> Result<()> {
        let hash = work.text(ROOT, "roothash")?;
        let (root, verity) = identity::partitions_of(&hash)?;
        let unpacked = work.output(BASE)?.join("root");
        let boot = unpacked.join(loader::FOLDER).join(loader::file(&unpacked, loader::LOADER)?);
        let config = work.draft("loader")?;
        layer::put(config.path(), "loader.conf", work.value("loader settings")?.as_bytes(), 0o644)?;
        work.tools()?
            .script("filling the disk image", SCRIPT)
            .read(work.output(ROOT)?, "root")
            .read(work.output(UKI)?, "uki")
            .read(&boot, "loader.efi")
            .read(&config.path().join("loader.conf"), "loader.conf")
            .write(work.out, "out")
            // systemd-boot counts down the tries after the `+`.
            .env("UKI_NAME", &format!("ashlar_{}+3.efi", work.version()?))
            .env("REPART_SEED", work.value("product line")?)
            .env("VOLUME_ID", work.value("seed volume id")?)
            .env("SEED_BYTES", work.value("seed bytes")?)
            .env("ROOT_PARTITION", &root)
            .env("VERITY_PARTITION", &verity)
            .run()?;
        Ok(())
    }

    fn room(&self, packed: u64) -> u64 {
        packed / 10 * 25
    }

    fn artefacts(&self) -> &'static [Artefact] {
        const ARTEFACTS: [Artefact; 1] = [Artefact { file: "disk.raw", ending: ".raw", own: true }];
        &ARTEFACTS
    }
}
