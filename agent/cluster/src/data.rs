//! The data partition of a box, where something is wrong with it or was.

use crate::Disk;
use serde::{Deserialize, Serialize};

/// What is known of the data partition besides how full it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataPartition {
    /// Why it is not mounted, as the program says that was started by that; `None` where
    /// it is.
    #[serde(default)]
    pub unmounted: Option<Unmounted>,
    /// Its file system was repaired, and nobody has given back yet what that may have cost.
    #[serde(default)]
    pub repaired: Option<Repair>,
}

/// A data partition that did not mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmounted {
    /// How it stands.
    pub standing: DataStanding,
    /// Why, in the words of what was tried.
    pub why: String,
}

/// How a data partition stands that did not mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataStanding {
    /// Its file system is being repaired.
    Repairing,
    /// The disk can be read, and no repair of its file system helped.
    Gone,
    /// The disk or its cable fails.
    Failing,
    /// It holds something that is not ours to change.
    Foreign,
    /// There is none.
    Absent,
}

/// A repair of its file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repair {
    /// The log was dropped: what was written last may be missing.
    pub log_dropped: bool,
    /// How many files and directories lost their names.
    pub torn: u64,
}

impl DataPartition {
    /// Whether no repair of it helped.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.unmounted.as_ref().is_some_and(|u| u.standing == DataStanding::Gone)
    }

    /// Whether it is in use, and parts of it may be missing.
    #[must_use]
    pub const fn is_doubted(&self) -> bool {
        self.repaired.is_some() && self.unmounted.is_none()
    }
}

/// Whether all that the data partition holds fits on it a second time: what is set aside
/// stays there beside what takes its place.
#[must_use]
pub fn holds_it_twice(disks: &[Disk]) -> bool {
    const HALF: u8 = 45;
    disks.iter().any(|disk| disk.name == "data" && disk.used_percent <= HALF)
}
