//! The disk image as a DVD: one file that starts from a drive, and that is the disk
//! image where somebody writes it to a stick.

use super::{Artefact, DISK, ISO, Step, StepId};
use crate::error::{At, BuildError, Result};
use crate::stage::{Staging, Work};
use crate::{iso, sparse};
use serde::Deserialize;
use std::fs::File;
use std::os::unix::fs::FileExt;

#[derive(Debug)]
pub(super) struct Iso;

/// What systemd-repart says of a partition.
#[derive(Debug, Deserialize)]
struct Partition {
    label: String,
    offset: u64,
}

impl Step for Iso {
    fn id(&self) -> StepId {
        ISO
    }

    fn about(&self) -> &'static str {
        "make a DVD of the disk image"
    }

    fn needs(&self) -> &'static [StepId] {
        &[DISK]
    }

    fn inputs(&self, _: &mut Staging<'_>) -> Result<()> {
        Ok(())
    }

    fn run(&self, work: &Work<'_>) -> Result<()> {
        let (disk, made) = (work.output(DISK)?.join("disk.raw"), work.out.join("disk.iso"));
        sparse::copy(&disk, &made, work.cancel())?;
        let file = File::options().read(true).write(true).open(&made).at("opened", &made)?;
        let length = file.metadata().at("read", &made)?.len();
        let unexpected = |what: &str| BuildError::Unexpected { what: what.to_owned() };
        let parts: Vec<Partition> = serde_json::from_str(&work.text(DISK, "partitions.json")?)
            .map_err(|error| {
                unexpected(&format!("systemd-repart's list of partitions: {error}"))
            })?;
        let esp = parts.iter().find(|part| part.label == "esp").map(|part| part.offset);
        let first = parts.iter().map(|part| part.offset).min().unwrap_or(0);
        let descriptors = esp.and_then(|esp| iso::descriptors(length, esp));
        let descriptors = descriptors.ok_or_else(|| {
            unexpected("the disk image is no whole number of a DVD's sectors, or has no ESP")
        })?;
        // Between the partition table and the first partition there is nothing.
        let mut there = vec![1; descriptors.len()];
        file.read_exact_at(&mut there, iso::START).at("read", &made)?;
        if first < iso::START + iso::LENGTH || there.iter().any(|byte| *byte != 0) {
            return Err(unexpected("the disk image has no room for the descriptors of a DVD"));
        }
        Ok(file.write_all_at(&descriptors, iso::START).at("written", &made)?)
    }

    fn room(&self, packed: u64) -> u64 {
        packed / 10 * 25
    }

    fn artefacts(&self) -> &'static [Artefact] {
        const ARTEFACTS: [Artefact; 1] = [Artefact::shared("disk.iso", ".iso")];
        &ARTEFACTS
    }
}
