//! What runs the nodes, and on what.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What runs the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// QEMU, from firmware to shell.
    Vm,
    /// systemd-nspawn on the image's root tree.
    Lab,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Vm => "vm",
            Self::Lab => "lab",
        })
    }
}

/// A word that names none of the few that there are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is none of: {}", known.join(", "))]
pub struct NoSuchWord {
    word: String,
    known: &'static [&'static str],
}

impl FromStr for Backend {
    type Err = NoSuchWord;

    fn from_str(word: &str) -> std::result::Result<Self, NoSuchWord> {
        match word {
            "vm" => Ok(Self::Vm),
            "lab" => Ok(Self::Lab),
            _ => Err(NoSuchWord { word: word.to_owned(), known: &["vm", "lab"] }),
        }
    }
}

/// What executes a VM's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Accelerator {
    /// The processor. Not every `/dev/kvm` can run a standard kernel.
    Kvm,
    /// QEMU's translator: works everywhere, some ten times slower.
    Tcg,
}

impl FromStr for Accelerator {
    type Err = NoSuchWord;

    fn from_str(word: &str) -> std::result::Result<Self, NoSuchWord> {
        match word {
            "kvm" => Ok(Self::Kvm),
            "tcg" => Ok(Self::Tcg),
            _ => Err(NoSuchWord { word: word.to_owned(), known: &["kvm", "tcg"] }),
        }
    }
}
