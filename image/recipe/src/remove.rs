//! `[remove]`: what a recipe takes back of what its parents gave.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[remove]`: items of the parents' lists, under the lists' own keys:
/// `remove.packages`, `remove.kernel.command-line`. A package that another one
/// depends on is still installed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RemoveSettings {
    /// Of `overlays`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overlays: Vec<String>,
    /// Of `packages`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
    /// Of `components`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<String>,
    /// Of `repositories`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<String>,
    /// Of `debs`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub debs: Vec<String>,
    /// Of `stacks`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stacks: Vec<String>,
    /// Of `[kernel]`.
    #[serde(skip_serializing_if = "RemoveKernel::is_empty")]
    pub kernel: RemoveKernel,
    /// Of `[firmware]`.
    #[serde(skip_serializing_if = "RemoveFirmware::is_empty")]
    pub firmware: RemoveFirmware,
    /// Of `[initrd]`.
    #[serde(skip_serializing_if = "RemoveInitrd::is_empty")]
    pub initrd: RemoveInitrd,
    /// Of `[hardware]`.
    #[serde(skip_serializing_if = "RemoveHardware::is_empty")]
    pub hardware: RemoveHardware,
}

/// `[remove.kernel]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RemoveKernel {
    /// Of `kernel.command-line`, word by word as written there.
    pub command_line: Vec<String>,
}

/// `[remove.firmware]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RemoveFirmware {
    /// Of `firmware.packages`.
    pub packages: Vec<String>,
}

/// `[remove.initrd]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RemoveInitrd {
    /// Of `initrd.overlays`.
    pub overlays: Vec<String>,
}

/// `[remove.hardware]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RemoveHardware {
    /// Of `hardware.sets`.
    pub sets: Vec<String>,
    /// Of `hardware.modules`.
    pub modules: Vec<String>,
    /// Of `hardware.initrd-sets`.
    pub initrd_sets: Vec<String>,
}

impl RemoveSettings {
    /// Whether nothing is taken back.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl RemoveKernel {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl RemoveFirmware {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl RemoveInitrd {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl RemoveHardware {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
