//! A file as a block device.

use crate::command::run;
use anyhow::Result;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A block device for as long as this lives.
#[derive(Debug)]
pub struct LoopDevice {
    /// Where it is.
    pub path: PathBuf,
}

impl LoopDevice {
    /// Of a file that is made for it.
    ///
    /// # Errors
    /// When it cannot be made; that needs root.
    pub fn new(file: &Path, size: u64, options: &[&str]) -> Result<Self> {
        File::options().create(true).append(true).open(file)?.set_len(size)?;
        let shown =
            run(Command::new("losetup").args(["--find", "--show"]).args(options).arg(file))?;
        Ok(Self { path: shown.trim().into() })
    }

    /// What its first bytes are, in short.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn start(&self) -> Result<String> {
        let mut bytes = vec![0; 4 << 20];
        File::open(&self.path)?.read_exact_at(&mut bytes, 0)?;
        Ok(hex::encode(Sha256::digest(&bytes)))
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("--detach").arg(&self.path).status();
    }
}
