//! Kernel, initrd and command line in one EFI program.

use super::{Artefact, BASE, INITRD, MODULES, ROOT, Step, StepId, UKI};
use crate::error::{At, Result};
use crate::layer::{self, Release};
use crate::stage::{Staging, Work};
use crate::{identity, loader};

#[derive(Debug)]
pub(super) struct Uki;

impl Step for Uki {
    fn id(&self) -> StepId {
        UKI
    }

    fn about(&self) -> &'static str {
        "join kernel, initrd and root hash in one EFI program"
    }

    fn needs(&self) -> &'static [StepId] {
        &[BASE, MODULES, INITRD, ROOT]
    }

    fn inputs(&self, staging: &mut Staging<'_>) -> Result<()> {
        let composed = staging.recipe();
        staging.value("command line", loader::command_line(composed));
        staging.value("profile", composed.name.clone());
        staging.version();
        staging.tools();
        Ok(())
    }

    fn run(&self, work: &Work<'_>) -> Result<()> {
        let (base, initrd) = (work.output(BASE)?, work.output(INITRD)?);
        let release = Release { profile: work.value("profile")?, version: work.version()? };
        let described = work.draft("uki")?;
        let path = described.path().join("os-release");
        // The boot menu shows no address.
        let text = layer::os_release(&base.join("root"), &release, "")?;
        std::fs::write(&path, text).at("written", &path)?;
        let kernel = work.text(MODULES, "version")?;
        let hash = work.text(ROOT, "roothash")?;
        let (root, verity) = identity::partitions_of(&hash)?;
        // By the boot disk's own links: another disk may hold the same release.
        let command_line = format!(
            "roothash={hash} systemd.verity_root_data=/dev/ashlar/by-partuuid/{root} \
             systemd.verity_root_hash=/dev/ashlar/by-partuuid/{verity} {}",
            work.value("command line")?
        );
        let unpacked = base.join("root");
        let stub = format!("--stub=/run/stub/{}", loader::file(&unpacked, loader::STUB)?);
        let stubs = unpacked.join(loader::FOLDER);
        let mut ukify = work
            .tools()?
            .command("joining kernel and initrd", "ukify")
            .args(["build", "--linux=/run/base/vmlinuz", "--initrd=/run/initrd/initrd"])
            .arg(&stub)
            .args(["--os-release=@/run/uki/os-release", "--no-sign-kernel"])
            .args(["--output=/run/out/uki.efi", "--efi-arch=x64"])
            .arg(format!("--uname={kernel}"))
            .arg(format!("--cmdline={command_line}"))
            .read(base, "base")
            .read(&stubs, "stub")
            .read(initrd, "initrd")
            .read(described.path(), "uki")
            .write(work.out, "out");
        if initrd.join("microcode").is_file() {
            ukify = ukify.arg("--microcode=/run/initrd/microcode");
        }
        ukify.run()?;
        Ok(())
    }

    fn room(&self, packed: u64) -> u64 {
        packed / 10 * 3
    }

    fn artefacts(&self) -> &'static [Artefact] {
        const ARTEFACTS: [Artefact; 1] = [Artefact::shared("uki.efi", ".efi")];
        &ARTEFACTS
    }
}
