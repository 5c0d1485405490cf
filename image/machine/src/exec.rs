//! A command for a node, and what became of it.

use ashlar_site::quoted;
use std::path::Path;
use std::time::Duration;

/// A command to run in a node as root, by a login shell.
#[derive(Clone, Debug)]
pub struct Exec {
    pub(crate) script: String,
    pub(crate) stdin: Vec<u8>,
    pub(crate) within: Duration,
}

/// A command that came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Exit code; 128 + signal for a killed command, as in a shell.
    pub code: u8,
    /// All of its standard output.
    pub stdout: Vec<u8>,
    /// All of its standard error.
    pub stderr: Vec<u8>,
}

impl Exec {
    /// Runs a shell script.
    #[must_use]
    pub fn script(script: impl Into<String>) -> Self {
        Self { script: script.into(), stdin: Vec::new(), within: Duration::from_secs(600) }
    }

    /// Runs one program with its arguments, each passed as it is.
    #[must_use]
    pub fn argv<S: AsRef<str>>(argv: impl IntoIterator<Item = S>) -> Self {
        let words: Vec<String> =
            argv.into_iter().map(|word| quoted(Path::new(word.as_ref()))).collect();
        Self::script(words.join(" "))
    }

    /// Gives it this standard input; by default it is empty.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Ends it after so long; by default after ten minutes. The time counts
    /// from the call: for a node that boots, it includes the rest of the boot.
    #[must_use]
    pub fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }
}

impl Finished {
    /// It exited with 0.
    #[must_use]
    pub fn success(&self) -> bool {
        self.code == 0
    }

    /// Standard output as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    #[must_use]
    pub fn error_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_shell_reads_back_every_word_as_it_was(word in "[^\0]{0,40}") {
            let script = format!("printf %s {}", quoted(Path::new(&word)));
            let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
            prop_assert_eq!(output.stdout, word.into_bytes());
        }
    }
}
