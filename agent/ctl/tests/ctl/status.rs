//! What a box shows of itself, once and as it changes.

use super::{Agent, in_trouble, joining, ready, watched};
use serde_json::{Value, json};

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

#[test]
fn a_watch_prints_a_line_for_every_change_and_none_for_the_rest() {
    let seen = watched(&Agent::saying([joining(), joining(), ready()]), 2);
    let seen: Vec<Value> = seen.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(seen, [joining(), ready()]);
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
