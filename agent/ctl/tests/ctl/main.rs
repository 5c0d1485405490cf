//! `ashlarctl` as people and units call it, against an agent that says exactly
//! what a test tells it to.
#![allow(clippy::unwrap_used, clippy::panic)]

mod asked;
mod published;
mod resets;
mod status;
mod told;
mod typed;

use assert_cmd::Command;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use tempfile::TempDir;

/// Answers every request: the first request with the first status, and
/// so on; the last one again and again. Ends with the test process.
struct Agent {
    dir: TempDir,
}

impl Agent {
    fn saying<const N: usize>(answers: [Value; N]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("agent.sock")).unwrap();
        let mut answers = answers.into_iter();
        std::thread::spawn(move || {
            let mut answer = json!({});
            loop {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = BufReader::new(stream.try_clone().unwrap());
                let lines = request.by_ref().lines().map(Result::unwrap);
                let head: Vec<_> = lines.take_while(|l| !l.is_empty()).collect();
                let length = head.iter().find_map(|l| l.strip_prefix("content-length: "));
                let length = length.map_or(0, |length| length.parse().unwrap());
                std::io::copy(&mut request.take(length), &mut std::io::sink()).unwrap();
                let known = [
                    "GET /v1/status ",
                    "GET /v1/status/follow ",
                    "GET /v1/history ",
                    "GET /v1/network ",
                    "GET /v1/hardware ",
                    "GET /v1/logs?",
                    "GET /v1/support ",
                    "GET /v1/pki ",
                    "POST /v1/pki ",
                    "GET /v1/ring ",
                    "POST /v1/ring ",
                    "POST /v1/merge ",
                    "POST /v1/alone ",
                    "POST /v1/node ",
                    "POST /v1/power ",
                    "POST /v1/network ",
                    "POST /v1/rejoin ",
                    "POST /v1/revoked ",
                    "POST /v1/reset ",
                    "POST /v1/reset/site ",
                ];
                assert!(known.iter().any(|route| head[0].starts_with(route)), "{head:?}");
                answer = answers.next().unwrap_or(answer);
                let body = answer.to_string();
                let code = if answer.get("refusal").is_some() { "404 Not Found" } else { "200 OK" };
                write!(stream, "HTTP/1.1 {code}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
                    .unwrap();
            }
        });
        Self { dir }
    }

    fn absent() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("agent.sock")
    }

    /// Runs `ashlarctl` and returns exit code, standard output and error.
    fn ctl(&self, args: &[&str]) -> (i32, String, String) {
        let output = ctl().env("ASHLAR_SOCKET", self.socket()).args(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }
}

fn ctl() -> Command {
    let mut command = Command::cargo_bin("ashlarctl").unwrap();
    command.env_remove("FORCE_COLOR").env_remove("CLICOLOR_FORCE");
    command
}

fn ready() -> Value {
    let phase = |name: &str, reached: f64, detail: &str| json!({"phase": name, "holds": true, "reached": reached, "detail": detail});
    json!({
        "release": "0.1.0", "profile": "retail", "site": "shop-42",
        "identity": {"id": "1a2b", "name": "ashlar-1a2b3c4d", "address": "10.83.0.1"},
        "cluster": "c0ffee", "ready": true,
        "phases": [
            phase("identity", 1.94, ""), phase("ring", 3.2, "3 alive"),
            phase("pki", 4.0, "certificate until May 1"), phase("storage", 12.5, "mounted"),
            phase("swarm", 14.04, "manager"), phase("ready", 14.1, ""),
        ],
        "members": [
            {"name": "ashlar-00000002", "address": "10.83.12.200", "status": "alive",
             "same_cluster": true},
            {"name": "ashlar-1a2b3c4d", "address": "10.83.0.1", "status": "alive",
             "same_cluster": true},
            {"name": "ashlar-00000003", "address": "10.83.0.3", "status": "failed",
             "same_cluster": false},
        ],
        "storage": {"volume": "clusterfs", "replicas": 3, "bricks_online": 3, "bricks": 3,
                    "tls": true, "mounted": true, "pending_heals": 0},
        "swarm": {"local": "active", "manager": true, "leader": true, "nodes_up": 3, "nodes": 3},
        "doing": [], "exactly": [], "trouble": null,
        "boot": {"userspace": 1.0, "agent": 1.5},
        "stacks": [], "disks": [],
        "alerts": [], "waits": [], "parts": [], "now_ms": 90_000,
    })
}

fn joining() -> Value {
    let mut status = ready();
    status["ready"] = false.into();
    status["cluster"] = Value::Null;
    status["phases"] = json!([
        {"phase": "identity", "holds": true, "reached": 1.94, "detail": ""},
        {"phase": "ring", "holds": false, "reached": 3.2, "detail": "the ring daemon is silent"},
        {"phase": "pki", "holds": false, "reached": null, "detail": "no certificate yet"},
        {"phase": "ready", "holds": false, "reached": null, "detail": ""},
    ]);
    status["members"] = json!([]);
    status["storage"] = Value::Null;
    status["swarm"] = Value::Null;
    status["doing"] = json!(["start glusterd", "join the ring"]);
    status["trouble"] = "glusterd.service: failed".into();
    status
}

fn in_trouble() -> Value {
    let mut status = joining();
    status["alerts"] = json!([
        {"severity": "critical", "id": "volume-read-only", "subject": "clusterfs",
         "since_ms": 30_000, "words": "clusterfs takes no writes",
         "cure": "switch the missing boxes on"},
        {"severity": "warning", "id": "member-lost", "subject": "ashlar-00000003",
         "since_ms": 90_000, "words": "ashlar-00000003 does not answer",
         "cure": "look whether it has power"},
        {"severity": "notice", "id": "healing", "subject": "clusterfs",
         "since_ms": 0, "words": "4 entries heal", "cure": "leave the boxes on"},
    ]);
    status["waits"] = json!([{"wanted": "the Swarm", "what_for": "until the volume can be written",
                              "rule": "one-swarm"}]);
    status["parts"] = json!([{"part": "ring", "age_ms": 400, "silent": "it hangs",
                              "silent_ms": 300_000}]);
    status
}

/// The first lines of a watch.
fn watched(agent: &Agent, lines: usize) -> Vec<String> {
    let mut watch = std::process::Command::new(assert_cmd::cargo::cargo_bin!("ashlarctl"))
        .args(["status", "--watch", "--json"])
        .env("ASHLAR_SOCKET", agent.socket())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let all = BufReader::new(watch.stdout.take().unwrap()).lines();
    let seen = all.take(lines).map(Result::unwrap).collect();
    watch.kill().unwrap();
    watch.wait().unwrap();
    seen
}

fn target(refused: Option<&str>, decided: bool) -> Value {
    let lines = ["its copy of clusterfs moves to ashlar-b"];
    let target = json!({ "lines": lines, "afterwards": "3 boxes", "refused": refused });
    json!({ "target": target, "decided": decided })
}

fn succession(stage: &str) -> Value {
    json!({ "number": 1, "ca": "0011223344556677", "certificate": "PEM", "endorsement": "c2ln",
        "stage": stage, "since": 5 })
}
