//! The `ashlar` command, run as a person runs it.

use anyhow::{Context, Result, bail, ensure};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The workspace, which is also the project with our recipes.
#[must_use]
pub fn workspace() -> &'static Path {
    const MANIFEST: &str = env!("CARGO_MANIFEST_DIR");
    Path::new(MANIFEST.rsplit_once('/').map_or("/", |(parent, _)| parent))
}

/// The release build of `ashlar`.
///
/// # Errors
/// When it was not built.
pub fn program() -> Result<PathBuf> {
    built("ashlar").context("run `just build`")
}

/// The release build of one of our programs, beside the profile that the tests
/// run from.
///
/// # Errors
/// When it was not built.
pub fn built(name: &str) -> Result<PathBuf> {
    built_as("release", name)
}

/// Like [`built`], with another profile than `release`.
///
/// # Errors
/// When it was not built.
pub fn built_as(profile: &str, name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("the path of this program")?;
    // target/debug/deps/lab-0123456789abcdef, or target/debug/bench
    let built = own.ancestors().map(|directory| directory.join(profile).join(name));
    built
        .take(4)
        .find(|program| program.exists())
        .with_context(|| format!("no {profile}/{name} beside {}", own.display()))
}

/// A program of ours, of the profile that the tests are of.
///
/// # Errors
/// When it was not built.
pub fn built_with_the_tests(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("the path of this program")?;
    let built = own.ancestors().nth(2).context("a directory")?.join(name);
    ensure!(built.exists(), "no {}: cargo test --no-run makes it", built.display());
    Ok(built)
}

/// Runs a tool, and gives what it prints.
///
/// # Errors
/// With what it says, when it fails.
pub fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}", error.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// An invocation of `ashlar`.
#[derive(Debug)]
pub struct Ashlar(Command);

impl Ashlar {
    /// `ashlar WORDS…`, in the workspace.
    ///
    /// # Errors
    /// As [`program`].
    pub fn new<I: AsRef<OsStr>>(words: impl IntoIterator<Item = I>) -> Result<Self> {
        let mut command = Command::new(program()?);
        command.args(words).current_dir(workspace()).stdin(Stdio::null());
        Ok(Self(command))
    }

    /// In another project.
    #[must_use]
    pub fn project(mut self, directory: &Path) -> Self {
        self.0.current_dir(directory);
        self
    }

    /// With an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// With further words.
    #[must_use]
    pub fn args<W: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.0.args(words);
        self
    }

    /// With one word more.
    #[must_use]
    pub fn arg(mut self, word: impl AsRef<OsStr>) -> Self {
        self.0.arg(word);
        self
    }

    /// The command itself, to start it without waiting.
    #[must_use]
    pub fn into_command(self) -> Command {
        self.0
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(mut self) -> Result<Ran> {
        let words = format!("{:?}", self.0);
        let output = self.0.output().with_context(|| words.clone())?;
        Ok(Ran { words, output })
    }

    /// Runs it; it must succeed.
    ///
    /// # Errors
    /// With its output when it fails.
    pub fn succeeds(self) -> Result<Ran> {
        let ran = self.run()?;
        ensure!(ran.output.status.success(), "it should have succeeded:\n{ran}");
        Ok(ran)
    }

    /// Runs it; it must fail with an exit code (not by a signal or a panic),
    /// and its error must contain all of `texts`.
    ///
    /// # Errors
    /// With its output when it does not.
    pub fn fails_with(self, texts: &[&str]) -> Result<Ran> {
        let ran = self.run()?;
        ensure!(!ran.output.status.success(), "it should have failed:\n{ran}");
        ran.refuses_with(texts)
    }
}

/// What a run of `ashlar` left.
#[derive(Debug)]
pub struct Ran {
    words: String,
    output: Output,
}

impl Ran {
    /// Around a finished child.
    #[must_use]
    pub const fn new(words: String, output: Output) -> Self {
        Self { words, output }
    }

    /// It ended with an error that says all of `texts`, in our words rather
    /// than a panic's.
    ///
    /// # Errors
    /// With its output when it does not.
    pub fn refuses_with(self, texts: &[&str]) -> Result<Self> {
        ensure!(self.output.status.code().is_some(), "it should end by itself:\n{self}");
        let error = unwrapped(&self.stderr());
        ensure!(!error.contains("panicked at"), "it panicked:\n{self}");
        for text in texts {
            ensure!(error.contains(text), "its error should say {text:?}:\n{self}");
        }
        Ok(self)
    }

    /// Its exit code, if no signal ended it.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.output.status.code()
    }

    /// Whether it ended with 0.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.output.status.success()
    }

    /// The JSON object in the last line.
    ///
    /// # Errors
    /// When there is none.
    pub fn json(&self) -> Result<serde_json::Value> {
        let stdout = self.stdout();
        let Some(last) = stdout.lines().last() else { bail!("it printed nothing:\n{self}") };
        serde_json::from_str(last).with_context(|| format!("its last line is no JSON:\n{self}"))
    }

    /// Standard output.
    #[must_use]
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    /// Standard error.
    #[must_use]
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { words, output } = self;
        writeln!(f, "$ {words}\n{}{}", self.stdout(), self.stderr())?;
        write!(f, "→ {}", output.status)
    }
}

/// What was wrapped to the terminal's width, with a bar before each line, as one line.
#[must_use]
pub fn unwrapped(report: &str) -> String {
    let words = report.split_whitespace().filter(|word| !matches!(*word, "│" | "|"));
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::unwrapped;

    #[test]
    fn a_sentence_is_found_across_the_lines_of_a_report() {
        let report = "  × the disk is full: the root\n  │ needs more room\n  help: free some";
        assert!(unwrapped(report).contains("the root needs more room help: free"));
    }
}
