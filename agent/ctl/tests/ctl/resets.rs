//! A reset as it is typed: at a terminal, answered wrongly once, and on a box whose agent
//! is not there.

use super::Agent;
use nix::pty::{OpenptyResult, openpty};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program that stands for the box's own, and keeps what it is told.
fn agent_program(dir: &Path) -> PathBuf {
    let told = dir.join("told");
    let program = dir.join("ashlar-agent");
    let script = format!("#!/bin/sh\n{{ echo \"$@\"; cat; }} >{}\n", told.display());
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    told
}

fn command(agent: &Agent, args: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("ashlarctl"));
    let path = format!("{}:{}", agent.dir.path().display(), std::env::var("PATH").unwrap());
    command.env("ASHLAR_SOCKET", agent.socket()).env("PATH", path).env("NO_COLOR", "1");
    command.args(args);
    command
}

fn ran(agent: &Agent, args: &[&str]) -> (i32, String, String) {
    let output = command(agent, args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// What a person sees who types this at a terminal, and how it ended.
fn typed(agent: &Agent, args: &[&str], answer: &str) -> (i32, String) {
    let OpenptyResult { master, slave } = openpty(None, None).unwrap();
    let mut keys = File::from(master);
    // A terminal keeps a line until somebody reads it.
    keys.write_all(format!("{answer}\n").as_bytes()).unwrap();
    let mut child = {
        let mut command = command(agent, args);
        command.stdin(slave.try_clone().unwrap()).stdout(slave.try_clone().unwrap());
        command.stderr(slave).spawn().unwrap()
    };
    let (mut seen, mut bytes) = (Vec::new(), [0; 4096]);
    // The end of a terminal is an error.
    while let Ok(count @ 1..) = keys.read(&mut bytes) {
        seen.extend_from_slice(&bytes[..count]);
    }
    (child.wait().unwrap().code().unwrap(), String::from_utf8(seen).unwrap())
}

fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_owned()
}

fn is_root() -> bool {
    let may = nix::unistd::geteuid().is_root();
    if !may {
        println!("skipped: without the agent only root may reset a box");
    }
    may
}

fn would(unbearable: Option<&str>) -> Value {
    json!({"losses": {"lines": ["its copy"], "unbearable": unbearable}, "begun": false})
}

fn did(unbearable: Option<&str>) -> Value {
    json!({"losses": {"lines": ["its copy"], "unbearable": unbearable}, "begun": true})
}

#[test]
fn whoever_types_another_word_at_the_terminal_resets_nothing() {
    let agent = Agent::saying([would(None), did(None)]);
    let (code, said) = typed(&agent, &["reset", "factory"], "yes");
    assert!(code == 1 && said.contains("Type `reset` to go on"), "{said}");
    assert!(said.contains("nothing is reset") && !said.contains("reboots now"), "{said}");
    let (code, said) = typed(&agent, &["reset", "factory"], "reset");
    assert!(code == 0 && said.contains("The box reboots now"), "{said}");
}

#[test]
fn where_the_last_copy_may_go_the_terminal_asks_for_the_name_which_the_agent_compares() {
    let why = Some("it may hold the last copy of its volume");
    let wrong =
        json!({"refusal": "forbidden", "error": "it may hold the last copy: nothing is reset"});
    let agent = Agent::saying([would(why), wrong]);
    let (code, said) = typed(&agent, &["reset", "cluster"], "reset");
    assert!(code == 1 && said.contains("Type this node's name to go on"), "{said}");
    assert!(said.contains("Beware: it may hold the last copy"), "{said}");
    assert!(said.contains("nothing is reset"), "{said}");
}

#[test]
fn a_site_is_not_reset_by_another_name_typed_at_the_terminal() {
    let one = json!({"name": "ashlar-aa", "losses": ["its copy"], "begun": false, "trouble": null});
    let site = json!({"site": "shop", "boxes": [one]});
    let wrong =
        json!({"refusal": "bad-request", "error": "this is the site shop: nothing is reset"});
    let (code, said) = typed(&Agent::saying([site, wrong]), &["reset", "site"], "shoe");
    assert!(code == 1 && said.contains("Type the site's name to go on"), "{said}");
    assert!(said.contains("this is the site shop: nothing is reset"), "{said}");
}

#[test]
fn without_an_agent_a_box_is_reset_by_its_name_alone_and_what_nobody_can_say_is_said() {
    if !is_root() {
        return;
    }
    let agent = Agent::absent();
    let told = agent_program(agent.dir.path());
    let (code, out, _) = ran(&agent, &["reset", "factory", "--dry-run"]);
    assert_eq!(code, 0);
    for words in
        ["does not answer", "nobody can be asked", "its copy of the", "Beware: it may hold"]
    {
        assert!(out.contains(words), "{words}: {out}");
    }
    let (code, _, err) = ran(&agent, &["reset", "factory", "--yes"]);
    assert!(code == 1 && err.contains(&format!("--name {}", hostname())), "{err}");
    let (code, said) = typed(&agent, &["reset", "factory"], "reset");
    assert!(code == 1 && said.contains("that is not this node's name"), "{said}");
    assert!(!told.exists(), "it was noted all the same");

    let (code, said) = typed(&agent, &["reset", "factory", "--keep-site"], &hostname());
    assert!(code == 0 && said.contains("The box reboots now"), "{said}");
    assert_eq!(std::fs::read_to_string(&told).unwrap(), "note-reset --keep-site\n");
    let site = agent.dir.path().join("site.toml");
    std::fs::write(&site, "name = 'other'").unwrap();
    let named = ["reset", "factory", "--json", "--new-site", site.to_str().unwrap(), "--name"];
    let (code, out, _) = ran(&agent, &[named.as_slice(), &[&hostname()]].concat());
    let out: Value = serde_json::from_str(&out).unwrap();
    assert!(code == 0 && out["begun"] == true, "{out}");
    assert_eq!(std::fs::read_to_string(&told).unwrap(), "note-reset --new-site\nname = 'other'");
    let (code, ..) = ran(&agent, &["reset", "workloads", "--name", &hostname()]);
    assert_eq!(code, 0);
    assert_eq!(std::fs::read_to_string(&told).unwrap(), "note-reset --workloads\n");
}

#[test]
fn without_an_agent_no_box_leaves_its_cluster() {
    let agent = Agent::absent();
    let told = agent_program(agent.dir.path());
    let (code, _, err) = ran(&agent, &["reset", "cluster", "--name", &hostname()]);
    assert!(code == 1 && err.contains("only the agent can leave a cluster"), "{err}");
    assert!(err.contains("systemctl status ashlar-agent"), "{err}");
    assert!(!told.exists());
}
