//! What `--json` prints is what `docs/reference/ashlarctl.schema.json` says.

use super::{Agent, ctl, in_trouble, joining, ready, target};
use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The schemas, each compiled once, and the verbs that were seen.
struct Published {
    schema: Value,
    schemas: Schemas,
    compiler: Compiler,
    seen: BTreeSet<String>,
}

const AT: &str = "https://ashlar/ashlarctl.schema.json";

impl Published {
    fn read() -> Self {
        let path =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/ashlarctl.schema.json");
        let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let mut compiler = Compiler::new();
        compiler.add_resource(AT, schema.clone()).unwrap();
        Self { schema, schemas: Schemas::new(), compiler, seen: BTreeSet::new() }
    }

    fn of(&mut self, verb: &str) -> SchemaIndex {
        let place = format!("{AT}#/properties/{}", verb.replace(' ', "%20"));
        self.compiler.compile(&place, &mut self.schemas).unwrap()
    }

    /// Every line is what is published of this verb, and there is one at least.
    fn has(&mut self, verb: &str, printed: &str) {
        let schema = self.of(verb);
        for line in printed.lines() {
            let line: Value = serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("{verb}: {error}: {line}"));
            if let Err(error) = self.schemas.validate(&line, schema) {
                panic!("{verb}: {error:#}\n{line:#}");
            }
        }
        assert!(!printed.is_empty(), "{verb} prints nothing");
        self.seen.insert(verb.to_owned());
    }
}

