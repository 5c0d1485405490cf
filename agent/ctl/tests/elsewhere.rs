//! `ashlarctl --site`, from a workstation, against a box that listens as the agent does.
#![allow(clippy::unwrap_used, clippy::panic)]

use ashlar_pki::people::{
    Introduction, IntroductionKey, Pass, PeopleCa, Person, PersonCertificate, RevokedList, Role,
};
use ashlar_pki::{NodeKey, tls};
use assert_cmd::Command;
use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use rustls::{ServerConnection, StreamOwned};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const RING_KEY: [u8; 32] = [7; 32];

/// A box of a site, with the pass of somebody.
struct Shop {
    dir: tempfile::TempDir,
    address: String,
}

fn certificate(ca: &PeopleCa) -> (PersonCertificate, NodeKey) {
    let key = NodeKey::generate().unwrap();
    let anna = Person::new("anna", Role::Admin).unwrap();
    (ca.issue(&key, &anna, Timestamp::now(), Duration::from_secs(3600)).unwrap(), key)
}

impl Shop {
    /// A box that lets in whom `ca` signed and `list` does not name, and whose site has
    /// `ring_key`; anna's pass is of `anna_s`.
    fn with(
        ca: &PeopleCa,
        list: Option<&RevokedList>,
        ring_key: [u8; 32],
        anna_s: &PeopleCa,
    ) -> Self {
        Self::of(ca, list, ring_key, &certificate(anna_s))
    }

