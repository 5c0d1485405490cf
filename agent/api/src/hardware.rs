//! `GET /v1/hardware`: the machine that this node runs on.

use crate::{Client, ClientError, route};
use serde::{Deserialize, Serialize};

/// The answer to `GET /v1/hardware`. What a machine does not tell is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Hardware {
    /// Who made it.
    pub vendor: Option<String>,
    /// What its maker calls it.
    pub product: Option<String>,
    /// Its serial number: what stands on its back.
    pub serial: Option<String>,
    /// Version and date of its firmware.
    pub firmware: Option<String>,
    /// Secure Boot is on.
    pub secure_boot: Option<bool>,
    /// It has a TPM.
    pub tpm: bool,
    /// What its processor calls itself.
    pub processor: Option<String>,
    /// Processors that the kernel uses.
    pub processors: usize,
    /// Bytes of memory,
    pub memory: u64,
    /// and how many of them programs may still take.
    pub memory_available: u64,
    /// The kernel that runs.
    pub kernel: Option<String>,
    /// The slot that it was booted from: `a` or `b`.
    pub slot: Option<String>,
    /// A time server has set the clock since power-on.
    pub clock_synchronised: bool,
    /// Its disks.
    pub drives: Vec<Drive>,
}

/// A disk, a stick or a card.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Drive {
    /// What the kernel calls it.
    pub name: String,
    /// What its maker calls it.
    pub model: Option<String>,
    /// Its serial number.
    pub serial: Option<String>,
    /// Its size in bytes.
    pub bytes: u64,
    /// It can be pulled out.
    pub removable: bool,
}

impl Client {
    /// The machine below this node.
    ///
    /// # Errors
    /// As [`Connection::get`](crate::Connection::get).
    pub async fn hardware(&self) -> Result<Hardware, ClientError> {
        self.connect().await?.get(route::HARDWARE).await
    }
}
