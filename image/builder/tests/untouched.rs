//! What is asked before a build, and what ends one, leaves everything as it was.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test")]

use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A project of its own: a copy of ours.
fn project() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut copy = Command::new("cp");
    copy.arg("--archive").args([ours.join("recipes"), ours.join("overlays")]).arg(dir.path());
    assert!(copy.status().unwrap().success());
    dir
}

fn ashlar(dir: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ashlar"));
    command.current_dir(dir).env("HOME", dir).args(words).stdin(Stdio::null());
    for name in ["ASHLAR_CACHE_DIR", "ASHLAR_PROJECT", "XDG_CACHE_HOME"] {
        command.env_remove(name);
    }
    command
}

/// Every file below a directory, and what is in it.
fn contents(dir: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut ahead = vec![dir.to_owned()];
    while let Some(directory) = ahead.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                ahead.push(path.clone());
            }
            let content = std::fs::read(&path).ok();
            found.insert(path, content);
        }
    }
    found
}

#[test]
fn what_a_build_would_do_is_told_without_writing_a_thing() {
    let project = project();
    let recipe = project.path().join("recipes/minimal.toml");
    let text = std::fs::read_to_string(&recipe).unwrap();
    let changed = text.replacen("\"less\",", "\"less\", \"nano\",", 1);
    assert_ne!(text, changed);
    // The lock is out of date in the one, and up to date in the other.
    for (text, known) in [(changed, false), (text, true)] {
        std::fs::write(&recipe, text).unwrap();
        let before = contents(project.path());
        for word in ["--explain", "--dry-run"] {
            let words = ["build", "--profile", "minimal", "--json", word];
            let ran = ashlar(project.path(), &words).output().unwrap();
            let said = String::from_utf8_lossy(&ran.stderr);
            let report: serde_json::Value = serde_json::from_slice(&ran.stdout).expect(&said);
            assert_eq!(report["packages"].as_u64().unwrap() > 0, known, "{report}");
            assert_eq!(contents(project.path()), before, "{word} wrote something");
        }
    }
}

#[test]
fn a_second_ctrl_c_ends_at_once() {
    let project = project();
    let cache = project.path().join(".cache/ashlar");
    std::fs::create_dir_all(&cache).unwrap();
    // Another build has the cache, so that this one goes on with waiting.
    let lock = std::fs::File::create(cache.join("build.lock")).unwrap();
    let _held = Flock::lock(lock, FlockArg::LockExclusive).unwrap();
    let mut build = ashlar(project.path(), &["build", "--profile", "minimal"]);
    let mut build = build.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(build.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.any(|line| line.contains("another build")));
    // Both are there when it goes on: before what waits has looked again, the
    // second is taken.
    let pid = Pid::from_raw(i32::try_from(build.id()).unwrap());
    for signal in [Signal::SIGSTOP, Signal::SIGINT, Signal::SIGTERM, Signal::SIGCONT] {
        kill(pid, signal).unwrap();
    }
    assert_eq!(build.wait().unwrap().code(), Some(130));
    assert!(said.any(|line| line.contains("once more: at once")));
}
