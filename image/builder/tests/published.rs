//! What `--json` prints is what `ashlar schema` says.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test")]

use assert_cmd::Command;
use boon::{Compiler, Schemas};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What cannot be typed in a test of seconds, and why. Their types are the schema's.
const ELSEWHERE: &[(&str, &[&str])] = &[
    ("an archive", &["lock"]),
    ("all packages of a lock", &["vendor"]),
    ("an image", &["stamp"]),
    ("an image and the tools", &["scan", "inspect", "compare", "size", "sbom", "cve"]),
    (
        "machines",
        &[
            "vm up",
            "vm down",
            "vm start",
            "vm stop",
            "vm kill",
            "vm cut",
            "vm restore",
            "vm exec",
            "vm press",
            "vm screenshot",
            "vm snapshot",
            "vm rewind",
            "lab up",
            "lab down",
            "lab start",
            "lab stop",
            "lab kill",
            "lab cut",
            "lab restore",
            "lab exec",
        ],
    ),
];

fn ours() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A project with our recipes, and nothing made in it yet.
fn project() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("recipes")).unwrap();
    let recipes = std::fs::read_dir(ours().join("recipes")).unwrap();
    let recipes = recipes.map(|entry| Path::new("recipes").join(entry.unwrap().file_name()));
    for entry in recipes.chain(["overlays".into()]) {
        std::os::unix::fs::symlink(ours().join(&entry), dir.path().join(&entry)).unwrap();
    }
    dir
}

/// What is printed, whatever the exit code.
fn printed(dir: &Path, words: &[&str]) -> Value {
    let mut command = Command::cargo_bin("ashlar").unwrap();
    command.current_dir(dir).env("HOME", dir).env("ASHLAR_CACHE_DIR", dir.join("cache"));
    command.env_remove("XDG_CACHE_HOME").env_remove("XDG_STATE_HOME").env_remove("XDG_DATA_HOME");
    let ran = command.arg("--json").args(words).write_stdin("481526\n").output().unwrap();
    let (out, err) = (String::from_utf8(ran.stdout).unwrap(), String::from_utf8_lossy(&ran.stderr));
    assert_eq!(out.lines().count(), 1, "{words:?}: {out}\n{err}");
    serde_json::from_str(&out).unwrap()
}

/// Why a value is not what `ashlar schema` says of a verb.
fn objection(dir: &Path, verb: &str, value: &Value) -> Option<String> {
    let words: Vec<&str> = ["schema"].into_iter().chain(verb.split(' ')).collect();
    let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
    compiler.add_resource("https://ashlar/verb.json", printed(dir, &words)).unwrap();
    let schema = compiler.compile("https://ashlar/verb.json", &mut schemas).unwrap();
    schemas.validate(value, schema).err().map(|error| format!("{error:#}"))
}

#[test]
fn what_every_verb_prints_for_programs_is_as_published() {
    let project = project();
    let dir = project.path();
    std::fs::write(dir.join("shop.toml"), "profile = 'retail-metal'\nsite = 'mall'\n").unwrap();
    let typed: &[(&str, &[&str])] = &[
        ("doctor", &[]),
        ("profile list", &[]),
        ("profile show", &["retail"]),
        ("profile new", &["till"]),
        ("profile check", &[]),
        ("profile diff", &["minimal", "retail"]),
        ("new", &["--answers", "shop.toml"]),
        ("site new", &["shop", "--network", "10.20.0.0/24"]),
        ("site show", &["shop"]),
        ("site list", &[]),
        ("site admin", &["shop", "anna"]),
        ("site admin revoke", &["shop", "anna"]),
        ("site admin list", &["shop"]),
        ("site pin", &[]),
        ("build", &["--explain", "--profile", "minimal"]),
        ("flash", &[]),
        ("vm list", &[]),
        ("lab list", &[]),
        ("lint", &["--list"]),
        ("lint", &["--explain", "site-secrets"]),
        ("graph", &["--profile", "retail"]),
        ("cache list", &[]),
        ("cache check", &[]),
        ("cache gc", &[]),
        ("man", &["man1"]),
    ];
    let mut seen = BTreeSet::new();
    for (verb, options) in typed {
        let words: Vec<&str> = verb.split(' ').chain(options.iter().copied()).collect();
        let value = printed(dir, &words);
        assert!(value.get("causes").is_none(), "{verb}: {value:#}");
        if let Some(error) = objection(dir, verb, &value) {
            panic!("{verb}: {error}\n{value:#}");
        }
        seen.insert((*verb).to_owned());
    }
    let failed = printed(dir, &["inspect", "/nowhere.raw"]);
    assert_eq!(objection(dir, "failure", &failed), None);
    seen.insert("failure".into());

    let published = printed(dir, &["schema"]);
    let told: BTreeSet<String> =
        published["properties"].as_object().unwrap().keys().cloned().collect();
    let elsewhere = ELSEWHERE.iter().flat_map(|(_, verbs)| verbs.iter());
    let all: BTreeSet<String> =
        seen.into_iter().chain(elsewhere.map(|verb| (*verb).to_owned())).collect();
    assert_eq!(all, told, "a verb is published that nobody saw print anything");
}

#[test]
fn what_is_published_is_not_anything() {
    let project = project();
    let list = printed(project.path(), &["profiles"]);
    for (field, wrong) in [("name", json!(1)), ("extends", Value::Null)] {
        let mut other = list.clone();
        other["profiles"][0][field] = wrong;
        assert!(objection(project.path(), "profile list", &other).is_some(), "{field}");
        other["profiles"][0].as_object_mut().unwrap().remove(field);
        assert!(objection(project.path(), "profile list", &other).is_some(), "without {field}");
    }
}
