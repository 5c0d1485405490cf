//! What a box is asked for: reasons, history, journals, ports, hardware, certificates.

use super::{Agent, ctl, in_trouble, joining, ready, succession};
use serde_json::{Value, json};
use std::io::Read;

#[test]
fn why_has_the_planner_s_exact_words_and_status_the_plain_ones() {
    let mut status = joining();
    status["doing"] = json!(["calling the other boxes"]);
    status["exactly"] = json!(["join the ring at 10.83.0.2"]);
    let (_, out, _) = Agent::saying([status.clone()]).ctl(&["why"]);
    assert!(out.contains("doing     join the ring at 10.83.0.2"), "{out}");
    assert!(!out.contains("calling"), "{out}");
    let (_, out, _) = Agent::saying([status]).ctl(&["status"]);
    assert!(out.contains("doing     calling the other boxes"), "{out}");
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
fn an_alert_has_its_page_in_the_book_where_the_image_says_where_that_is() {
    let mut status = in_trouble();
    status["book"] = json!("https://docs.example.org/");
    let (_, out, _) = Agent::saying([status]).ctl(&["why"]);
    let page = "  https://docs.example.org/reference/alerts.html#volume-read-only\n";
    assert!(out.contains(&format!("switch the missing boxes on\n{page}")), "{out}");
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
fn where_there_is_no_journalctl_the_agent_tells_the_journal() {
    let nowhere = tempfile::tempdir().unwrap();
    let line = json!({"__CURSOR": "s=1", "__REALTIME_TIMESTAMP": "1764187200000000",
                      "SYSLOG_IDENTIFIER": "ashlar-agent", "MESSAGE": "it runs"});
    let agent = Agent::saying([line]);
    let output = ctl()
        .env("PATH", nowhere.path())
        .env("TZ", "UTC")
        .env("ASHLAR_SOCKET", agent.socket())
        .args(["logs"])
        .output()
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(out, "Nov 26 20:00:00.000000  ashlar-agent: it runs\n");
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
