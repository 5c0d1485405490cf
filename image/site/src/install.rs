//! `[install]`: onto which disk of a box an installer of this site writes.

use crate::error::{Problem, Step};
use serde::{Deserialize, Serialize};

/// `[install]`. Every rule narrows the choice; what is left must be one disk, or
/// the installer asks on the box's screen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct InstallRules {
    /// A stick made with `ashlar flash --installer` installs by itself, without
    /// anybody choosing that in its menu.
    pub unattended: bool,
    /// How the disk may be connected. Empty: in any way but as a stick or a card.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bus: Vec<DiskBus>,
    /// The disk has at least so many GB (10⁹ bytes, as on its package).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least_gb: Option<u32>,
    /// The disk has at most so many GB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most_gb: Option<u32>,
    /// The disk's serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Which of several disks is taken. Without it the installer asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub take: Option<Take>,
    /// What is on the disk is overwritten without asking.
    pub allow_foreign: bool,
}

/// How a disk is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum DiskBus {
    /// NVMe.
    Nvme,
    /// SATA.
    Sata,
    /// Soldered flash memory.
    Emmc,
    /// A virtual machine's.
    Virtio,
    /// A stick, or a disk in a USB case.
    Usb,
    /// An SD card.
    Sd,
}

/// Which of several disks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Take {
    /// The smallest one that will do.
    Smallest,
    /// The largest one.
    Largest,
}

impl InstallRules {
    pub(crate) fn check(&self) -> Result<(), Problem> {
        let wrong = |key, reason: String| {
            Err(Problem::new(&[Step::Key("install"), Step::Key(key)], reason))
        };
        for (index, bus) in self.bus.iter().enumerate() {
            if self.bus.iter().take(index).any(|other| other == bus) {
                let path = [Step::Key("install"), Step::Key("bus"), Step::Index(index)];
                return Err(Problem::new(&path, "it is in the list already"));
            }
        }
        if self.at_least_gb == Some(0) {
            return wrong("at-least-gb", "expected 1 or more".into());
        }
        if let (Some(least), Some(most)) = (self.at_least_gb, self.at_most_gb)
            && most < least
        {
            return wrong("at-most-gb", format!("expected {least} (`at-least-gb`) or more"));
        }
        if self.at_most_gb == Some(0) {
            return wrong("at-most-gb", "expected 1 or more".into());
        }
        if self.serial.as_ref().is_some_and(|serial| serial.trim().is_empty()) {
            let reason = "expected a serial number as `ashlar flash` lists it".to_owned();
            return wrong("serial", reason);
        }
        Ok(())
    }
}