#[test]
fn what_every_verb_prints_for_programs_is_as_published() {
    let mut published = Published::read();
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (site, list) = (file("site.toml", "name = 'shop'"), file("revoked.pem", "list"));
    let bundle = dir.path().join("shop.tar.zst");
    let step = json!({"version": 1, "at": "2026-11-25T20:00:00.123Z", "since_boot_ms": 4000,
                      "phase": "storage", "step": "start it", "because": "it is stopped",
                      "error": null, "took_ms": 20});
    let link = |carrier: bool, speed: Value| {
        json!({"name": "enp1s0", "kind": "wired", "mac": "52:54:00:12:34:56", "carrier": carrier,
               "speed_mbit": speed, "addresses": [{"address": "10.83.0.1", "prefix": 16}]})
    };
    let network = json!({"links": [link(true, 1000.into()), link(false, Value::Null)],
                         "gateways": ["192.168.1.1"], "name_servers": ["fe80::1"]});
    let hardware = json!({"vendor": null, "product": "Till", "serial": null, "firmware": null,
        "secure_boot": false, "tpm": true, "processor": null, "processors": 4, "memory": 8,
        "memory_available": 6, "kernel": null, "slot": "a", "clock_synchronised": true,
        "drives": [{"name": "sda", "model": null, "serial": null, "bytes": 5, "removable": true}]});
    let power = json!({"absence": {"lines": ["b stays up"], "stops": []}, "begun": false});
    let lost = json!({"losses": {"lines": ["its place"], "kept": [], "unbearable": null},
                      "begun": true});
    let one = json!({"name": "a", "losses": ["its copy"], "begun": true, "trouble": null});
    let shop = json!({"site": "shop", "boxes": [one]});
    let support = json!({"parts": [{"name": "units.txt", "text": "all run"}]});
    let revoked = json!({"number": 7, "revoked": 1, "told": 2, "untold": ["b"]});
    let undone = json!({"change": {"undone": {"why": "no router answered"}}});
    let kept = json!({"change": null});
    let rejoins = json!({"rejoins": true});
    let certificate = json!({"serial": "0a0b", "not_before": "2026-11-01T00:00:00Z",
        "not_after": "2026-12-01T10:00:00Z", "renewal": "2026-11-20T10:00:00Z",
        "renewal_due": false});
    let pki = json!({"cluster": "c0ffee", "key_here": true, "own": certificate, "struck_off": 0,
        "authorities": [{"fingerprint": "ab12", "not_before": "2026-11-01T00:00:00Z",
                         "not_after": "2036-11-01T00:00:00Z"}],
        "members": [{"name": "b", "address": "10.83.0.2", "ca_key": true, "struck_off": false,
                     "certificate": null, "unknown": "it does not answer"}],
        "succession": {"number": 1, "ca": "0011223344556677", "certificate": "PEM",
                       "endorsement": "c2ln", "stage": "only", "since": 5},
        "boxes": [{"name": "b", "alive": true, "lacks": null,
                   "cas": {"shows": "0011223344556677", "also": [], "next": null}}]});
    let authority = json!({"target": {"lines": [], "refused": null}, "decided": false});
    let ring = json!({"target": {"lines": [], "refused": null}, "decided": false,
        "rotation": {"number": 1, "key": "00112233445566ff", "stage": "only", "since": 5},
        "boxes": [{"name": "a", "alive": true, "lacks": null,
                   "keys": {"uses": "00112233445566ff", "also": []}}]});
    let merging = json!({"target": {"from": "c0ffee", "into": "decade", "lines": ["its copies"],
            "away": [], "refused": null},
        "boxes": [], "begun": false});
    let bundle = bundle.to_str().unwrap();
    let (machine, ports) = (hardware.clone(), network.clone());
    let left = json!({"id": "1a2b", "name": "ashlar-1a2b", "address": "10.83.0.2"});
    let alone = json!({"target": {"without": left, "lines": ["it loses its place"],
        "refused": null}, "begun": false});
    let asked: [(&str, &[&str], Value); 35] = [
        ("status", &[], ready()),
        ("status", &[], joining()),
        ("status", &[], in_trouble()),
        ("wait", &[], ready()),
        ("wait", &["--timeout", "1"], joining()),
        ("members", &[], ready()),
        ("members", &[], joining()),
        ("why", &[], ready()),
        ("why", &[], in_trouble()),
        ("history", &[], json!([step])),
        ("network", &[], network),
        ("network set", &[&site], kept.clone()),
        ("network set", &[&site], undone),
        ("network confirm", &[], kept.clone()),
        ("network revert", &[], kept),
        ("hardware", &[], hardware),
        ("power", &["off", "--dry-run"], power.clone()),
        ("power", &["reboot", "--yes"], power),
        ("node remove", &["a", "--yes"], target(None, true)),
        ("node remove", &["a", "--dry-run"], target(Some("it is the last box"), false)),
        ("node keep", &["a"], target(None, true)),
        ("node revoke", &["a", "--dry-run"], target(None, false)),
        ("node rejoin", &[], rejoins),
        ("pki status", &[], pki),
        ("pki rotate", &["--dry-run"], authority),
        ("ring status", &[], ring.clone()),
        ("ring rotate", &["--dry-run"], ring),
        ("cluster merge", &["--into", "decade", "--dry-run"], merging),
        ("cluster go-on-alone", &["--dry-run"], alone),
        ("support bundle", &["--to", bundle], support),
        ("admin revoke", &[&list], revoked),
        ("reset workloads", &["--dry-run"], lost.clone()),
        ("reset cluster", &["--yes"], lost.clone()),
        ("reset factory", &["--name", "a"], lost),
        ("reset site", &["--name", "shop"], shop),
    ];
    for (verb, options, answer) in asked {
        let words: Vec<&str> = verb.split(' ').chain(["--json"]).chain(options.to_vec()).collect();
        let (_, out, err) = Agent::saying([answer]).ctl(&words);
        assert!(!out.is_empty(), "{words:?}: {err}");
        published.has(verb, &out);
    }

    let agent = Agent::saying([joining(), json!("no status"), ready()]);
    published.has("status --watch", &super::watched(&agent, 3).join("\n"));
    let journalctl = dir.path().join("journalctl");
    std::fs::write(&journalctl, "#!/bin/sh\necho '{\"MESSAGE\":\"it runs\"}'\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&journalctl, mode).unwrap();
    let logs = ctl().env("PATH", dir.path()).args(["logs", "--json"]).output().unwrap();
    published.has("logs", std::str::from_utf8(&logs.stdout).unwrap());

    // Nobody is called and nothing is written from here.
    let mut alone = ready();
    alone["members"] = json!([{"name": "ashlar-1a2b3c4d", "address": "10.83.0.1",
                               "status": "alive", "same_cluster": true}]);
    alone["storage"]["mounted"] = false.into();
    let checked = Agent::saying([alone, machine, ports]).ctl(&["check", "--json"]);
    published.has("check", &checked.1);

    let told = published.schema["properties"].as_object().unwrap();
    let told: BTreeSet<String> = told.keys().cloned().collect();
    assert_eq!(published.seen, told, "a verb is published that nobody saw print anything");
}

#[test]
fn what_is_published_is_not_anything() {
    let mut published = Published::read();
    let schema = published.of("status");
    for (field, wrong) in [("ready", json!("yes")), ("phases", json!({})), ("boot", Value::Null)] {
        let mut status = ready();
        status[field] = wrong;
        assert!(published.schemas.validate(&status, schema).is_err(), "{field}");
        status.as_object_mut().unwrap().remove(field);
        assert!(published.schemas.validate(&status, schema).is_err(), "without {field}");
    }
}
