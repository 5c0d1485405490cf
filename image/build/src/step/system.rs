//! The root file system without our programs and without a version: what a change
//! of the agent leaves alone.

use super::{BASE, MODULES, SYSTEM, Step, StepId};
use crate::error::Result;
use crate::identity::Identity;
use crate::layer::{self, Settings};
use crate::stage::{Staging, Work};
use std::path::PathBuf;

/// Three parts, run as one script.
const SCRIPT: &str = concat!(
    include_str!("../../data/system.sh"),
    include_str!("../../data/finish.sh"),
    include_str!("../../data/pack.sh"),
);

#[derive(Debug)]
pub(super) struct System;

impl Step for System {
    fn id(&self) -> StepId {
        SYSTEM
    }

    fn about(&self) -> &'static str {
        "lay overlays over the base, pack"
    }

    fn needs(&self) -> &'static [StepId] {
        &[BASE, MODULES]
    }

    fn inputs(&self, staging: &mut Staging<'_>) -> Result<()> {
        let composed = staging.recipe();
        staging.overlays(&composed.overlays)?;
        for stack in &composed.stacks {
            staging.file(&format!("stack {}", stack.name), &stack.path)?;
        }
        staging.value("agent settings", layer::agent_settings(composed)?);
        for (definition, sizes) in layer::partition_sizes(&composed.recipe.disk) {
            staging.value(&format!("partition {definition}"), sizes);
        }
        staging.packing();
        staging.value("root uuid", Identity::of(composed).uuid("root"));
        staging.tools();
        Ok(())
    }

    fn run(&self, work: &Work<'_>) -> Result<()> {
        let base = work.output(BASE)?;
        let overlays: Vec<PathBuf> =
            work.places("overlay ").into_iter().map(|(_, place)| place).collect();
        let laid = work.draft("layer")?;
        Settings {
            overlays: &overlays,
            agent: work.value("agent settings")?,
            stacks: work.places("stack "),
            partitions: work.values("partition "),
        }
        .fill(laid.path())?;
        work.tools()?
            .script("packing the root", SCRIPT)
            .read(base, "base")
            .read(work.output(MODULES)?, "modules")
            .read(laid.path(), "layer")
            .write(work.out, "out")
            .env("COMPRESSION", work.value("compression")?)
            .env("CLUSTER", work.value("cluster size")?)
            .env("ROOT_UUID", work.value("root uuid")?)
            .run()?;
        Ok(())
    }

    fn room(&self, packed: u64) -> u64 {
        packed / 10 * 50
    }
}
