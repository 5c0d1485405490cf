//! The steps of a build, one file each: what it needs, its inputs, what it does,
//! the room that it takes, and what it leaves for people.
//!
//! A new step is a new file and a line in [`ALL`]; a new [`Target`] is a list of
//! steps. The sources of a step are one of its inputs: `build.rs` finds them.

mod base;
mod checksum;
mod compressed;
mod disk;
mod initrd;
mod iso;
mod modules;
mod qcow2;
mod root;
mod system;
mod uki;
mod vmdk;

use crate::digest;
use crate::error::{BuildError, Result};
use crate::stage::{Sources, Staged, Staging, Work};
pub use crate::step_id::StepId;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

/// Locked packages, unpacked and configured: `root/`, `modules/`, `vmlinuz`.
pub(crate) const BASE: StepId = StepId::new("base");
/// Kernel modules that the hardware needs: `lib/modules/`, `version`.
pub(crate) const MODULES: StepId = StepId::new("modules");
/// What runs before the root is there: `initrd`, `microcode`.
pub(crate) const INITRD: StepId = StepId::new("initrd");
/// The root without our programs: `system.erofs`, `repart.d/`.
pub(crate) const SYSTEM: StepId = StepId::new("system");
/// The root: `root.erofs`, `root.verity`, `roothash`, `repart.d/`.
pub(crate) const ROOT: StepId = StepId::new("root");
/// Kernel, initrd and command line in one EFI program: `uki.efi`.
pub(crate) const UKI: StepId = StepId::new("uki");
/// The disk image: `disk.raw`, `partitions.json`.
pub(crate) const DISK: StepId = StepId::new("disk");
/// Its hash: `disk.raw.sha256`.
pub(crate) const CHECKSUM: StepId = StepId::new("checksum");
/// It, compressed: `disk.raw.zst`.
pub(crate) const COMPRESSED: StepId = StepId::new("compressed");
/// It as a DVD: `disk.iso`.
pub(crate) const ISO: StepId = StepId::new("iso");
/// The disk for QEMU: `disk.qcow2`.
pub(crate) const QCOW2: StepId = StepId::new("qcow2");
/// The disk for VMware: `disk.vmdk`.
pub(crate) const VMDK: StepId = StepId::new("vmdk");

/// Every step, in an order in which they can run.
pub(crate) const ALL: [&dyn Step; 12] = [
    &base::Base,
    &modules::ChosenModules,
    &initrd::Initrd,
    &system::System,
    &root::Root,
    &uki::Uki,
    &disk::Disk,
    &checksum::Checksum,
    &compressed::Compressed,
    &iso::Iso,
    &qcow2::Qcow2,
    &vmdk::Vmdk,
];

/// A part of a build whose output is kept under the hash of its inputs.
pub(crate) trait Step: Sync {
    /// Its name.
    fn id(&self) -> StepId;
    /// What it does, for people.
    fn about(&self) -> &'static str;
    /// The steps whose output it reads.
    fn needs(&self) -> &'static [StepId];
    /// Declares all else that it reads.
    fn inputs(&self, staging: &mut Staging<'_>) -> Result<()>;
    /// Fills `work.out`.
    fn run(&self, work: &Work<'_>) -> Result<()>;
    /// Bytes that it takes at most, by those of the locked packages; from
    /// measurements of images between 100 and 700 MB.
    fn room(&self, packed: u64) -> u64 {
        let _ = packed;
        0
    }
    /// What of its output people get.
    fn artefacts(&self) -> &'static [Artefact] {
        &[]
    }
}

/// A file for people.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Artefact {
    /// Its name in the step's output.
    pub file: &'static str,
    /// What follows `ashlar-<profile>-<version>` in its name.
    pub ending: &'static str,
    /// Whether people change it in place: then it is a copy, and not the cache's
    /// own file.
    pub own: bool,
}

impl Artefact {
    const fn shared(file: &'static str, ending: &'static str) -> Self {
        Self { file, ending, own: false }
    }
}

/// The step of a name.
pub(crate) fn find(id: StepId) -> Option<&'static dyn Step> {
    ALL.into_iter().find(|step| step.id() == id)
}

