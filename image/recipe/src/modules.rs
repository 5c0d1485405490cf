//! Which kernel modules an image keeps.

use serde::{Deserialize, Serialize};

/// A module name, a glob over names, or (with a slash) a glob over paths below
/// the kernel's `kernel/` folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModulePattern(String);

impl ModulePattern {
    /// Whether it means the module with this path below `/lib/modules/<version>`
    /// (`kernel/drivers/nvme/host/nvme.ko.xz`), compressed or not.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let _ = path;
        false
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
