//! The storage daemons' logs, which nothing rotates: they append to one file
//! each for as long as they live.

use anyhow::{Context, Result};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

/// What is left of a log.
const KEPT: u64 = 256 * 1024;

/// From this length on cutting a log gives room that is worth a step.
const LONG: u64 = 1 << 20;

/// Whether a log below `dir` is long. Nothing is, before there is such a directory.
pub(super) fn any_is_long(dir: &Path) -> Result<bool> {
    if !dir.exists() {
        return Ok(false);
    }
    let mut found = false;
    each(dir, &mut |log| {
        found |= fs::metadata(log)?.len() >= LONG;
        Ok(())
    })?;
    Ok(found)
}

/// Cuts every log below `dir` that is longer than [`KEPT`] to its last part.
/// A line that is written meanwhile may be lost.
pub(super) fn trim(dir: &Path) -> Result<()> {
    each(dir, &mut |log| cut(log).with_context(|| format!("cannot cut {}", log.display())))
}

/// Every file below `dir`.
fn each(dir: &Path, with: &mut dyn FnMut(&Path) -> Result<()>) -> Result<()> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))?;
    for entry in entries {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            each(&entry.path(), with)?;
        } else if kind.is_file() {
            with(&entry.path())?;
        }
    }
    Ok(())
}

fn cut(path: &Path) -> std::io::Result<()> {
    let length = fs::metadata(path)?.len();
    if length <= KEPT {
        return Ok(());
    }
    let mut last = Vec::new();
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(length - KEPT))?;
    file.take(KEPT).read_to_end(&mut last)?;
    // In place: the daemons append to this file, not to this name. Emptied
    // first, because a full disk takes nothing before that.
    let mut file = OpenOptions::new().append(true).open(path)?;
    file.set_len(0)?;
    let line = last.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    file.write_all(&last[line..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_keeps_its_last_whole_lines_and_its_writer() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("bricks")).unwrap();
        let (long, short) = (dir.path().join("bricks/b.log"), dir.path().join("short.log"));
        let mut writer = OpenOptions::new().append(true).create(true).open(&long).unwrap();
        fs::write(&short, "all of it").unwrap();
        assert!(!any_is_long(dir.path()).unwrap());
        for n in 0..120_000 {
            writeln!(writer, "line {n}").unwrap();
        }
        assert!(any_is_long(dir.path()).unwrap());
        trim(dir.path()).unwrap();
        assert!(!any_is_long(dir.path()).unwrap(), "it would be cut for ever");
        writeln!(writer, "and on").unwrap();
        let text = fs::read_to_string(&long).unwrap();
        assert!(text.len() as u64 <= KEPT + 8 && text.starts_with("line "), "{}", text.len());
        assert!(text.ends_with("line 119999\nand on\n"));
        assert_eq!(fs::read_to_string(&short).unwrap(), "all of it");
    }
}
