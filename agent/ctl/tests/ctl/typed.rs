//! What can be typed, and what is said to whoever typed it wrongly.

use super::{Agent, ready};
use serde_json::{Value, json};

/// What a box answers to the first word of a command.
fn answer_to(verb: &str) -> Value {
    match verb {
        "status" | "members" | "why" => ready(),
        "history" => json!([]),
        "network" => json!({"links": [], "gateways": [], "name_servers": []}),
        "power" => json!({"absence": {"lines": ["b stays up"], "stops": []}, "begun": false}),
        "reset" => json!({"losses": {"lines": ["its copy"], "unbearable": null}, "begun": false}),
        _ => panic!("what does a box answer to `ashlarctl {verb}`?"),
    }
}

#[test]
fn every_command_of_the_ten_questions_can_be_typed_on_a_box_as_it_stands_there() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/questions.md");
    let page = std::fs::read_to_string(page).unwrap();
    let commands: Vec<&str> = page
        .lines()
        .filter(|line| line.contains("? |"))
        .filter_map(|row| row.split('`').find(|word| word.starts_with("ashlarctl ")))
        .collect();
    assert_eq!(commands.len(), 9, "the tenth is for the computer that made the site");
    for command in commands {
        // No other program is named: a box has few of them.
        let words: Vec<&str> = command.split(' ').skip(1).collect();
        let (code, _, err) = Agent::saying([answer_to(words[0])]).ctl(&words);
        assert_eq!((code, err.as_str()), (0, ""), "{command}");
    }
}

#[test]
fn an_absent_agent_is_an_error_with_advice() {
    for args in [&["status"][..], &["members"], &["wait", "--timeout", "0"]] {
        let (code, out, err) = Agent::absent().ctl(args);
        assert_eq!((code, out.as_str()), (1, ""), "{args:?}");
        assert!(err.contains("the agent does not answer"), "{args:?}: {err}");
        assert!(err.contains("systemctl status ashlar-agent"), "{args:?}: {err}");
    }
}

#[test]
fn an_agent_of_another_release_is_an_error_with_advice() {
    let (code, _, err) = Agent::saying([json!({"release": 7})]).ctl(&["status"]);
    assert_eq!(code, 1);
    assert!(err.contains("of different releases"), "{err}");
    let unknown = json!({"refusal": "not-found", "error": "no such address"});
    let (code, _, err) = Agent::saying([unknown]).ctl(&["node", "rejoin"]);
    assert_eq!(code, 1);
    assert!(err.contains("of different releases"), "{err}");
}

#[test]
fn wrong_usage_is_told_apart_from_errors() {
    let (code, _, err) = Agent::absent().ctl(&["wait", "--phase", "lunch"]);
    assert_eq!(code, 2);
    assert!(err.contains("identity, ring, pki, storage, swarm, ready"), "{err}");
}

#[test]
fn manual_and_completions_come_from_the_command_itself() {
    let (code, page, _) = Agent::absent().ctl(&["man"]);
    assert_eq!(code, 0);
    assert!(page.contains(".TH ashlarctl 1") && page.contains("Exit codes"), "{page}");

    let dir = tempfile::tempdir().unwrap();
    let (code, ..) = Agent::absent().ctl(&["man", "--dir", dir.path().to_str().unwrap()]);
    assert_eq!(code, 0);
    assert!(dir.path().join("ashlarctl-wait.1").exists());

    let (code, script, _) = Agent::absent().ctl(&["completions", "bash"]);
    assert_eq!(code, 0);
    assert!(script.contains("--answering"), "{script}");
}
