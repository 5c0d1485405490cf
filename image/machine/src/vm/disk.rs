//! Disks of VMs: one stamped copy of the image, and one overlay a node; or the image
//! in a drive of its own, where it is a DVD.

use crate::error::{Doing, Error, Result};
use crate::process::run;
use crate::{Spec, Tools};
use ashlar_disk::{Image, Job, Start, Unwatched, stamp};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// How a file holds a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As it is.
    Raw,
    /// As it is, with the descriptors of a DVD.
    Iso,
    Qcow2,
    Vmdk,
}

impl Form {
    /// By the file's contents, whatever its name is.
    pub(super) fn of(image: &Path) -> Result<Self> {
        let file = File::open(image).doing("opening", image)?;
        let has = |at, mark: &[u8]| {
            let mut found = vec![0; mark.len()];
            file.read_exact_at(&mut found, at).is_ok() && found == mark
        };
        Ok(match () {
            () if has(0, b"QFI\xfb") => Self::Qcow2,
            () if has(0, b"KDMV") => Self::Vmdk,
            () if has(32 << 10, b"\x01CD001") => Self::Iso,
            () => Self::Raw,
        })
    }

    /// QEMU's word for it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Raw | Self::Iso => "raw",
            Self::Qcow2 => "qcow2",
            Self::Vmdk => "vmdk",
        }
    }
}

/// Makes the disk that all nodes' disks are overlays of. With a site it is a
/// copy of the image with the site in its seed partition; without one, or with an
/// image that the firmware has to bring the site to, it is the image itself.
pub(super) fn base(spec: &Spec, dir: &Path) -> Result<PathBuf> {
    let Some(site) = &spec.site else { return Ok(spec.image.clone()) };
    if !is_written_into(&spec.image)? {
        return Ok(spec.image.clone());
    }
    let base = dir.join("base.raw");
    let site = Zeroizing::new(std::fs::read(site).doing("reading", site)?);
    let job = Job { events: &Unwatched, cancelled: &|| false };
    let stamped =
        Image::open(&spec.image).and_then(|image| stamp(&image, &site, Start::Run, &base, job));
    stamped.map_err(Error::Stamp)?;
    Ok(base)
}

/// Whether a site is written into copies of an image: not if it is a disk in another
/// program's form.
fn is_written_into(image: &Path) -> Result<bool> {
    Ok(!matches!(Form::of(image)?, Form::Qcow2 | Form::Vmdk))
}

/// Makes a node's disk and its firmware variables. A node that starts from a DVD has
/// an empty disk; `base` is nothing then.
pub(super) fn of_node(
    base: Option<&Path>,
    node_dir: &Path,
    disk_gib: u32,
    tools: &Tools,
) -> Result<()> {
    let base_dir = base.and_then(Path::parent).unwrap_or(Path::new("/"));
    let mut create = tools.command("qemu-img", &[node_dir], &[base_dir]);
    create.args(["create", "-q", "-f", "qcow2"]);
    if let Some(base) = base {
        create.args(["-F", Form::of(base)?.as_str(), "-b"]).arg(base);
    }
    run(create.arg(node_dir.join("disk.qcow2")).arg(format!("{disk_gib}G")), tools.package())?;
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
    use super::*;

    #[test]
    fn the_form_of_an_image_is_told_by_its_contents() {
        let dir = tempfile::tempdir().unwrap();
        let mut dvd = vec![0; 40_000];
        dvd[32_768..32_774].copy_from_slice(b"\x01CD001");
        for (name, bytes, form) in [
            ("a.raw", b"QFI\xfb\0\0\0\x03".to_vec(), Form::Qcow2),
            ("b.raw", b"KDMV\x03".to_vec(), Form::Vmdk),
            ("c.raw", dvd, Form::Iso),
            ("d.iso", vec![0; 40_000], Form::Raw),
            ("e.raw", Vec::new(), Form::Raw),
        ] {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(Form::of(&path).unwrap(), form, "{name}");
        }
    }

    #[test]
    fn a_site_is_not_written_into_the_disk_of_another_program() {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("disk.qcow2");
        std::fs::write(&image, b"QFI\xfb").unwrap();
        let mut spec = Spec::new(crate::Backend::Vm, "a", image.clone());
        spec.site = Some("/dev/null".into());
        assert_eq!(base(&spec, dir.path()).unwrap(), image);
        assert!(!is_written_into(&image).unwrap());
    }
}
