//! Disks of VMs: one stamped copy of the image, and one overlay a node.

use crate::error::{Doing, Error, Result};
use crate::process::run;
use crate::{Spec, Tools};
use ashlar_disk::{Image, Job, Start, Unwatched, stamp};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Makes the disk that all nodes' disks are overlays of. With a site it is a
/// copy of the image with the site in its seed partition; without one it is the
/// image itself.
pub(super) fn base(spec: &Spec, dir: &Path) -> Result<PathBuf> {
    let Some(site) = &spec.site else { return Ok(spec.image.clone()) };
    let base = dir.join("base.raw");
    let site = Zeroizing::new(std::fs::read(site).doing("reading", site)?);
    let job = Job { events: &Unwatched, cancelled: &|| false };
    let stamped =
        Image::open(&spec.image).and_then(|image| stamp(&image, &site, Start::Run, &base, job));
    stamped.map_err(Error::Stamp)?;
    Ok(base)
}

/// Makes a node's disk and its firmware variables.
pub(super) fn of_node(base: &Path, node_dir: &Path, disk_gib: u32, tools: &Tools) -> Result<()> {
    let base_dir = base.parent().unwrap_or(Path::new("/"));
    let overlay = node_dir.join("disk.qcow2");
    run(
        tools
            .command("qemu-img", &[node_dir], &[base_dir])
            .args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"])
            .arg(base)
            .arg(overlay)
            .arg(format!("{disk_gib}G")),
        tools.package(),
    )?;
    // qcow2, because a snapshot covers every writable disk or none.
    run(
        tools
            .command("qemu-img", &[node_dir], &[])
            .args(["convert", "-O", "qcow2", super::qemu::FIRMWARE_VARIABLES])
            .arg(node_dir.join("vars.qcow2")),
        tools.package(),
    )?;
    Ok(())
}