    fn of(
        ca: &PeopleCa,
        list: Option<&RevokedList>,
        ring_key: [u8; 32],
        (anna, key): &(PersonCertificate, NodeKey),
    ) -> Self {
        let config = Arc::new(tls::people_server(ca.certificate(), list).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let (config, socket) = (config.clone(), socket.unwrap());
                std::thread::spawn(move || {
                    let connection = ServerConnection::new(config).unwrap();
                    serve(StreamOwned::new(connection, socket), &ring_key);
                });
            }
        });
        let pass = Pass {
            version: Pass::VERSION,
            site: "shop".into(),
            name: "anna".into(),
            role: Role::Admin,
            until: anna.not_after().to_string(),
            addresses: vec![address.clone()],
            introduction: IntroductionKey::of(&RING_KEY, anna).unwrap().to_base64().to_string(),
            certificate: anna.to_pem(),
            key: key.to_pem().to_string(),
        };
        let dir = tempfile::tempdir().unwrap();
        let shop = Self { dir, address };
        std::fs::create_dir_all(shop.pass().parent().unwrap()).unwrap();
        std::fs::write(shop.pass(), toml::to_string(&pass).unwrap()).unwrap();
        shop.mode(0o600);
        shop
    }

    fn pass(&self) -> PathBuf {
        self.dir.path().join("keys/shop/admins/anna.toml")
    }

    fn mode(&self, mode: u32) {
        std::fs::set_permissions(self.pass(), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn ctl(&self, args: &[&str]) -> (i32, String, String) {
        let mut command = Command::cargo_bin("ashlarctl").unwrap();
        command.env("XDG_CONFIG_HOME", self.dir.path()).current_dir(self.dir.path());
        command.env("TZ", "UTC");
        let output = command.args(["--site", "shop"]).args(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }
}

fn serve(
    mut stream: StreamOwned<ServerConnection, std::net::TcpStream>,
    ring_key: &[u8; 32],
) -> Option<()> {
    stream.conn.complete_io(&mut stream.sock).ok()?;
    let shown = stream.conn.peer_certificates()?.first()?.clone();
    let person = PersonCertificate::from_der(&shown).ok()?;
    let session = Introduction::of(&stream.conn).ok()?;
    let proof = IntroductionKey::of(ring_key, &person).ok()?.sign(&session);
    let mut stream = BufReader::new(stream);
    loop {
        let lines = stream.by_ref().lines().map_while(Result::ok);
        let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
        let length = head.iter().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().unwrap());
        std::io::copy(&mut stream.by_ref().take(length), &mut std::io::sink()).ok()?;
        let asked = head.first()?.split(' ').nth(1)?;
        let (path, query) = asked.split_once('?').unwrap_or((asked, ""));
        let answer = match path {
            "/v1/logs" => {
                // Each as it comes, and no length before them.
                let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
                stream.get_mut().write_all(head.as_bytes()).ok()?;
                for line in journal(query) {
                    let line = line.to_string() + "\n";
                    let chunk = format!("{:x}\r\n{line}\r\n", line.len());
                    stream.get_mut().write_all(chunk.as_bytes()).ok()?;
                    stream.get_mut().flush().ok()?;
                }
                stream.get_mut().write_all(b"0\r\n\r\n").ok()?;
                stream.get_mut().flush().ok()?;
                continue;
            }
            "/v1/introduction" => json!({ "proofs": [BASE64_STANDARD.encode(&proof)] }),
            "/v1/revoked" => {
                json!({ "number": 7, "revoked": 1, "told": 2, "untold": ["ashlar-3"] })
            }
            "/v1/support" => json!({ "parts": [{ "name": "units.txt", "text": "all run" }] }),
            "/v1/power" => json!({ "absence": {}, "begun": true }),
            _ => status(),
        };
        let body = answer.to_string();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.get_mut().write_all((head + &body).as_bytes()).ok()?;
        stream.get_mut().flush().ok()?;
    }
}

/// Three lines; after each of them those that come later.
fn journal(query: &str) -> Vec<Value> {
    let line = |n: i64, priority: &str, message: String| {
        let at = (1_764_187_200_000_000 + n).to_string();
        json!({"__CURSOR": format!("s={n}"), "__REALTIME_TIMESTAMP": at,
               "_HOSTNAME": "ashlar-1a2b", "SYSLOG_IDENTIFIER": "ashlar-agent", "_PID": "812",
               "PRIORITY": priority, "MESSAGE": message})
    };
    let after = query.split("after=s=").nth(1).and_then(|n| n.parse::<i64>().ok()).unwrap_or(0);
    let all = [
        line(1, "6", query.split("&after").next().unwrap_or_default().into()),
        line(2, "3", "no brick\nruns\u{1b}".into()),
        line(after.max(2) + 3 - i64::from(after == 0) * 2, "6", "later".into()),
    ];
    all.into_iter().skip(if after == 0 { 0 } else { 2 }).collect()
}

fn status() -> Value {
    json!({
        "release": "0.1.0", "profile": "retail", "site": "shop",
        "identity": {"id": "1a2b", "name": "ashlar-1a2b", "address": "10.83.0.1"},
        "cluster": "c0ffee", "ready": true, "phases": [], "members": [], "storage": null,
        "swarm": null, "doing": [], "trouble": null, "boot": {"userspace": 1.0, "agent": 1.5},
        "stacks": [], "disks": [], "alerts": [], "waits": [], "parts": [], "now_ms": 90_000,
    })
}

fn ca() -> PeopleCa {
    PeopleCa::mint("shop", Timestamp::now()).unwrap()
}

#[test]
fn a_person_asks_a_box_from_the_project_s_folder() {
    let ca = ca();
    let shop = Shop::with(&ca, None, RING_KEY, &ca);
    let (code, out, err) = shop.ctl(&["status"]);
    assert_eq!((code, err.as_str()), (0, ""), "{err}");
    assert!(out.contains("ashlar-1a2b  10.83.0.1  site shop"), "{out}");
    let list = shop.dir.path().join("revoked.pem");
    std::fs::write(&list, "list").unwrap();
    let (code, out, err) = shop.ctl(&["admin", "revoke", list.to_str().unwrap()]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(
        out,
        "1 revoked; 3 boxes know it.\n  - ashlar-3 did not answer; it learns it from the others.\n"
    );
}

#[test]
fn what_is_about_one_box_wants_its_name_or_address() {
    let ca = ca();
    let shop = Shop::with(&ca, None, RING_KEY, &ca);
    let of_one_box = [
        &["power", "off", "--yes"][..],
        &["reset", "factory"],
        &["network"],
        &["support", "bundle"],
    ];
    for words in of_one_box {
        let (code, _, err) = shop.ctl(words);
        assert!(code == 1 && err.contains("--node"), "{err}");
    }
    let (code, _, err) = shop.ctl(&["--node", &shop.address, "status"]);
    assert_eq!(code, 0, "{err}");
    let (code, out, err) = shop.ctl(&["--node", &shop.address, "support", "bundle"]);
    assert!(code == 0 && out.starts_with("ashlar-1a2b-20"), "{out}{err}");
    let (code, _, err) = shop.ctl(&["logs"]);
    assert!(code == 1 && err.contains("--node"), "{err}");
}

#[test]
fn the_journal_of_a_box_is_told_to_who_is_elsewhere() {
    let ca = ca();
    let shop = Shop::with(&ca, None, RING_KEY, &ca);
    let (code, out, err) = shop.ctl(&["--node", &shop.address, "logs", "-n", "3", "--agent"]);
    assert_eq!(code, 0, "{err}");
    let head = |n: u8| format!("Nov 26 20:00:00.00000{n} ashlar-1a2b ashlar-agent[812]: ");
    let margin = " ".repeat(head(2).len());
    let query = "lines=3&units=agent&all_boots=false&follow=false";
    let wanted = format!(
        "{}{query}\n{}no brick\n{margin}runs\u{fffd}\n{}later\n",
        head(1),
        head(2),
        head(3)
    );
    assert_eq!(out, wanted);
    let (_, out, _) = shop.ctl(&["--node", &shop.address, "logs", "--json", "-n", "all"]);
    let first: Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    assert_eq!(first["MESSAGE"], "lines=10000&units=all&all_boots=false&follow=false");
    assert_eq!(first["_HOSTNAME"], "ashlar-1a2b");
    let (code, _, err) = shop.ctl(&["--node", &shop.address, "logs", "-n", "many"]);
    assert!(code == 1 && err.contains("expected a number up to 10000, or `all`"), "{err}");
}

#[test]
fn whoever_follows_a_journal_from_elsewhere_is_told_what_comes_after_an_answer_ended() {
    let ca = ca();
    let shop = Shop::with(&ca, None, RING_KEY, &ca);
    let mut follow = std::process::Command::new(assert_cmd::cargo::cargo_bin!("ashlarctl"))
        .current_dir(shop.dir.path())
        .env("XDG_CONFIG_HOME", shop.dir.path())
        .args(["--site", "shop", "--node", &shop.address, "logs", "-f", "--json"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    let cursor = |line: String| -> Value {
        serde_json::from_str::<Value>(&line).unwrap()["__CURSOR"].clone()
    };
    let told: Vec<_> = lines.take(5).map(|line| cursor(line.unwrap())).collect();
    follow.kill().unwrap();
    follow.wait().unwrap();
    assert_eq!(told, ["s=1", "s=2", "s=3", "s=6", "s=9"]);
}

#[test]
fn a_box_that_does_not_know_the_ring_s_key_is_asked_nothing() {
    let ca = ca();
    let (code, out, err) = Shop::with(&ca, None, [8; 32], &ca).ctl(&["status"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("this is no box of site shop") && err.contains("help:"), "{err}");
}

#[test]
fn a_pass_that_is_not_taken_says_why() {
    let (ours, theirs) = (ca(), ca());
    let (_, _, err) = Shop::with(&ours, None, RING_KEY, &theirs).ctl(&["status"]);
    assert!(err.contains("of another site than the box"), "{err}");
    let anna = certificate(&ours);
    let list = ours.revoke(&[anna.0.serial()], 1, Timestamp::now()).unwrap();
    let (_, _, err) = Shop::of(&ours, Some(&list), RING_KEY, &anna).ctl(&["status"]);
    assert!(err.contains("this pass was revoked"), "{err}");
}

#[test]
fn a_pass_that_others_can_read_or_that_is_not_there_is_refused_with_what_to_do() {
    let ca = ca();
    let shop = Shop::with(&ca, None, RING_KEY, &ca);
    shop.mode(0o640);
    let (code, _, err) = shop.ctl(&["status"]);
    assert!(code == 1 && err.contains("chmod 600"), "{err}");
    std::fs::remove_file(shop.pass()).unwrap();
    let (code, _, err) = shop.ctl(&["status"]);
    assert!(code == 1 && err.contains("ashlar site admin shop NAME"), "{err}");
}
