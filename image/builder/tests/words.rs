//! What the command says when nobody sits before a terminal.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use assert_cmd::Command;
use std::path::PathBuf;

fn ashlar(words: &[&str]) -> (Vec<u8>, Vec<u8>, Option<i32>) {
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let ran = Command::cargo_bin("ashlar").unwrap().args(words).current_dir(workspace).output();
    let ran = ran.unwrap();
    (ran.stdout, ran.stderr, ran.status.code())
}

#[test]
fn colours_are_for_terminals_only() {
    for words in [
        ["--help", "--quiet"].as_slice(),
        &["profiles"],
        &["profile", "show", "retail"],
        &["graph"],
        &["lint", "--list"],
        &["inspect", "/nowhere"],
        &["nonsense"],
    ] {
        let (out, err, _) = ashlar(words);
        assert!(!out.contains(&0x1b) && !err.contains(&0x1b), "{words:?}");
        assert!(!out.is_empty() || !err.is_empty(), "{words:?}");
    }
}

#[test]
fn the_exit_code_tells_a_failure_from_words_that_are_none() {
    assert_eq!(ashlar(&["profiles"]).2, Some(0));
    assert_eq!(ashlar(&["inspect", "/nowhere"]).2, Some(1));
    assert_eq!(ashlar(&["inspect", "--nonsense"]).2, Some(2));
}

#[test]
fn a_failure_is_json_too_where_json_was_asked_for() {
    let (out, ..) = ashlar(&["size", "/nowhere.raw", "--json", "--project", "/nowhere"]);
    let text = String::from_utf8(out).unwrap();
    assert!(text.lines().last().is_some_and(|line| line.starts_with("{\"")), "{text}");
}

#[test]
fn an_image_that_is_not_there_is_said_before_any_tools_are_made_for_it() {
    let cache = tempfile::tempdir().unwrap().path().join("cache");
    for words in [["size"].as_slice(), &["lint"], &["sbom"], &["scan"], &["compare", "/other.raw"]]
    {
        let mut command = Command::cargo_bin("ashlar").unwrap();
        command.args(words).arg("/nowhere.raw").env("ASHLAR_CACHE_DIR", &cache);
        let ran = command.output().unwrap();
        let said = String::from_utf8(ran.stderr).unwrap();
        assert!(!ran.status.success() && said.contains(".raw"), "{words:?}: {said}");
        assert!(!cache.exists(), "{words:?} wrote into the cache");
    }
}
