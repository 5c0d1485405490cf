//! What a node said on its console while it booted.

use anyhow::{Result, ensure};

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

/// There is none.
///
/// # Errors
/// With the lines when there is some.
pub fn is_clean(of: &str, text: &str) -> Result<()> {
    let lines = trouble(text);
    ensure!(lines.is_empty(), "the console of {of} tells of trouble:\n{}", lines.join("\n"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::trouble;

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
}
