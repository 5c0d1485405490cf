//! What goes into each step: the plan of one build.

use crate::error::Result;
use crate::identity::Identity;
use crate::layer::PROGRAMS;
use crate::plan::{Inputs, Plan, StepId};
use crate::tools::Toolbox;
use crate::{digest, initrd};
use ashlar_recipe::{Composed, Lock};
use std::path::Path;

pub(crate) const BASE: &str = include_str!("../data/base.sh");
pub(crate) const MODULES: &str = include_str!("../data/modules.sh");
pub(crate) const FINISH: &str = include_str!("../data/finish.sh");
pub(crate) const ROOT: &str = concat!(
    include_str!("../data/root.sh"),
    include_str!("../data/finish.sh"),
    include_str!("../data/pack.sh"),
);
pub(crate) const DISK: &str = include_str!("../data/disk.sh");

/// Counts changes of this program that change what a step makes, and that no
/// other input shows.
const REVISION: &str = "1";

/// What a build is made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sources<'a> {
    /// The recipe.
    pub composed: &'a Composed,
    /// Its packages.
    pub lock: &'a Lock,
    /// Where our programs are.
    pub programs: &'a Path,
    /// The tools.
    pub tools: &'a Toolbox,
}

/// The boot loader's settings. On a machine that people touch its menu is there for
/// some seconds; elsewhere the space bar still shows it.
pub(crate) fn loader(composed: &Composed) -> &'static str {
    match composed.recipe.machine.as_deref() {
        Some("vm") => include_str!("../data/loader-vm.conf"),
        _ => include_str!("../data/loader.conf"),
    }
}

/// The kernel's command line of a recipe, but for the root hash.
pub(crate) fn command_line(composed: &Composed) -> String {
    let mut words = vec!["systemd.verity=yes", "rootfstype=erofs", "ro", "fsck.repair=yes"];
    words.extend(composed.recipe.kernel.command_line.iter().map(String::as_str));
    words.join(" ")
}

impl Sources<'_> {
    /// The version that the contents give: equal for equal inputs.
    pub(crate) fn version(&self) -> Result<String> {
        let plan = self.plan("")?;
        Ok(format!("{}-{}", env!("CARGO_PKG_VERSION"), &plan.key(StepId::Compressed)[..8]))
    }

    /// Keys every step.
    pub(crate) fn plan(&self, version: &str) -> Result<Plan> {
        let mut all = Vec::new();
        for id in StepId::ALL {
            all.push((id, self.inputs(id, version)?));
        }
        Ok(Plan::new(|id| {
            let found = all.iter().find(|(other, _)| *other == id);
            found.map(|(_, inputs)| inputs.clone()).unwrap_or_default()
        }))
    }

    /// The kernel's command line, but for the root hash.
    pub(crate) fn command_line(&self) -> String {
        command_line(self.composed)
    }

    fn inputs(&self, id: StepId, version: &str) -> Result<Inputs> {
        let recipe = &self.composed.recipe;
        let mut inputs = Inputs::from([("builder".into(), REVISION.into())]);
        let mut put = |name: &str, value: String| inputs.insert(name.to_owned(), value);
        let tools = |packages: &[&str]| self.tools.digest_of(packages);
        let patterns = |patterns: &[ashlar_recipe::ModulePattern]| {
            let lines: String = patterns.iter().map(|p| format!("{}\n", p.as_str())).collect();
            digest::text(lines)
        };
        match id {
            StepId::Base => {
                let hashes: String =
                    self.lock.packages.iter().map(|p| format!("{}\n", p.sha256)).collect();
                put("packages", digest::text(hashes));
                put("data/base.sh", digest::text(BASE));
                put("tools", tools(&["mmdebstrap", "apt", "apt-utils", "dpkg"]));
            }
            StepId::Modules => {
                put("hardware", patterns(&self.composed.modules));
                put("hardware of the initrd", patterns(&self.composed.initrd_modules));
                put("data/modules.sh", digest::text(MODULES));
                put("tools", tools(&["kmod", "xz-utils"]));
            }
            StepId::Initrd => {
                put("data/initrd.toml", digest::text(initrd::LIST));
                put("hardware of the initrd", patterns(&self.composed.initrd_modules));
                for (place, overlay) in self.composed.initrd_overlays.iter().enumerate() {
                    let name = overlay.file_name().map(|name| name.to_string_lossy().into_owned());
                    let name = format!("overlay {} {}", place + 1, name.unwrap_or_default());
                    put(&name, digest::tree(overlay)?);
                }
                put("tools", tools(&["kmod", "zstd"]));
            }
            StepId::Root => {
                for (place, overlay) in self.composed.overlays.iter().enumerate() {
                    let name = overlay.file_name().map(|name| name.to_string_lossy().into_owned());
                    let name = format!("overlay {} {}", place + 1, name.unwrap_or_default());
                    put(&name, digest::tree(overlay)?);
                }
                for program in PROGRAMS {
                    put(program, digest::file(&self.programs.join(program))?);
                }
                for stack in &self.composed.stacks {
                    put(&format!("stack {}", stack.name), digest::file(&stack.path)?);
                }
                put("profile", self.composed.name.clone());
                put("version", version.to_owned());
                put("agent settings", digest::text(format!("{:?}", recipe.agent)));
                put("disk", digest::text(format!("{:?}", recipe.disk)));
                put("image", digest::text(format!("{:?}", recipe.image)));
                put("product line", Identity::of(self.composed).seed());
                put("data/root.sh", digest::text(ROOT));
                put("tools", tools(&["erofs-utils", "cryptsetup-bin", "systemd"]));
            }
            StepId::Uki => {
                put("command line", self.command_line());
                // Root and hash tree are named by the boot disk's own links.
                put("root by", "/dev/ashlar/by-partuuid".into());
                put("profile", self.composed.name.clone());
                put("version", version.to_owned());
                put("tools", tools(&["systemd-ukify", "systemd-boot-efi"]));
            }
            StepId::Disk => {
                put("data/disk.sh", digest::text(DISK));
                put("data/loader.conf", digest::text(loader(self.composed)));
                put("version", version.to_owned());
                put("product line", Identity::of(self.composed).seed());
                put("seed", recipe.disk.seed.to_string());
                put(
                    "tools",
                    tools(&["systemd-repart", "systemd-boot-efi", "dosfstools", "mtools"]),
                );
            }
            StepId::Checksum => {}
            StepId::Compressed => {
                put("tools", tools(&["zstd"]));
            }
        }
        Ok(inputs)
    }
}
