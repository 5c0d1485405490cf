//! What the README says that the command does alone, it does where there is nothing else:
//! in a root with the command and what its loader asks for.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The verbs of the README's row whose need begins so.
fn verbs_that_need(need: &str) -> BTreeSet<String> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    let (verbs, _) = rows.clone().find(|(_, needs)| needs.starts_with(need)).unwrap();
    verbs.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Runs the command where there is nothing besides, not even a shell; `/out` is this directory.
fn alone(out: &Path, words: &[&str]) -> Output {
    let ours = env!("CARGO_BIN_EXE_ashlar");
    let loader = Command::new("ldd").arg(ours).output().unwrap();
    let libraries = String::from_utf8(loader.stdout).unwrap();
    let libraries = libraries.split_whitespace().filter(|word| word.starts_with('/'));
    let mut bwrap = Command::new("bwrap");
    bwrap.args(["--unshare-all", "--clearenv", "--tmpfs", "/", "--proc", "/proc", "--dev", "/dev"]);
    for library in libraries {
        bwrap.arg("--ro-bind").arg(PathBuf::from(library).canonicalize().unwrap()).arg(library);
    }
    bwrap.args(["--ro-bind", ours, "/ashlar", "--bind"]).arg(out);
    bwrap.args(["/out", "--chdir", "/", "/ashlar"]).args(words).output().unwrap()
}

#[test]
fn the_verbs_that_need_the_command_alone_run_where_nothing_else_is() {
    let dir = tempfile::tempdir().unwrap();
    let runs = [
        ("doctor", ["doctor"].as_slice(), "mmdebstrap"),
        ("man", &["man", "/out"], ""),
        ("completions", &["completions", "bash"], "_ashlar()"),
        ("schema", &["schema"], "\"$defs\""),
    ];
    let verbs: BTreeSet<String> = runs.iter().map(|(verb, ..)| (*verb).to_owned()).collect();
    assert_eq!(verbs_that_need("the command alone"), verbs, "the README names others");
    for (verb, words, said) in runs {
        let ran = alone(dir.path(), words);
        let text = String::from_utf8_lossy(&ran.stdout);
        assert!(text.contains(said), "{verb}: {text}\n{}", String::from_utf8_lossy(&ran.stderr));
        // A doctor who misses something says so by its exit code as well.
        assert!(ran.status.success() || verb == "doctor", "{verb}: {:?}", ran.status);
    }
    assert!(dir.path().join("ashlar.1").exists(), "no page of the manual");
}

#[test]
fn what_needs_a_project_says_so_where_there_is_none() {
    let dir = tempfile::tempdir().unwrap();
    for verb in ["scan", "profiles", "build"] {
        let ran = alone(dir.path(), &[verb]);
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(!ran.status.success() && said.contains("no recipes/ directory"), "{verb}: {said}");
    }
}
