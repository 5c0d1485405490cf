//! What runs before the root is there.

use super::{BASE, INITRD, MODULES, Step, StepId};
use crate::error::{At, Result};
use crate::modules::{self, Modules, patterns, written};
use crate::stage::{Staging, Work};
use crate::{cpio, initrd, layer};
use std::path::Path;

#[derive(Debug)]
pub(super) struct Initrd;

impl Step for Initrd {
    fn id(&self) -> StepId {
        INITRD
    }

    fn about(&self) -> &'static str {
        "pack what runs before the root is there"
    }

    fn needs(&self) -> &'static [StepId] {
        &[BASE, MODULES]
    }

    fn inputs(&self, staging: &mut Staging<'_>) -> Result<()> {
        let recipe = staging.recipe();
        staging.value("hardware of the initrd", written(&recipe.initrd_modules));
        staging.matching();
        staging.overlays(&recipe.initrd_overlays)?;
        staging.tools();
        Ok(())
    }

    fn run(&self, work: &Work<'_>) -> Result<()> {
        let base = work.output(BASE)?.join("root");
        let mut tree = initrd::collect(&base)?;
        let modules = work.draft("initrd")?;
        lay_modules(work, modules.path())?;
        initrd::lay(&mut tree, modules.path())?;
        for (_, overlay) in work.places("overlay ") {
            initrd::lay(&mut tree, &overlay)?;
        }
        work.tools()?
            .script("packing the initrd", "zstd --quiet -T0 -12 -o /run/out/initrd")
            .write(work.out, "out")
            .stdin(cpio::archive(&tree))
            .run()?;
        let microcode = initrd::microcode(&base)?;
        if !microcode.is_empty() {
            let path = work.out.join("microcode");
            std::fs::write(&path, cpio::archive(&microcode)).at("written", path)?;
        }
        Ok(())
    }

    fn room(&self, packed: u64) -> u64 {
        packed / 10 * 3
    }
}

/// The initrd's kernel modules and their indexes, below `usr/lib/modules`.
fn lay_modules(work: &Work<'_>, into: &Path) -> Result<()> {
    let all = work.output(MODULES)?.join("lib/modules");
    let version = modules::version(&all)?;
    let from = all.join(&version);
    let to = format!("usr/lib/modules/{version}");
    let kept = Modules::read(&from)?.kept(&patterns(work.value("hardware of the initrd")?));
    let indexes = ["modules.order", "modules.builtin", "modules.builtin.modinfo"];
    for name in kept.iter().map(String::as_str).chain(indexes) {
        let path = from.join(name);
        let content = std::fs::read(&path).at("read", &path)?;
        layer::put(into, &format!("{to}/{name}"), &content, 0o644)?;
    }
    work.tools()?
        .script(
            "indexing the initrd's modules",
            "ln -s usr/lib /run/out/lib; depmod --basedir=/run/out \"$1\"; rm /run/out/lib",
        )
        .arg("depmod")
        .arg(&version)
        .write(into, "out")
        .run()?;
    Ok(())
}
