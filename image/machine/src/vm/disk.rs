//! Disks of VMs: one stamped copy of the image, and one overlay a node.

use crate::error::{Error, Result};
use crate::process::run;
use crate::{Spec, Tools};
use gpt::GptConfig;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Makes the disk that all nodes' disks are overlays of. With a site it is a
/// copy of the image with the site in its seed partition; without one it is the
/// image itself.
pub(super) fn base(spec: &Spec, dir: &Path, tools: &Tools) -> Result<PathBuf> {
    let Some(site) = &spec.site else { return Ok(spec.image.clone()) };
    let base = dir.join("base.raw");
    run(
        Command::new("cp")
            .args(["--sparse=always", "--reflink=auto", "--no-preserve=all"])
            .arg(&spec.image)
            .arg(&base),
        "coreutils",
    )?;
    stamp(&base, site, tools)?;
    Ok(base)
}

/// Writes the site into the seed partition of an image, or of a disk that holds one.
pub fn stamp(image: &Path, site: &Path, tools: &Tools) -> Result<()> {
    let offset = seed_offset(image).ok_or_else(|| Error::NoSeed { image: image.to_owned() })?;
    let mut target = image.as_os_str().to_owned();
    target.push(format!("@@{offset}"));
    run(
        tools
            .command("mcopy", &[image], &[site])
            .args(["-o", "-i"])
            .arg(target)
            .arg(site)
            .arg("::site.toml"),
        tools.package(),
    )?;
    Ok(())
}

/// Byte offset of the partition labelled `seed`.
fn seed_offset(image: &Path) -> Option<u64> {
    let disk = GptConfig::new().writable(false).open(image).ok()?;
    let seed = disk.partitions().values().find(|partition| partition.name == "seed")?;
    seed.bytes_start(*disk.logical_block_size()).ok()
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

#[cfg(test)]
mod tests {
    use super::seed_offset;

    #[test]
    fn the_seed_is_found_by_its_label() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(8 << 20).unwrap();
        let mut disk = gpt::GptConfig::new()
            .writable(true)
            .create_from_device(file.reopen().unwrap(), None)
            .unwrap();
        for label in ["esp", "seed"] {
            disk.add_partition(label, 1 << 20, gpt::partition_types::BASIC, 0, None).unwrap();
        }
        let expected = disk.partitions()[&2].first_lba * 512;
        disk.write().unwrap();
        assert_eq!(seed_offset(file.path()), Some(expected));
    }

    #[test]
    fn an_image_without_a_seed_has_no_offset() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(seed_offset(file.path()), None);
    }
}
