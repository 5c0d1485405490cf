//! Disks and sticks of a test, as a person's own computer writes them: by programs
//! that know nothing of Ashlar.

use crate::command::{Ashlar, run};
use crate::project::tools_root;
use anyhow::{Context, Result};
use ashlar_machine::Tools;
use nix::errno::Errno;
use nix::unistd::{Whence, lseek};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the one partition of a stick begins, as sticks are sold.
const FIRST: u64 = 1 << 20;

const BLOCK: usize = 64 << 10;

/// Copies an image onto what holds so many bytes, as any flasher does: byte by byte.
///
/// # Errors
/// When it cannot be written.
pub fn copied(image: &Path, onto: &Path, bytes: u64) -> Result<()> {
    run(Command::new("cp").arg("--sparse=always").args([image, onto]))?;
    File::options().write(true).open(onto)?.set_len(bytes)?;
    Ok(())
}

/// What is on a disk, in short: every byte that is not zero counts, with its place.
///
/// # Errors
/// When it cannot be read.
pub fn sum(disk: &Path) -> Result<String> {
    let file = File::open(disk).with_context(|| disk.display().to_string())?;
    let (mut sum, mut at) = (Sha256::new(), 0);
    let mut block = vec![0; BLOCK];
    loop {
        // What was never written is zeros, and takes no time.
        at = match lseek(&file, at, Whence::SeekData) {
            Ok(next) => next - next % BLOCK as i64,
            Err(Errno::ENXIO) => return Ok(hex::encode(sum.finalize())),
            Err(error) => return Err(error.into()),
        };
        let read = file.read_at(&mut block, at.try_into()?)?;
        if block[..read].iter().any(|byte| *byte != 0) {
            sum.update(at.to_le_bytes());
            sum.update(&block[..read]);
        }
        at += BLOCK as i64;
    }
}

/// A FAT volume.
#[derive(Debug)]
pub struct Volume {
    disk: PathBuf,
    at: u64,
    size: u64,
}

impl Volume {
    /// The small one of a disk that an image was written to, which every computer shows.
    ///
    /// # Errors
    /// When it has none.
    pub fn seed(disk: &Path) -> Result<Self> {
        let seen = Ashlar::new(["inspect", "--json"])?.arg(disk).succeeds()?.json()?;
        let all = seen["partitions"].as_array().context("partitions")?;
        let seed = all.iter().find(|part| part["label"] == "seed").context("a seed")?;
        let (at, size) = (seed["offset"].as_u64(), seed["size"].as_u64());
        Ok(Self { disk: disk.to_owned(), at: at.context("offset")?, size: size.context("size")? })
    }

    /// The only one of a new stick, in a partition as sticks are sold.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn of_stick(stick: &Path, size: u64, label: &str) -> Result<Self> {
        let file = File::create_new(stick)?;
        file.set_len(FIRST + size)?;
        let (start, sectors) = (u32::try_from(FIRST / 512)?, u32::try_from(size / 512)?);
        let entry = [
            // FAT, by its place; whoever still counts cylinders is told of none.
            [0, 0xFE, 0xFF, 0xFF, 0x0C, 0xFE, 0xFF, 0xFF].as_slice(),
            &start.to_le_bytes(),
            &sectors.to_le_bytes(),
        ];
        file.write_all_at(&entry.concat(), 446)?;
        file.write_all_at(&[0x55, 0xAA], 510)?;
        let volume = Self { disk: stick.to_owned(), at: FIRST, size };
        volume.format(label)?;
        Ok(volume)
    }

    /// The only one of a new stick that has no table of partitions at all.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn all_of_stick(stick: &Path, size: u64, label: &str) -> Result<Self> {
        File::create_new(stick)?.set_len(size)?;
        let volume = Self { disk: stick.to_owned(), at: 0, size };
        volume.format(label)?;
        Ok(volume)
    }

    /// Copies a file onto it that lies beside the disk.
    ///
    /// # Errors
    /// When it has no room.
    pub fn put(&self, file: &str) -> Result<()> {
        self.mtools("mcopy", &[file, "::"])
    }

    /// Whether not a byte of it is left.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn is_zeros(&self) -> Result<bool> {
        let mut bytes = vec![0; self.size.try_into()?];
        File::open(&self.disk)?.read_exact_at(&mut bytes, self.at)?;
        Ok(bytes.iter().all(|byte| *byte == 0))
    }

    fn format(&self, label: &str) -> Result<()> {
        let sectors = (self.size / 512).to_string();
        self.mtools("mformat", &["-v", label, "-T", &sectors, "-h", "16", "-s", "63", "::"])
    }

    fn mtools(&self, program: &str, words: &[&str]) -> Result<()> {
        let beside = self.disk.parent().context("a directory")?;
        let mut command = Tools::Root(tools_root()?).command("env", &[beside], &[]);
        command.arg("-C").arg(beside).arg(program);
        command.arg("-i").arg(format!("{}@@{}", self.disk.display(), self.at)).args(words);
        run(&mut command).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::sum;
    use std::fs::File;
    use std::os::unix::fs::FileExt;

    #[test]
    fn a_byte_counts_wherever_it_is_and_zeros_do_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("disk");
        let file = File::create_new(&path).unwrap();
        file.set_len(1 << 30).unwrap();
        let mut seen = vec![sum(&path).unwrap()];
        for place in [0, 70_000, (1 << 30) - 1] {
            file.write_all_at(&[7], place).unwrap();
            let now = sum(&path).unwrap();
            assert!(!seen.contains(&now), "{place}");
            file.write_all_at(&[0], place).unwrap();
            assert_eq!(sum(&path).unwrap(), seen[0], "{place}");
            seen.push(now);
        }
    }
}
