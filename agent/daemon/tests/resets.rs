//! A reset that is asked for without an agent that runs.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const SITE: &str = "version = 1\nname = \"demo\"\n\
    ring-key = \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"\n";

fn noted(root: &Path, words: &[&str], given: &str) -> Option<serde_json::Value> {
    let state = root.join("var/lib/ashlar");
    std::fs::create_dir_all(&state).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ashlar-agent"));
    command.arg("note-reset").args(words).arg("--root").arg(root).stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Nobody may read it where nothing is asked for.
    let _ = child.stdin.take().unwrap().write_all(given.as_bytes());
    let succeeded = child.wait().unwrap().success();
    let note = std::fs::read(state.join("reset.json")).ok();
    assert_eq!(succeeded, note.is_some());
    Some(serde_json::from_slice(&note?).unwrap())
}

#[test]
fn what_is_noted_is_what_the_unit_carries_out() {
    let root = || tempfile::tempdir().unwrap();
    let forgets = noted(root().path(), &[], "").unwrap();
    assert_eq!((&forgets["version"], &forgets["site"]), (&1.into(), &serde_json::Value::Null));
    assert_eq!(noted(root().path(), &["--workloads"], "").unwrap()["workloads"], true);
    let given = root();
    let new = noted(given.path(), &["--new-site"], SITE).unwrap();
    let site = std::fs::read_to_string(new["site"].as_str().unwrap()).unwrap();
    assert_eq!(site, SITE);
}

#[test]
fn nothing_is_noted_of_a_site_that_is_none() {
    let root = tempfile::tempdir().unwrap();
    assert!(noted(root.path(), &["--new-site"], "name = 1").is_none());
    assert!(noted(root.path(), &["--keep-site"], "").is_none(), "there is none to keep");
}
