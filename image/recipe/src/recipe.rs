//! A recipe: what one image is made of. The file `recipes/<name>.toml`.

use crate::Size;
use crate::remove::RemoveSettings;
use ashlar_site::AgentSettings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A recipe (edge profile).
///
/// Every key may be left out. A recipe that `extends` others starts from them:
/// lists are appended to (without repeats), tables are merged, and single
/// values replace those of the parents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Recipe {
    /// One line that says what the image is for.
    pub description: String,
    /// Recipes in the same folder to start from, first to last. Empty once composed.
    #[serde(skip_serializing_if = "Extends::is_empty")]
    pub extends: Extends,
    /// What it runs on: a file in `recipes/machines/`, whose values come before
    /// all others. `metal`, for real machines, when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// Overlays: folders under `overlays/`, laid over the root in this order.
    pub overlays: Vec<String>,
    /// Debian packages to install.
    pub packages: Vec<String>,
    /// Third-party repositories to take packages from as well: names of tables in
    /// `recipes/archives.toml`.
    pub repositories: Vec<String>,
    /// Packages of one's own: `.deb` files, by path relative to the recipe. Each
    /// is installed, and its checksum goes into the lock.
    pub debs: Vec<String>,
    /// Parts of Debian's archive that packages come from, besides `main`.
    pub components: Vec<String>,
    /// Items of the parents' lists to leave out. Empty once composed.
    #[serde(skip_serializing_if = "RemoveSettings::is_empty")]
    pub remove: RemoveSettings,
    /// Compose files deployed on the Swarm: a name (`recipes/stacks/<name>.yml`)
    /// or a path relative to the recipe.
    pub stacks: Vec<String>,
    /// The kernel.
    pub kernel: KernelSettings,
    /// What devices load into themselves.
    pub firmware: FirmwareSettings,
    /// What runs before the root is there.
    pub initrd: InitrdSettings,
    /// The hardware that the image runs on.
    pub hardware: HardwareSettings,
    /// Smallest partition sizes.
    pub disk: DiskSettings,
    /// Sizes that the build may not exceed.
    pub budget: BudgetSettings,
    /// How the image is packed.
    pub image: ImageSettings,
    /// Settings of the agent.
    pub agent: AgentSettings,
}

/// `extends`: one name, or a list of names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected the name of a recipe, or a list of names")]
pub enum Extends {
    /// One parent.
    One(String),
    /// Any number of parents; a later one wins over an earlier one.
    Many(Vec<String>),
}

impl Extends {
    /// The names, first to last.
    #[must_use]
    pub fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => names,
        }
    }

    /// Whether there is no parent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names().is_empty()
    }
}

impl Default for Extends {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

/// `[kernel]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct KernelSettings {
    /// The Debian package of the kernel. The target machine names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// Words added to the kernel command line.
    pub command_line: Vec<String>,
}

/// `[firmware]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct FirmwareSettings {
    /// Debian packages of firmware and of processors' microcode.
    pub packages: Vec<String>,
}

/// `[initrd]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct InitrdSettings {
    /// Overlays: folders under `overlays/`, laid over the initrd in this order.
    pub overlays: Vec<String>,
}

/// `[hardware]`: which kernel modules stay in the image. What a kept module
/// depends on stays too. With neither `sets` nor `modules`, all modules stay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct HardwareSettings {
    /// Named lists of modules, `recipes/hardware/<name>.txt`.
    pub sets: Vec<String>,
    /// Further modules: a name (`nvme`), a glob over names (`virtio_*`), or,
    /// with a slash, a glob over paths below `kernel/` (`drivers/net/phy/**`).
    pub modules: Vec<String>,
    /// Named lists of the modules that the initrd carries as well.
    pub initrd_sets: Vec<String>,
}

/// `[disk]`: smallest sizes of the partitions. They cannot be mended in the
/// field, so the defaults are generous.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DiskSettings {
    /// The EFI system partition: boot loader and one UKI a slot.
    pub esp: Size,
    /// The root file system, each slot.
    pub root: Size,
    /// The hash tree of the root, each slot.
    pub verity: Size,
    /// The seed, which carries the site once.
    pub seed: Size,
    /// `/var`.
    pub state: Size,
    /// `/data`, which takes what is left of the disk.
    pub data: Size,
}

impl Default for DiskSettings {
    fn default() -> Self {
        Self {
            esp: Size::gibibytes(2),
            root: Size::gibibytes(2),
            verity: Size::mebibytes(64),
            seed: Size::mebibytes(100),
            state: Size::gibibytes(4),
            data: Size::gibibytes(4),
        }
    }
}

impl DiskSettings {
    /// Bytes of the smallest disk that a box boots from: what the image brings
    /// and what its first boot makes, the partition table included.
    #[must_use]
    pub fn smallest(&self) -> u64 {
        let slot = self.root.as_bytes() + self.verity.as_bytes() + (16 << 10);
        let once = [self.esp, self.seed, self.state, self.data].map(Size::as_bytes);
        // The table's two copies, and what aligning takes.
        2 * slot + once.iter().sum::<u64>() + (4 << 20)
    }
}

/// `[budget]`: sizes that fail the build when exceeded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct BudgetSettings {
    /// The root file system, packed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<Size>,
    /// The UKI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uki: Option<Size>,
}

/// `[image]`: how the root is packed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ImageSettings {
    /// Compression of the root.
    pub compression: Compression,
    /// Its level: 1 to 22 for zstd, 0 to 12 for lz4hc.
    pub compression_level: u8,
    /// Bytes that are compressed together: larger is smaller and slower.
    pub cluster_size: Size,
    /// The UUID from which partition ids and the verity salt are made. Images
    /// of one product line share it, so that two versions compare block by
    /// block. Derived from the recipe's name when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repart_seed: Option<String>,
    /// Where the book is on the web: the screen shows a code of the page that each
    /// alert has in it. It stands in the image's `os-release`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub documentation_url: Option<String>,
}

/// What the root is compressed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// Smaller.
    #[default]
    Zstd,
    /// Faster to read.
    Lz4hc,
}

impl Compression {
    /// The word that `mkfs.erofs -z` takes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Lz4hc => "lz4hc",
        }
    }
}

impl Default for ImageSettings {
    fn default() -> Self {
        Self {
            compression: Compression::Zstd,
            compression_level: 3,
            cluster_size: Size::bytes(64 << 10),
            repart_seed: None,
            documentation_url: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::DiskSettings;

    #[test]
    fn a_box_with_16_gb_is_large_enough() {
        assert!(DiskSettings::default().smallest() < 15_400_000_000);
    }
}
