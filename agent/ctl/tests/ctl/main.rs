//! `ashlarctl` as people and units call it, against an agent that says exactly
//! what a test tells it to.
#![allow(clippy::unwrap_used, clippy::panic)]

mod published;

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
                    "GET /v1/history ",
                    "GET /v1/network ",
                    "GET /v1/hardware ",
                    "GET /v1/support ",
                    "GET /v1/pki ",
                    "POST /v1/pki ",
                    "GET /v1/ring ",
                    "POST /v1/ring ",
                    "POST /v1/merge ",
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
        "doing": [], "trouble": null, "boot": {"userspace": 1.0, "agent": 1.5},
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

#[test]
fn a_ready_node_shows_itself_at_a_glance() {
    let (code, out, err) = Agent::saying([ready()]).ctl(&["status"]);
    assert_eq!((code, err.as_str()), (0, ""));
    insta::assert_snapshot!(out, @r"
    ashlar-1a2b3c4d  10.83.0.1  site shop-42  release 0.1.0 (retail)
    cluster c0ffee

    ✔ identity    1.9 s
    ✔ ring        3.2 s  3 alive
    ✔ pki         4.0 s  certificate until May 1
    ✔ storage    12.5 s  mounted
    ✔ swarm      14.0 s  manager
    ✔ ready      14.1 s

    members
    ✔ ashlar-1a2b3c4d  10.83.0.1     alive    this node
    ✔ ashlar-00000002  10.83.12.200  alive
    ✘ ashlar-00000003  10.83.0.3     failed   not in this cluster

    storage   clusterfs: 3 copies, 3 of 3 bricks up, TLS, mounted
    swarm     leader, 3 of 3 nodes up
    ");
}

#[test]
fn a_node_that_is_not_ready_says_what_it_does_and_what_is_wrong() {
    let (code, out, _) = Agent::saying([joining()]).ctl(&["status"]);
    assert_eq!(code, 3);
    insta::assert_snapshot!(out, @r"
    ashlar-1a2b3c4d  10.83.0.1  site shop-42  release 0.1.0 (retail)

    ✔ identity    1.9 s
    … ring         lost  the ring daemon is silent
    … pki                no certificate yet
    … ready

    doing     start glusterd
              join the ring
    trouble   glusterd.service: failed
    ");
}

#[test]
fn a_node_without_a_site_still_has_a_status() {
    let blank = json!({
        "release": "0.1.0", "profile": "minimal", "site": null, "identity": null, "cluster": null,
        "ready": false, "phases": [], "members": [], "storage": null, "swarm": null, "doing": [],
        "trouble": null, "boot": {"userspace": 0.0, "agent": 0.0},
    });
    let (code, out, _) = Agent::saying([blank]).ctl(&["status"]);
    assert_eq!(code, 3);
    insta::assert_snapshot!(out, @r"
    (no name yet)  site (none yet)  release 0.1.0 (minimal)

    … the agent has just started
    ");
}

#[test]
fn programs_get_the_agent_s_own_words() {
    let (code, out, _) = Agent::saying([ready()]).ctl(&["status", "--json"]);
    assert_eq!(code, 0);
    assert_eq!(out.lines().count(), 1);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), ready());

    let (code, out, _) = Agent::saying([ready()]).ctl(&["members", "--json"]);
    assert_eq!(code, 0);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), ready()["members"]);
}

