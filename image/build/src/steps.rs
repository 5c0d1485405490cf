//! What each step does. A step reads the outputs of the steps that it needs and
//! fills one directory; it knows nothing of caching.

use crate::error::{At, BuildError, Result};
use crate::identity::{self, Identity};
use crate::inputs::{self, Sources};
use crate::layer::{self, Release};
use crate::modules::{self, Modules};
use crate::plan::{Plan, StepId};
use crate::store::Store;
use crate::{cpio, digest, initrd};
use ashlar_sandbox::Sandbox;
use std::path::{Path, PathBuf};

/// All that steps may look at.
#[derive(Clone, Debug)]
pub(crate) struct Steps<'a> {
    pub sources: Sources<'a>,
    pub plan: &'a Plan,
    pub store: &'a Store,
    pub version: &'a str,
}

impl Steps<'_> {
    /// Runs one step into an empty directory.
    pub(crate) fn run(&self, id: StepId, out: &Path) -> Result<()> {
        match id {
            StepId::Base => self.base(out),
            StepId::Modules => self.modules(out),
            StepId::Initrd => self.initrd(out),
            StepId::Root => self.root(out),
            StepId::Uki => self.uki(out),
            StepId::Disk => self.disk(out),
            StepId::Checksum => {
                hash(&self.output(StepId::Disk).join("disk.raw"), &out.join("disk.raw.sha256"))
            }
            StepId::Compressed => self.compressed(out),
        }
    }

    /// Where the output of a step is.
    pub(crate) fn output(&self, id: StepId) -> PathBuf {
        self.store.step(id.as_str(), self.plan.key(id))
    }

    /// The root hash that the root step found.
    pub(crate) fn root_hash(&self) -> Result<String> {
        let path = self.output(StepId::Root).join("roothash");
        Ok(std::fs::read_to_string(&path).at("read", &path)?.trim().to_owned())
    }

    /// The UKI's file name: systemd-boot counts down the tries after the `+`.
    pub(crate) fn uki_name(&self) -> String {
        format!("ashlar_{}+3.efi", self.version)
    }

    fn tools(&self) -> Sandbox {
        self.sources.tools.sandbox()
    }

    fn release(&self) -> Release<'_> {
        Release { profile: &self.sources.composed.name, version: self.version }
    }

    fn base(&self, out: &Path) -> Result<()> {
        let draft = self.store.draft("repo")?;
        let packages = &self.sources.lock.packages;
        for package in packages {
            let deb = self.store.deb(&package.sha256);
            let name = format!("{}_{}.deb", package.name, package.architecture);
            std::fs::hard_link(&deb, draft.path().join(name)).at("linked", &deb)?;
            self.store.touch(&deb);
        }
        let names: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
        self.tools()
            .script("unpacking the packages", inputs::BASE)
            .arg("base.sh")
            .arg(names.join(","))
            .write(draft.path(), "repo")
            .write(out, "out")
            .run()?;
        Ok(())
    }

    fn modules(&self, out: &Path) -> Result<()> {
        let from = self.output(StepId::Base).join("modules");
        let version = modules::version(&from)?;
        let composed = self.sources.composed;
        let known = Modules::read(&from.join(&version))?;
        let mut kept = known.kept(&composed.modules);
        kept.extend(known.kept(&composed.initrd_modules));
        let list: String = kept.iter().map(|path| format!("{path}\n")).collect();
        self.tools()
            .script("choosing kernel modules", inputs::MODULES)
            .arg("modules.sh")
            .arg(&version)
            .read(&from, "modules")
            .write(out, "out")
            .stdin(list.into_bytes())
            .run()?;
        let path = out.join("version");
        Ok(std::fs::write(&path, version).at("written", path)?)
    }

    fn initrd(&self, out: &Path) -> Result<()> {
        let base = self.output(StepId::Base).join("root");
        let mut tree = initrd::collect(&base)?;
        let draft = self.store.draft("initrd")?;
        self.initrd_modules(draft.path())?;
        initrd::lay(&mut tree, draft.path())?;
        for overlay in &self.sources.composed.initrd_overlays {
            let draft = self.store.draft("initrd-overlay")?;
            layer::lay(overlay, draft.path())?;
            initrd::lay(&mut tree, draft.path())?;
        }
        self.tools()
            .script("packing the initrd", "zstd --quiet -T0 -12 -o /run/out/initrd")
            .write(out, "out")
            .stdin(cpio::archive(&tree))
            .run()?;
        let microcode = initrd::microcode(&base)?;
        if !microcode.is_empty() {
            let path = out.join("microcode");
            std::fs::write(&path, cpio::archive(&microcode)).at("written", path)?;
        }
        Ok(())
    }

    /// The initrd's kernel modules and their indexes, below `usr/lib/modules`.
    fn initrd_modules(&self, into: &Path) -> Result<()> {
        let modules = self.output(StepId::Modules);
        let version = modules::version(&modules.join("lib/modules"))?;
        let from = modules.join("lib/modules").join(&version);
        let to = format!("usr/lib/modules/{version}");
        let kept = Modules::read(&from)?.kept(&self.sources.composed.initrd_modules);
        let indexes = ["modules.order", "modules.builtin", "modules.builtin.modinfo"];
        for name in kept.iter().map(String::as_str).chain(indexes) {
            let path = from.join(name);
            let content = std::fs::read(&path).at("read", &path)?;
            layer::put(into, &format!("{to}/{name}"), &content, 0o644)?;
        }
        self.tools()
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

    fn root(&self, out: &Path) -> Result<()> {
        let Sources { composed, programs, .. } = self.sources;
        let base = self.output(StepId::Base);
        let layer = self.store.draft("layer")?;
        layer::fill(layer.path(), &base.join("root"), composed, programs, &self.release())?;
        let (line, image) = (Identity::of(composed), &composed.recipe.image);
        let packing = match image.compression {
            ashlar_recipe::Compression::Zstd => format!("zstd,level={}", image.compression_level),
            ashlar_recipe::Compression::Lz4hc => {
                format!("lz4hc,level={}", image.compression_level)
            }
        };
        self.tools()
            .script("making the root", inputs::ROOT)
            .read(&base, "base")
            .read(&self.output(StepId::Modules), "modules")
            .read(layer.path(), "layer")
            .write(out, "out")
            .env("COMPRESSION", &packing)
            .env("CLUSTER", &image.cluster_size.as_bytes().to_string())
            .env("ROOT_UUID", &line.uuid("root"))
            .env("VERITY_UUID", &line.uuid("verity"))
            .env("SALT", &line.salt())
            .run()?;
        for file in ["root.erofs", "root.verity"] {
            hash(&out.join(file), &out.join(format!("{file}.sha256")))?;
        }
        within_budget("root", &out.join("root.erofs"), composed.recipe.budget.root)
    }

    fn uki(&self, out: &Path) -> Result<()> {
        let base = self.output(StepId::Base);
        let initrd = self.output(StepId::Initrd);
        let os_release = layer::os_release(&base.join("root"), &self.release())?;
        let path = out.join("os-release");
        std::fs::write(&path, os_release).at("written", &path)?;
        let version = self.output(StepId::Modules).join("version");
        let kernel = std::fs::read_to_string(&version).at("read", &version)?;
        let hash = self.root_hash()?;
        let (root, verity) = self.root_partitions(&hash)?;
        // By the boot disk's own links: another disk may hold the same release.
        let command_line = format!(
            "roothash={hash} systemd.verity_root_data=/dev/ashlar/by-partuuid/{root} \
             systemd.verity_root_hash=/dev/ashlar/by-partuuid/{verity} {}",
            self.sources.command_line()
        );
        let tools = self.tools();
        let mut ukify = tools
            .command("joining kernel and initrd", "ukify")
            .args(["build", "--linux=/run/base/vmlinuz", "--initrd=/run/initrd/initrd"])
            .args(["--os-release=@/run/out/os-release", "--no-sign-kernel"])
            .args(["--output=/run/out/uki.efi", "--efi-arch=x64"])
            .arg(format!("--uname={kernel}"))
            .arg(format!("--cmdline={command_line}"))
            .read(&base, "base")
            .read(&initrd, "initrd")
            .write(out, "out");
        if initrd.join("microcode").is_file() {
            ukify = ukify.arg("--microcode=/run/initrd/microcode");
        }
        ukify.run()?;
        let made = out.join("os-release");
        std::fs::remove_file(&made).at("removed", &made)?;
        self::hash(&out.join("uki.efi"), &out.join("uki.efi.sha256"))?;
        within_budget("uki", &out.join("uki.efi"), self.sources.composed.recipe.budget.uki)
    }

    /// The partitions that a root hash names: root and hash tree.
    fn root_partitions(&self, hash: &str) -> Result<(String, String)> {
        identity::partitions_of(hash).ok_or_else(|| BuildError::Unexpected {
            what: format!("veritysetup printed no root hash: {hash:?}"),
        })
    }

    fn disk(&self, out: &Path) -> Result<()> {
        let line = Identity::of(self.sources.composed);
        let (root, verity) = self.root_partitions(&self.root_hash()?)?;
        let loader = self.store.draft("loader")?;
        layer::put(
            loader.path(),
            "loader.conf",
            inputs::loader(self.sources.composed).as_bytes(),
            0o644,
        )?;
        self.tools()
            .script("filling the disk image", inputs::DISK)
            .read(&self.output(StepId::Root), "root")
            .read(&self.output(StepId::Uki), "uki")
            .read(&loader.path().join("loader.conf"), "loader.conf")
            .write(out, "out")
            .env("UKI_NAME", &self.uki_name())
            .env("SEED", &line.seed())
            .env("SEED_ID", &line.volume_id("seed"))
            .env("SEED_BYTES", &self.sources.composed.recipe.disk.seed.as_bytes().to_string())
            .env("ROOT_PARTITION", &root)
            .env("VERITY_PARTITION", &verity)
            .run()?;
        Ok(())
    }

    fn compressed(&self, out: &Path) -> Result<()> {
        self.tools()
            .command("compressing the image", "zstd")
            .args(["--quiet", "-T0", "-3", "/run/disk/disk.raw", "-o", "/run/out/disk.raw.zst"])
            .read(&self.output(StepId::Disk), "disk")
            .write(out, "out")
            .run()?;
        hash(&out.join("disk.raw.zst"), &out.join("disk.raw.zst.sha256"))
    }
}

/// Writes down a file's hash, so that publishing need not read the file again.
fn hash(path: &Path, to: &Path) -> Result<()> {
    Ok(std::fs::write(to, digest::file(path)?).at("written", to)?)
}

fn within_budget(
    what: &'static str,
    path: &Path,
    budget: Option<ashlar_recipe::Size>,
) -> Result<()> {
    let size = std::fs::metadata(path).at("read", path)?.len();
    match budget.map(ashlar_recipe::Size::as_bytes) {
        Some(budget) if size > budget => Err(BuildError::OverBudget { what, size, budget }),
        _ => Ok(()),
    }
}
