//! `ashlar-console --once`, as a serial line or a test calls it.
#![allow(clippy::unwrap_used, clippy::panic)]

use assert_cmd::Command;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;

const STARTING: &str = r#"{
    "release": "0.1.0", "profile": "minimal", "site": "shop-42", "identity": null,
    "cluster": null, "phases": [], "ready": false, "members": [], "storage": null,
    "swarm": null, "doing": [], "trouble": null, "boot": {"userspace": 0.0, "agent": 0.0}
}"#;

fn once(socket: &std::path::Path) -> (Option<i32>, String) {
    let output = Command::new(assert_cmd::cargo::cargo_bin!("ashlar-console"))
        .args(["--once", "--width", "60", "--height", "12", "--socket"])
        .arg(socket)
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn one_screen_is_plain_text() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("agent.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let agent = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let request = BufReader::new(stream.try_clone().unwrap());
        request.lines().map(Result::unwrap).find(String::is_empty).unwrap();
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{STARTING}", STARTING.len())
            .unwrap();
    });
    let (code, text) = once(&socket);
    agent.join().unwrap();
    assert_eq!(code, Some(3));
    assert_eq!(text.lines().count(), 12);
    assert!(text.contains("site shop-42") && text.contains("just started"), "{text}");
    assert!(!text.contains('\x1b'), "{text}");
}

#[test]
fn an_absent_agent_is_waited_for_on_the_screen() {
    let dir = tempfile::tempdir().unwrap();
    let (code, text) = once(&dir.path().join("agent.sock"));
    assert_eq!(code, Some(1));
    assert!(text.contains("waiting for the agent"), "{text}");
}
