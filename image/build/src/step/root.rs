//! The root file system and its hash tree.

use super::{Artefact, BASE, MODULES, ROOT, Step, StepId};
use crate::error::Result;
use crate::identity::Identity;
use crate::layer::{self, Layer, Release};
use crate::stage::{Staging, Work};
use std::path::PathBuf;

/// Three parts, run as one script.
const SCRIPT: &str = concat!(
    include_str!("../../data/root.sh"),
    include_str!("../../data/finish.sh"),
    include_str!("../../data/pack.sh"),
);

#[derive(Debug)]
pub(super) struct Root;

impl Step for Root {
    fn id(&self) -> StepId {
        ROOT
    }

    fn about(&self) -> &'static str {
        "lay overlays and agent over the base, pack, hash"
    }

    fn needs(&self) -> &'static [StepId] {
        &[BASE, MODULES]
    }

    fn inputs(&self, staging: &mut Staging<'_>) -> Result<()> {
        let composed = staging.recipe();
        staging.overlays(&composed.overlays)?;
        staging.programs()?;
        for stack in &composed.stacks {
            staging.file(&format!("stack {}", stack.name), &stack.path)?;
        }
        staging.value("profile", composed.name.clone());
        staging.version();
        staging.value("agent settings", layer::agent_settings(composed)?);
        for (definition, sizes) in layer::partition_sizes(&composed.recipe.disk) {
            staging.value(&format!("partition {definition}"), sizes);
        }
        let image = &composed.recipe.image;
        let packing = format!("{},level={}", image.compression.as_str(), image.compression_level);
        staging.value("compression", packing);
        staging.value("cluster size", image.cluster_size.as_bytes().to_string());
        let line = Identity::of(composed);
        staging.value("root uuid", line.uuid("root"));
        staging.value("verity uuid", line.uuid("verity"));
        staging.value("salt", line.salt());
        staging.tools(&["erofs-utils", "cryptsetup-bin", "systemd"]);
        Ok(())
    }

    fn run(&self, work: &Work<'_>) -> Result<()> {
        let base = work.output(BASE)?;
        let release = Release { profile: work.value("profile")?, version: work.version()? };
        let overlays: Vec<PathBuf> =
            work.places("overlay ").into_iter().map(|(_, place)| place).collect();
        let programs = layer::PROGRAMS.map(|name| work.place(name).map(|at| (name, at.to_owned())));
        let laid = work.draft("layer")?;
        Layer {
            overlays: &overlays,
            programs: programs.into_iter().collect::<Result<_>>()?,
            agent: work.value("agent settings")?,
            stacks: work.places("stack "),
            partitions: work.values("partition "),
        }
        .fill(laid.path(), &release)?;
        let os_release = layer::os_release(&base.join("root"), &release)?;
        layer::put(laid.path(), "usr/lib/os-release", os_release.as_bytes(), 0o644)?;
        work.tools
            .script("making the root", SCRIPT)
            .read(base, "base")
            .read(work.output(MODULES)?, "modules")
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
        packed / 10 * 60
    }

    fn artefacts(&self) -> &'static [Artefact] {
        const ARTEFACTS: [Artefact; 2] = [
            Artefact::shared("root.erofs", ".root.erofs"),
            Artefact::shared("root.verity", ".root.verity"),
        ];
        &ARTEFACTS
    }
}