#[test]
fn a_node_says_how_full_it_is_and_what_runs_on_it() {
    let mut status = ready();
    status["disks"] = json!([{"name": "state", "bytes": 4_294_967_296_u64, "used_percent": 12},
                             {"name": "data", "bytes": 500_107_862_016_u64, "used_percent": 41}]);
    status["stacks"] = json!([{"name": "till", "running": 2, "desired": 3}]);
    let (_, out, _) = Agent::saying([status]).ctl(&["status"]);
    let rest = out.split_once("nodes up\n").unwrap().1;
    insta::assert_snapshot!(rest, @r"
    disks     state 12 % full, data 41 % full
    services  till 2 of 3 tasks
    ");
}

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

#[test]
fn what_is_wrong_comes_with_its_cure_the_worst_first() {
    let (code, out, _) = Agent::saying([in_trouble()]).ctl(&["status"]);
    assert_eq!(code, 3);
    let alerts = out.split_once("alerts\n").unwrap().1;
    insta::assert_snapshot!(alerts, @r"
    ✘ clusterfs takes no writes
      for 60 s: switch the missing boxes on
    ! ashlar-00000003 does not answer
      for 0 s: look whether it has power
    · 4 entries heal
      for 90 s: leave the boxes on
    ");
    assert!(!out.contains("trouble"), "the alerts say it: {out}");
}

#[test]
fn why_says_what_holds_a_node_back() {
    let (code, out, _) = Agent::saying([in_trouble()]).ctl(&["why"]);
    assert_eq!(code, 3);
    insta::assert_snapshot!(out, @r"
    ring      the ring daemon is silent
    pki       no certificate yet
    doing     start glusterd
    doing     join the ring
    waits     the Swarm waits: until the volume can be written (rule one-swarm)
    silent    ring for 5 min: it hangs
    ✘ clusterfs takes no writes
      for 60 s: switch the missing boxes on
    ! ashlar-00000003 does not answer
      for 0 s: look whether it has power
    · 4 entries heal
      for 90 s: leave the boxes on
    ");
    let (_, out, _) = Agent::saying([in_trouble()]).ctl(&["why", "--json"]);
    let why: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(why["alerts"], in_trouble()["alerts"]);
    assert_eq!(why["waits"], in_trouble()["waits"]);
    let (code, out, _) = Agent::saying([ready()]).ctl(&["why"]);
    assert_eq!((code, out.as_str()), (0, "ready; nothing is to be done\n"));
}

#[test]
fn history_is_what_was_done_and_what_could_not_be() {
    let step = |step: &str, error: Value| {
        json!({"version": 1, "at": "2026-11-25T20:00:00.123Z", "since_boot_ms": 4000,
               "phase": "storage", "step": step, "because": "it is stopped", "error": error,
               "took_ms": 20})
    };
    let both = json!([step("start it", Value::Null), step("mount it", "no brick\u{1b}".into())]);
    let (code, out, _) = Agent::saying([both.clone()]).ctl(&["history"]);
    assert_eq!(code, 0);
    insta::assert_snapshot!(out, @r"
    2026-11-25 20:00:00 ✔ start it, because it is stopped
    2026-11-25 20:00:00 ✘ mount it, because it is stopped: no brick�
    ");
    let (_, out, _) = Agent::saying([both.clone()]).ctl(&["history", "--failed", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), json!([both[1]]));
    let (_, out, _) = Agent::saying([both]).ctl(&["history", "-n", "0"]);
    assert_eq!(out, "");
}

#[test]
fn an_agent_of_an_older_release_that_sends_no_alerts_is_understood() {
    let mut old = joining();
    for field in ["alerts", "waits", "parts", "now_ms"] {
        old.as_object_mut().unwrap().remove(field);
    }
    let (code, out, _) = Agent::saying([old]).ctl(&["status"]);
    assert_eq!(code, 3);
    assert!(out.contains("trouble   glusterd.service: failed"), "{out}");
}

#[test]
fn a_member_that_is_lost_says_for_how_long() {
    let mut status = ready();
    status["members"][0]["status"] = "failed".into();
    status["members"][0]["tenure"] = json!({"lost": {"since": 0}});
    let (code, out, _) = Agent::saying([status.clone()]).ctl(&["members"]);
    assert!(code == 0 && out.contains("lost for ") && out.contains(" hours"), "{out}");
    status["members"][0]["tenure"] = "retired".into();
    let (_, out, _) = Agent::saying([status]).ctl(&["members"]);
    assert!(out.contains("lost its place"), "{out}");
}

#[test]
fn members_are_listed_alone() {
    let (code, out, _) = Agent::saying([ready()]).ctl(&["members"]);
    assert_eq!(code, 0);
    insta::assert_snapshot!(out, @r"
    ✔ ashlar-1a2b3c4d  10.83.0.1     alive    this node
    ✔ ashlar-00000002  10.83.12.200  alive
    ✘ ashlar-00000003  10.83.0.3     failed   not in this cluster
    ");
    let (code, out, _) = Agent::saying([joining()]).ctl(&["members"]);
    assert_eq!(code, 0);
    assert!(out.starts_with("no members"), "{out}");
}

#[test]
fn a_member_with_a_hostile_name_cannot_steer_the_terminal() {
    let mut status = ready();
    status["members"][0]["name"] = "\u{1b}[2Jgone\u{9b}31m".into();
    status["trouble"] = "line\u{1b}]0;title\u{7}".into();
    for command in ["status", "members"] {
        let (_, out, _) = Agent::saying([status.clone()]).ctl(&[command]);
        let steering = out.chars().filter(|c| c.is_control() && *c != '\n').count();
        assert_eq!(steering, 0, "{out:?}");
    }
}

#[test]
fn a_wait_ends_when_the_phase_holds() {
    let agent = Agent::saying([joining(), joining(), ready()]);
    let (code, out, err) = agent.ctl(&["wait", "--timeout", "60"]);
    assert_eq!((code, out.as_str(), err.as_str()), (0, "", ""));
    let (code, ..) = Agent::saying([joining()]).ctl(&["wait", "--phase", "identity"]);
    assert_eq!(code, 0);
    let (code, ..) = Agent::saying([joining()]).ctl(&["wait", "--answering"]);
    assert_eq!(code, 0);
}

#[test]
fn a_wait_whose_time_is_up_says_what_is_missing() {
    let (code, _, err) = Agent::saying([joining()]).ctl(&["wait", "--timeout", "1"]);
    assert_eq!(code, 3);
    assert_eq!(err, "waited 1 s for phase ready; trouble: glusterd.service: failed\n");

    let mut calm = joining();
    calm["trouble"] = Value::Null;
    let (code, _, err) = Agent::saying([calm]).ctl(&["wait", "-p", "swarm", "-t", "1"]);
    assert_eq!(code, 3);
    assert_eq!(err, "waited 1 s for phase swarm; this node's recipe has no phase swarm\n");
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

#[test]
fn a_watch_prints_a_line_for_every_change_and_none_for_the_rest() {
    let seen = watched(&Agent::saying([joining(), joining(), ready()]), 2);
    let seen: Vec<Value> = seen.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(seen, [joining(), ready()]);
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
fn logs_are_journalctl_s_own() {
    // A stand-in that says how it was called.
    let dir = tempfile::tempdir().unwrap();
    let stand_in = dir.path().join("journalctl");
    std::fs::write(&stand_in, "#!/bin/sh\necho \"$@\"\nexit 7\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&stand_in, mode).unwrap();
    let called = |args: &[&str]| {
        let output =
            ctl().env("PATH", dir.path()).env("SHELL", "/bin/sh").args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(7), "journalctl's exit code is ours");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(
        called(&["logs", "-f", "-n", "5", "--agent"]),
        "--lines=5 --boot --follow --output=short-precise --unit=ashlar-*\n"
    );
    assert_eq!(
        called(&["logs", "--json", "--all-boots"]),
        "--lines=100 --output=json --unit=ashlar-* --unit=glusterd.service \
         --unit=srv-cluster.mount --unit=docker.service --unit=containerd.service\n"
    );
}

#[test]
fn a_watch_takes_the_terminal_s_other_screen_and_gives_the_first_one_back() {
    use nix::pty::{OpenptyResult, Winsize, openpty};
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    use std::io::Read;
    use std::process::Stdio;

    let agent = Agent::saying([ready()]);
    let size = Winsize { ws_row: 8, ws_col: 40, ws_xpixel: 0, ws_ypixel: 0 };
    let OpenptyResult { master, slave } = openpty(&size, None).unwrap();
    let mut program = std::process::Command::new(assert_cmd::cargo::cargo_bin!("ashlarctl"));
    program.env("ASHLAR_SOCKET", agent.socket()).env("NO_COLOR", "1").args(["status", "--watch"]);
    let mut program = program.stdout(Stdio::from(slave)).spawn().unwrap();
    let mut terminal = std::fs::File::from(master);
    let mut shown = String::new();
    let mut read_until = |wanted: &str| {
        let mut bytes = [0; 1024];
        while !shown.contains(wanted) {
            let count = terminal.read(&mut bytes).unwrap_or(0);
            assert!(count > 0, "no {wanted:?} in {shown:?}");
            shown.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
        shown.clone()
    };
    let text = read_until("more lines");
    assert!(text.starts_with("\x1b[?1049h"), "{text:?}");
    assert_eq!(text.matches('\n').count(), 7, "eight rows, and nothing scrolls: {text:?}");
    kill(Pid::from_raw(program.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    assert!(program.wait().unwrap().success());
    read_until("\x1b[?1049l");
}

#[test]
fn ports_are_listed_with_cable_mac_and_addresses() {
    let network = json!({
        "links": [
            {"name": "enp1s0", "kind": "wired", "mac": "52:54:00:12:34:56", "carrier": true,
             "speed_mbit": 1000, "addresses": [{"address": "10.83.0.1", "prefix": 16}]},
            {"name": "enp2s0", "kind": "wired", "mac": "52:54:00:12:34:57", "carrier": false,
             "speed_mbit": null, "addresses": []},
        ],
        "gateways": ["192.168.1.1"], "name_servers": [],
    });
    let (code, out, _) = Agent::saying([network.clone()]).ctl(&["network"]);
    assert_eq!(code, 0);
    insta::assert_snapshot!(out, @r"
    ✔ enp1s0  52:54:00:12:34:56  up, 1 Gbit/s    10.83.0.1/16
    - enp2s0  52:54:00:12:34:57  no cable
    gateway   192.168.1.1
    names     none
    ");
    let (_, out, _) = Agent::saying([network.clone()]).ctl(&["network", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), network);
}

#[test]
fn a_network_that_is_tried_is_followed_until_it_is_kept_or_undone() {
    let trying = || json!({ "change": "trying" });
    let agent = Agent::saying([trying(), trying(), json!({ "change": null })]);
    let site = agent.dir.path().join("site.toml");
    std::fs::write(&site, "name = 'shop'").unwrap();
    let set = ["network", "set", site.to_str().unwrap()];
    let (code, out, _) = agent.ctl(&set);
    assert_eq!(code, 0);
    assert!(out.contains("confirm` keeps it") && out.ends_with("The new network is kept.\n"));
    let undone = json!({ "change": { "undone": { "why": "no router answered" } } });
    let (code, out, err) = Agent::saying([trying(), undone.clone()]).ctl(&set);
    assert_eq!(code, 1);
    assert!(!out.contains("is kept") && err.contains("was undone: no router answered"), "{err}");
    let (code, out, _) =
        Agent::saying([undone.clone()]).ctl(&[set.as_slice(), &["--json"]].concat());
    assert_eq!((code, serde_json::from_str::<Value>(&out).unwrap()), (1, undone));
    let (code, _, err) = Agent::absent().ctl(&["network", "set", "/nonexistent/site.toml"]);
    assert!(code == 1 && err.contains("cannot read /nonexistent/site.toml"), "{err}");
}

#[test]
fn a_whole_site_is_reset_by_its_name_and_a_box_that_is_off_holds_it_back() {
    let one = |name: &str, begun: bool, trouble: Option<&str>| json!({ "name": name, "losses": ["its copy"], "begun": begun, "trouble": trouble });
    let site = |boxes: [Value; 2]| json!({ "site": "shop", "boxes": boxes });
    let would = || site([one("ashlar-bb", false, None), one("ashlar-aa", false, None)]);
    let did = site([one("ashlar-bb", true, None), one("ashlar-aa", true, None)]);
    let (code, out, _) =
        Agent::saying([would(), did]).ctl(&["reset", "site", "--name", "shop", "--keep-site"]);
    assert_eq!(code, 0);
    for words in ["reset of the site shop", "ashlar-bb:\n  - its copy", "ashlar-aa: resets now"] {
        assert!(out.contains(words), "{out}");
    }
    // Nobody types the name here.
    let (code, _, err) = Agent::saying([would()]).ctl(&["reset", "site"]);
    assert!(code == 1 && err.contains("--name"), "{err}");
    let off = || site([one("ashlar-bb", false, Some("it is off")), one("ashlar-aa", false, None)]);
    let (code, out, err) = Agent::saying([off()]).ctl(&["reset", "site", "--name", "shop"]);
    assert!(code == 1 && out.contains("is not reset: it is off"), "{out}");
    assert!(err.contains("add --partial"), "{err}");
}

#[test]
fn a_machine_says_what_it_is() {
    let hardware = json!({
        "vendor": "Acme", "product": "Till 3000", "serial": "CZC1234567", "firmware": null,
        "secure_boot": false, "tpm": true, "processor": "N100", "processors": 4,
        "memory": 8_242_491_392_u64, "memory_available": 6_011_000_000_u64, "kernel": "6.12",
        "slot": "a", "clock_synchronised": true,
        "drives": [{"name": "nvme0n1", "model": "Fast", "serial": "S6", "bytes": 500_107_862_016_u64,
                    "removable": false}],
    });
    let (code, out, _) = Agent::saying([hardware]).ctl(&["hardware"]);
    assert_eq!(code, 0);
    assert!(out.contains("serial    CZC1234567") && out.contains("firmware  not told"), "{out}");
    assert!(out.contains("500.1 GB"), "{out}");
}

#[test]
fn a_check_ends_with_3_as_long_as_something_is_wrong() {
    let mut status = ready();
    // Nobody is called and nothing is written from here.
    status["members"] = json!([{"name": "ashlar-1a2b3c4d", "address": "10.83.0.1",
                                "status": "alive", "same_cluster": true}]);
    status["storage"]["mounted"] = false.into();
    let hardware = |set: bool| {
        json!({"vendor": null, "product": null, "serial": null, "firmware": null,
               "secure_boot": null, "tpm": false, "processor": null, "processors": 1,
               "memory": 1, "memory_available": 1, "kernel": null, "slot": null,
               "clock_synchronised": set, "drives": []})
    };
    let network = json!({
        "links": [{"name": "no-such-port", "kind": "wired", "mac": null, "carrier": true,
                   "speed_mbit": null, "addresses": [{"address": "10.83.0.1", "prefix": 16}]}],
        "gateways": ["10.83.0.254"], "name_servers": [],
    });
    let well = [status.clone(), hardware(true), network.clone()];
    let (code, out, err) = Agent::saying(well).ctl(&["check"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("time      ✔ a time server has set the clock"), "{out}");
    let (code, out, _) =
        Agent::saying([status, hardware(false), network]).ctl(&["check", "--json"]);
    assert_eq!(code, 3, "{out}");
    let found: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(found["well"], false);
    let wrong = found["checks"].as_array().unwrap().iter().find(|c| c["verdict"] == "warning");
    assert!(wrong.unwrap()["cure"].as_str().unwrap().contains("UDP port 123"), "{out}");
}

#[test]
fn nobody_switches_a_box_off_by_a_script_without_saying_yes() {
    let would = json!({"absence": {"lines": ["b and c stay up"], "stops": ["nothing new is scheduled"]},
                       "begun": false});
    let (code, out, _) = Agent::saying([would.clone()]).ctl(&["power", "off", "--dry-run"]);
    assert_eq!(code, 0);
    assert!(out.contains("b and c stay up") && out.contains("Beware: nothing new"), "{out}");
    let (code, _, err) = Agent::saying([would.clone()]).ctl(&["power", "off"]);
    assert_eq!(code, 1);
    assert!(err.contains("add --yes"), "{err}");
    let mut does = would.clone();
    does["begun"] = true.into();
    let (code, out, _) = Agent::saying([would, does]).ctl(&["power", "off", "--yes", "--json"]);
    assert_eq!(code, 0);
    assert!(serde_json::from_str::<Value>(&out).unwrap()["begun"].as_bool().unwrap(), "{out}");
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

/// The files of a bundle: their names and texts.
fn unpacked(path: &std::path::Path) -> Vec<(String, String)> {
    let packed = std::fs::File::open(path).unwrap();
    let mut archive = tar::Archive::new(ruzstd::decoding::StreamingDecoder::new(packed).unwrap());
    let entries = archive.entries().unwrap().map(|entry| {
        let (mut entry, mut text) = (entry.unwrap(), String::new());
        entry.read_to_string(&mut text).unwrap();
        (entry.path().unwrap().display().to_string(), text)
    });
    entries.collect()
}

#[test]
fn a_support_bundle_is_one_new_file_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let part = |name: &str, text: &str| json!({ "name": name, "text": text });
    let parts = [part("status.json", "{}"), part("../../etc/x", "evil"), part("journal.txt", "é")];
    let support = json!({ "parts": parts });
    let agent = Agent::saying([ready(), support.clone()]);
    let output = ctl()
        .env("ASHLAR_SOCKET", agent.socket())
        .current_dir(agent.dir.path())
        .args(["support", "bundle", "--json"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["parts"], json!(["status.json", "../../etc/x", "journal.txt"]));
    let name = said["file"].as_str().unwrap();
    assert!(name.starts_with("ashlar-1a2b3c4d-20") && name.ends_with("Z.tar.zst"), "{name}");
    let path = agent.dir.path().join(name);
    let about = std::fs::metadata(&path).unwrap();
    assert_eq!(about.permissions().mode() & 0o777, 0o600);
    assert_eq!(said["bytes"], about.len());
    let folder = name.trim_end_matches(".tar.zst");
    let files = unpacked(&path);
    let expected = [("status.json", "{}"), ("_.._.._etc_x", "evil"), ("journal.txt", "é")];
    let expected = expected.map(|(name, text)| (format!("{folder}/{name}"), text.to_owned()));
    assert_eq!(files, expected);

    // A file that is there is not written over, and nobody waits to hear that.
    let path = path.to_str().unwrap();
    let (code, out, err) = Agent::absent().ctl(&["support", "bundle", "--to", path]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("is there already") && err.contains("--to"), "{err}");
    let (code, _, err) = Agent::absent().ctl(&["support", "bundle", "--to", "/nonexistent/a"]);
    assert!(code == 1 && err.contains("cannot make a file in /nonexistent"), "{err}");
    // What is not had leaves nothing.
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("shop.tar.zst");
    let to = to.to_str().unwrap();
    let (code, _, err) = Agent::absent().ctl(&["support", "bundle", "--to", to]);
    assert!(code == 1 && err.contains("does not answer"), "{err}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    let (code, out, _) = Agent::saying([support]).ctl(&["support", "bundle", "--to", to]);
    assert!(code == 0 && out.contains("3 files") && out.contains("No key or password"), "{out}");
}

fn target(refused: Option<&str>, decided: bool) -> Value {
    let lines = ["its copy of clusterfs moves to ashlar-b"];
    let target = json!({ "lines": lines, "afterwards": "3 boxes", "refused": refused });
    json!({ "target": target, "decided": decided })
}

#[test]
fn who_takes_a_box_out_is_shown_what_changes_and_asked_before_anything_does() {
    let agent = Agent::saying([target(None, false)]);
    let (code, text, _) = agent.ctl(&["node", "remove", "ashlar-a", "--dry-run"]);
    assert_eq!(code, 0);
    assert!(text.contains("moves to ashlar-b") && text.contains("Afterwards: 3 boxes"), "{text}");
    // Nobody is there who could type the name.
    let (code, _, error) = agent.ctl(&["node", "remove", "ashlar-a"]);
    assert_eq!(code, 1);
    assert!(error.contains("--yes"), "{error}");
}

#[test]
fn a_box_that_the_cluster_cannot_do_without_is_a_refusal_with_its_reason() {
    let agent = Agent::saying([target(Some("it is the last box"), false)]);
    for words in [&["node", "remove", "a", "--yes"][..], &["node", "keep", "a"]] {
        let (code, _, error) = agent.ctl(words);
        assert_eq!(code, 1);
        assert!(error.contains("nothing is done: it is the last box"), "{error}");
    }
}

#[test]
fn a_box_is_struck_off_only_by_its_name_where_its_copy_may_be_the_last() {
    let target = json!({
        "lines": ["ashlar-3 at 10.83.0.3 is struck off at once"], "afterwards": "2 boxes",
        "refused": null, "unless_typed": "its copy may be the last whole one",
    });
    let would = json!({ "target": target, "decided": false });
    let refused = json!({ "target": { "lines": [], "afterwards": "",
        "refused": "its copy may be the last whole one" }, "decided": false });
    let agent = Agent::saying([would.clone(), refused]);
    let (code, text, error) = agent.ctl(&["node", "revoke", "ashlar-3", "--yes"]);
    assert_ne!(code, 0);
    assert!(text.contains("Refused unless its name is typed"), "{text}");
    assert!(error.contains("nothing is done"), "{error}");
    let decided = json!({ "target": target, "decided": true });
    let agent = Agent::saying([would, decided]);
    let (code, text, _) = agent.ctl(&["node", "revoke", "ashlar-3", "--typed", "ashlar-3"]);
    assert_eq!(code, 0);
    assert!(text.contains("ashlar-3 is struck off.") && text.contains("ring's key"), "{text}");
}

fn succession(stage: &str) -> Value {
    json!({ "number": 1, "ca": "0011223344556677", "certificate": "PEM", "endorsement": "c2ln",
        "stage": stage, "since": 5 })
}

#[test]
fn pki_rotate_says_what_changes_and_waits_until_every_box_that_is_on_has_followed() {
    let answer = |decided: bool| {
        json!({ "target": { "lines": ["a new CA is minted"], "refused": null },
            "decided": decided })
    };
    let stands = |stage: &str, lacks: Value| {
        json!({ "cluster": "c0ffee", "authorities": [], "key_here": true, "own": null,
            "members": [], "struck_off": 0, "succession": succession(stage),
            "boxes": [{ "name": "ashlar-2", "alive": true, "cas": null, "lacks": lacks }] })
    };
    let last = stands("only", Value::Null);
    let waits = stands("spread", json!("does not trust the new CA yet"));
    let agent = Agent::saying([answer(false), answer(true), waits, last]);
    let (code, text, err) = agent.ctl(&["pki", "rotate", "--yes"]);
    assert_eq!(code, 0, "{err}");
    assert!(text.contains("- a new CA is minted") && text.contains("has a new CA"), "{text}");
    assert!(err.contains("ashlar-2"), "{err}");
    let refused = json!({ "target": { "lines": [], "refused": "b is too old" }, "decided": false });
    let (code, _, err) = Agent::saying([refused]).ctl(&["pki", "rotate", "--yes"]);
    assert!(code != 0 && err.contains("nothing is done: b is too old"), "{err}");
}

#[test]
fn pki_status_says_who_holds_the_ca_s_key_and_when_each_certificate_ends() {
    let certificate = json!({
        "serial": "0a0b", "not_before": "2026-11-01T00:00:00Z", "not_after": "2026-12-01T10:00:00Z",
        "renewal": "2026-11-20T10:00:00Z", "renewal_due": false,
    });
    let member = |name: &str, ca_key: bool, struck_off: bool, certificate: Value, why: Value| {
        json!({ "name": name, "address": "10.83.0.2", "ca_key": ca_key,
            "struck_off": struck_off, "certificate": certificate, "unknown": why })
    };
    let told = json!({
        "cluster": "c0ffee", "key_here": true, "own": certificate, "struck_off": 1,
        "authorities": [{ "fingerprint": "ab12", "not_before": "2026-11-01T00:00:00Z",
            "not_after": "2036-11-01T00:00:00Z" }],
        "members": [
            member("ashlar-2", true, false, certificate.clone(), Value::Null),
            member("ashlar-3", false, false, Value::Null, json!("it is not alive in the ring")),
            member("ashlar-4", false, true, Value::Null, json!("it lost its place")),
        ],
        "succession": succession("use"),
        "boxes": [
            { "name": "ashlar-2", "alive": true, "cas": null,
              "lacks": "has no certificate of the new CA yet" },
            { "name": "ashlar-3", "alive": false, "cas": null,
              "lacks": "is away: it takes the CA when it is back" },
        ],
    });
    let agent = Agent::saying([told.clone()]);
    let (code, text, _) = agent.ctl(&["pki", "status"]);
    assert_eq!(code, 0);
    for words in [
        "ab12",
        "from 2026-11-01 to 2036-11-01",
        "this box, ashlar-2",
        "until 2026-12-01, renewed from 2026-11-20 on",
        "ashlar-3  not known: it is not alive in the ring",
        "ashlar-4  struck off",
        "replaced: 0011223344556677, every box gets a certificate of it",
        "ashlar-2 has no certificate of the new CA yet",
        "ashlar-3 is away",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let (_, text, _) = agent.ctl(&["pki", "status", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), told);
}
