//! What nodes said on their consoles while they booted.

use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Words that no healthy boot says, and what they mean.
const TROUBLE: &[(&str, &str)] = &[
    ("BUG:", "a kernel bug"),
    ("Oops", "a kernel oops"),
    ("Kernel panic", "a kernel panic"),
    ("Call Trace:", "a kernel warning"),
    ("soft lockup", "a stuck processor"),
    ("hung_task", "a stuck task"),
    ("ordering cycle", "units that wait for each other"),
    ("Breaking ordering cycle", "units that wait for each other"),
    ("Failed to start", "a failed unit"),
    ("[FAILED]", "a failed unit"),
    ("Dependency failed", "a unit whose dependency failed"),
    ("emergency mode", "systemd's emergency mode"),
    ("Out of memory", "too little memory"),
    ("EXT4-fs error", "a damaged file system"),
    ("XFS (", "trouble of a file system"),
];

/// Harmless lines that contain such words.
const HARMLESS: &[&str] = &[
    // XFS tells of each mount.
    ": Mounting V5 Filesystem",
    ": Ending clean mount",
    ": Starting recovery",
    ": Ending recovery",
    ": Unmounting Filesystem",
];

/// The lines that tell of trouble, each with its meaning.
#[must_use]
pub fn trouble(text: &str) -> Vec<String> {
    text.lines()
        .filter(|line| !HARMLESS.iter().any(|harmless| line.contains(harmless)))
        .filter_map(|line| {
            let (_, meaning) = TROUBLE.iter().find(|(word, _)| line.contains(word))?;
            Some(format!("{meaning}: {}", line.trim()))
        })
        .collect()
}

/// The consoles of some nodes, of every boot, and how far they have been read.
#[derive(Debug, Default)]
pub struct Consoles(Mutex<BTreeMap<PathBuf, usize>>);

impl Consoles {
    /// None of them tells of trouble since it was last asked. `last` is each
    /// node's name and the log of its last boot; those of earlier boots lie
    /// beside it and are called the same, with a lower number.
    ///
    /// # Errors
    /// With the lines when one does.
    pub fn are_clean(&self, last: impl IntoIterator<Item = (String, PathBuf)>) -> Result<()> {
        let mut read = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines = Vec::new();
        for (node, log) in last {
            for log in boots(&log)? {
                let bytes = std::fs::read(&log).with_context(|| log.display().to_string())?;
                let seen = read.entry(log.clone()).or_default();
                let text = String::from_utf8_lossy(&bytes[(*seen).min(bytes.len())..]);
                // The end of a line may still be to come.
                let whole = text.rfind('\n').map_or("", |end| &text[..end]);
                let boot = log.file_stem().unwrap_or_default().to_string_lossy();
                lines.extend(trouble(whole).iter().map(|line| format!("{node}, {boot}: {line}")));
                *seen = bytes.len() - text.len() + whole.len();
            }
        }
        ensure!(lines.is_empty(), "consoles tell of trouble:\n{}", lines.join("\n"));
        Ok(())
    }
}

/// The logs of all boots of a node, given the last one's: `console-3.log`.
fn boots(last: &Path) -> Result<Vec<PathBuf>> {
    let split = |path: &Path| -> Option<(String, u32)> {
        let (name, number) = path.file_stem()?.to_str()?.rsplit_once('-')?;
        Some((name.to_owned(), number.parse().ok()?))
    };
    let (name, _) = split(last).with_context(|| format!("no number in {}", last.display()))?;
    // A node that was never switched on has said nothing.
    let folder = last.parent().filter(|folder| folder.is_dir());
    let mut logs: Vec<PathBuf> = Vec::new();
    for entry in folder.map(std::fs::read_dir).transpose()?.into_iter().flatten() {
        let path = entry?.path();
        let is_log = path.extension().is_some_and(|extension| extension == "log");
        if is_log && split(&path).is_some_and(|(other, _)| other == name) {
            logs.push(path);
        }
    }
    logs.sort();
    Ok(logs)
}

#[cfg(test)]
mod tests {
    use super::{Consoles, trouble};

    #[test]
    fn a_failed_unit_and_an_oops_are_found() {
        let found =
            trouble("[FAILED] Failed to start docker.service\nok\n[ 3.1] Oops: 0000 [#1]\n");
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn a_mounted_file_system_is_no_trouble() {
        let line = "[    4.2] XFS (vda8): Mounting V5 Filesystem 5f7d5e2e";
        assert!(trouble(line).is_empty());
    }

    #[test]
    fn trouble_of_an_earlier_boot_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let log = |boot: u8| folder.path().join(format!("console-{boot}.log"));
        std::fs::write(log(1), "ok\n[FAILED] Failed to start glusterd.service\n").unwrap();
        std::fs::write(log(2), "ok\n").unwrap();
        let consoles = Consoles::default();
        let look = || consoles.are_clean([("node1".to_owned(), log(2))]);
        let told = look().unwrap_err().to_string();
        assert!(told.contains("node1, console-1: a failed unit"), "{told}");
        look().unwrap();
        // Half a line is judged when it is whole.
        std::fs::write(log(2), "ok\n[ 9.1] BUG: unable to").unwrap();
        look().unwrap();
        std::fs::write(log(2), "ok\n[ 9.1] BUG: unable to handle\n").unwrap();
        assert!(look().is_err());
    }
}
