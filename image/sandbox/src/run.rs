//! Running a tool to its end, and what is kept of one that failed.

use crate::error::{At, Result, SandboxError};
use crate::host;
use crate::sandbox::Tool;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

impl Tool<'_> {
    /// Runs it to its end; what it printed on standard output.
    ///
    /// # Errors
    ///
    /// When it cannot be started, fails, or is cancelled.
    pub fn run(self) -> Result<String> {
        let cancel = &self.sandbox.cancel;
        cancel.check()?;
        let argv = self.argv();
        for program in ["bwrap", "unshare"] {
            if argv.iter().any(|word| word == program) {
                host::find(program)?;
            }
        }
        if let Some(trace) = &self.sandbox.trace {
            trace.tell(&self.what, &self.by_hand());
        }
        let mut child = Command::new(&argv[0])
            .args(&argv[1..])
            .env_clear()
            .envs(self.environment())
            .process_group(0)
            .stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .at("run", &argv[0])?;
        let running = cancel.running(&child);
        let (input, output, errors) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let feed = self.stdin.as_deref();
        let (stdout, stderr) = std::thread::scope(|scope| {
            // A tool that stops reading early says so by its exit status.
            scope.spawn(|| {
                if let (Some(mut pipe), Some(bytes)) = (input, feed) {
                    let _ = pipe.write_all(bytes);
                }
            });
            let errors = scope.spawn(|| drain(errors));
            (drain(output), errors.join().unwrap_or_default())
        });
        let status = child.wait().at("run", &argv[0])?;
        drop(running);
        cancel.check()?;
        if status.success() { Ok(stdout) } else { Err(self.failure(&stdout, &stderr, status)) }
    }

    fn failure(&self, stdout: &str, stderr: &str, status: ExitStatus) -> SandboxError {
        // tar says the second of a file that was begun.
        let full =
            |text: &str| text.contains("No space left on device") || text.contains(": Wrote only ");
        if full(stderr) || full(stdout) {
            let written = self.binds.iter().rfind(|bind| bind.writable);
            let place = written.map_or_else(|| self.sandbox.root.clone(), |bind| bind.host.clone());
            return SandboxError::DiskFull { what: self.what.clone(), place };
        }
        let text = if stderr.trim().is_empty() { stdout } else { stderr };
        let log = self.sandbox.logs.as_deref().and_then(|logs| {
            let text = format!(
                "{}\n{}\n\n== {status} ==\n== standard error ==\n{stderr}\n\
                 == standard output ==\n{stdout}\n",
                self.what,
                self.by_hand()
            );
            // Failing to keep it is not worth hiding the failure itself.
            keep(logs, &self.what, &text).ok()
        });
        SandboxError::Tool {
            what: self.what.clone(),
            program: self.program.clone(),
            status: status.to_string(),
            tail: last_lines(text, 15),
            log,
        }
    }
}

/// Logs of as many failures are kept.
const KEPT: usize = 20;

fn keep(logs: &Path, what: &str, text: &str) -> std::io::Result<PathBuf> {
    std::fs::create_dir_all(logs)?;
    let mut old: Vec<PathBuf> =
        std::fs::read_dir(logs)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    old.sort_by_key(|path| path.metadata().and_then(|data| data.modified()).ok());
    for path in old.iter().rev().skip(KEPT - 1) {
        std::fs::remove_file(path)?;
    }
    let name: String =
        what.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let mut file =
        tempfile::Builder::new().prefix(&format!("{name}-")).suffix(".log").tempfile_in(logs)?;
    file.write_all(text.as_bytes())?;
    let (_, path) = file.keep()?;
    Ok(path)
}

fn drain(pipe: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        let _ = pipe.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sandbox;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn a_full_disk_is_told_apart_from_other_failures() {
        let sandbox = Sandbox::new(Path::new("/cache/tools"));
        let tool = sandbox.command("packing", "mkfs.erofs").write("/out".as_ref(), "out");
        let failed = ExitStatus::from_raw(256);
        for said in [
            "write: No space left on device",
            "tar: ./usr/share/doc/libdb5.3t64/copyright: Wrote only 1024 of 1817 bytes",
        ] {
            let error = tool.failure("", said, failed);
            assert!(
                matches!(error, SandboxError::DiskFull { place, .. } if place == Path::new("/out"))
            );
        }
        let error = tool.failure("", "bad superblock", failed);
        assert!(error.to_string().contains("bad superblock"));
    }

    #[test]
    fn all_that_a_failed_tool_printed_is_kept_and_its_place_is_in_the_error() {
        let dir = tempfile::tempdir().unwrap();
        let logs = dir.path().join("logs");
        let sandbox = Sandbox::new(Path::new("/cache/tools")).logging_to(logs.clone());
        let tool = sandbox.command("packing", "mkfs.erofs");
        let long: String = (0..100).map(|line| format!("line {line}\n")).collect();
        let error = tool.failure("", &long, ExitStatus::from_raw(256));
        assert!(!error.to_string().contains("line 10\n"), "{error}");
        let SandboxError::Tool { log: Some(log), .. } = &error else { panic!("{error:?}") };
        assert!(error.to_string().contains(log.to_str().unwrap()), "{error}");
        let text = std::fs::read_to_string(log).unwrap();
        assert!(text.contains("line 0\n") && text.contains("bwrap"), "{text}");
        for _ in 0..2 * KEPT {
            keep(&logs, "packing", "x").unwrap();
        }
        assert_eq!(std::fs::read_dir(&logs).unwrap().count(), KEPT);
    }
}