/// The texts of a step's sources, without their tests.
pub(crate) fn sources_of(id: StepId) -> impl Iterator<Item = (&'static str, &'static str)> {
    type Files = &'static [(&'static str, &'static str)];
    const SOURCES: &[(&str, Files)] = include!(concat!(env!("OUT_DIR"), "/sources.rs"));
    let of_step = SOURCES.iter().find(|(step, _)| *step == id.as_str());
    let files = of_step.map_or(&[] as Files, |(_, files)| files);
    files.iter().map(|(name, text)| (*name, digest::code(text)))
}

/// Takes the inputs of a step: its sources and what it declares. They are staged
/// below `stage`, if it will be run.
pub(crate) fn stage(step: &dyn Step, sources: Sources<'_>, stage: Option<&Path>) -> Result<Staged> {
    let mut staging = Staging::begin(sources, stage.map(|stage| stage.join(step.id().as_str())))?;
    for (name, text) in sources_of(step.id()) {
        staging.value(name, digest::text(text));
    }
    step.inputs(&mut staging)?;
    Ok(staging.finish())
}

/// The same for every step.
pub(crate) fn stage_all(
    sources: Sources<'_>,
    under: Option<&Path>,
) -> Result<BTreeMap<StepId, Staged>> {
    ALL.into_iter().map(|step| Ok((step.id(), stage(step, sources, under)?))).collect()
}

/// What a build is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// The disk image as it goes onto a disk.
    Raw,
    /// The same, compressed, for download.
    Zst,
    /// The same as a DVD: starts from a drive, and from a stick that it is written to.
    Iso,
    /// A disk for QEMU, libvirt and Proxmox.
    Qcow2,
    /// A disk for VMware and VirtualBox.
    Vmdk,
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Raw, Self::Zst, Self::Iso, Self::Qcow2, Self::Vmdk];
    /// What a build makes when nobody says what.
    pub const USUAL: [Self; 2] = [Self::Raw, Self::Zst];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Zst => "zst",
            Self::Iso => "iso",
            Self::Qcow2 => "qcow2",
            Self::Vmdk => "vmdk",
        }
    }

    /// The steps whose artefacts it consists of. Root and boot image are published
    /// with every one of them: they are what a running box updates itself from.
    pub(crate) const fn steps(self) -> &'static [StepId] {
        match self {
            Self::Raw => &[ROOT, UKI, DISK, CHECKSUM],
            Self::Zst => &[ROOT, UKI, COMPRESSED],
            Self::Iso => &[ROOT, UKI, ISO],
            Self::Qcow2 => &[ROOT, UKI, QCOW2],
            Self::Vmdk => &[ROOT, UKI, VMDK],
        }
    }
}

impl FromStr for Target {
    type Err = BuildError;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|target| target.as_str() == text).ok_or_else(|| {
            let all = Self::ALL.map(Self::as_str).join(", ");
            BuildError::Unexpected { what: format!("there is no target `{text}`; there are {all}") }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_comes_after_those_that_it_needs() {
        let place = |id| ALL.iter().position(|step| step.id() == id);
        for step in ALL {
            for need in step.needs() {
                assert!(place(*need).unwrap() < place(step.id()).unwrap());
            }
        }
    }

    #[test]
    fn the_sources_of_a_step_are_its_own_file_and_all_that_it_uses() {
        let names = |id| sources_of(id).map(|(name, _)| name).collect::<Vec<_>>();
        for step in ALL {
            let own = format!("src/step/{}.rs", step.id());
            assert!(names(step.id()).contains(&own.as_str()), "{own}");
        }
        for file in ["src/cpio.rs", "src/elf.rs", "data/initrd.toml", "src/modules.rs"] {
            assert!(names(INITRD).contains(&file), "{file}: {:?}", names(INITRD));
        }
        assert!(names(SYSTEM).contains(&"data/finish.sh"), "{:?}", names(SYSTEM));
        assert!(names(ROOT).contains(&"src/layer.rs") && !names(ROOT).contains(&"data/finish.sh"));
        assert!(!names(UKI).contains(&"data/finish.sh"), "{:?}", names(UKI));
        assert!(sources_of(INITRD).all(|(_, text)| !text.contains("#[test]")));
    }

    #[test]
    fn every_target_is_found_by_its_name_and_has_steps_that_exist() {
        for target in Target::ALL {
            assert_eq!(target.as_str().parse::<Target>().unwrap(), target);
            assert!(target.steps().iter().all(|id| find(*id).is_some()));
        }
        assert!("iso9660".parse::<Target>().unwrap_err().to_string().contains("qcow2"));
    }
}
