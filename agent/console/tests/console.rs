//! `ashlar-console` as a unit, a serial line or a person has it: `--once`, and on a
//! terminal of its own with keys, against an agent that says what a test tells it to.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "console/golden.rs"]
mod golden;
#[allow(dead_code, reason = "the boxes of the screen's own tests")]
#[path = "../src/samples.rs"]
mod samples;

use ashlar_api::NetworkChange;
use assert_cmd::cargo::cargo_bin;
use nix::pty::{OpenptyResult, Winsize, openpty};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PIN: &str = "4711";

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn starting() -> Value {
    json!({
        "release": "0.1.0", "profile": "minimal", "site": "shop-42", "identity": null,
        "cluster": null, "phases": [], "ready": false, "members": [], "storage": null,
        "swarm": null, "doing": [], "trouble": null, "boot": {"userspace": 0.0, "agent": 0.0}
    })
}

/// An agent whose site has a PIN; tells the bodies of all that it was asked to do.
fn agent(socket: &Path) -> Receiver<Value> {
    agent_of(socket, starting())
}

/// The same, of a box that stands so.
fn agent_of(socket: &Path, status: Value) -> Receiver<Value> {
    let listener = UnixListener::bind(socket).unwrap();
    let (tell, asked) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.unwrap(), &status, &tell);
        }
    });
    asked
}

fn answer(mut stream: std::os::unix::net::UnixStream, status: &Value, tell: &Sender<Value>) {
    let mut request = BufReader::new(stream.try_clone().unwrap());
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        request.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    request.read_exact(&mut body).unwrap();
    let address = head.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let (status, text) = if let Some(path) = address.strip_prefix("POST ") {
        let body: Value = serde_json::from_slice(&body).unwrap();
        let reply = if path == "/v1/network" { network(&body) } else { acts(path, &body) };
        tell.send(body).unwrap();
        reply
    } else {
        match address.as_str() {
            "GET /v1/status" => ("200 OK", status.clone()),
            "GET /v1/network" => ("200 OK", json!(samples::network())),
            "GET /v1/hardware" => ("200 OK", json!(samples::hardware())),
            "GET /v1/history" => ("200 OK", json!(samples::history())),
            _ => ("404 Not Found", json!({"refusal": "not-found", "error": "no such address"})),
        }
    };
    let text = text.to_string();
    // Whoever asked may have gone.
    let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{text}", text.len());
}

/// What the other actions would mean, and how they go with the PIN.
fn acts(path: &str, body: &Value) -> (&'static str, Value) {
    let looks = match path {
        // One that names no stick asks which there are.
        "/v1/support/stick" => body.get("volume").is_none_or(Value::is_null),
        _ => body["dry_run"] == true,
    };
    match body.get("pin") {
        None if !looks => {
            let refused = json!({"refusal": "pin-needed", "error": "this needs the PIN"});
            return ("401 Unauthorized", refused);
        }
        Some(pin) if *pin != json!(base64(PIN)) => {
            let refused = json!({"refusal": "pin-wrong", "error": "that is not the PIN"});
            return ("403 Forbidden", refused);
        }
        _ => {}
    }
    let begun = !looks;
    let answer = match path {
        "/v1/power" => json!({
            "absence": {"lines": ["the others stay up"], "stops": []}, "begun": begun,
        }),
        "/v1/reset" => json!({
            "losses": {"lines": ["all that it is"], "unbearable": null}, "begun": begun,
        }),
        "/v1/alone" => json!({
            "target": {"without": gone(), "lines": ["it loses its place"], "refused": null},
            "begun": begun,
        }),
        "/v1/support/stick" => {
            let written = json!({"volume": "sdb1", "file": "box.tar.zst", "bytes": 312_000});
            json!({
                "volumes": [{"name": "sdb1", "label": "HELP", "bytes": 104_857_600}],
                "written": begun.then_some(written),
            })
        }
        other => panic!("nothing of the screen's asks {other}"),
    };
    ("200 OK", answer)
}

/// The other one of two boxes.
fn gone() -> Value {
    json!({"id": "00000002", "name": "ashlar-00000002", "address": "10.83.12.200"})
}

/// An agent that has a lease, and takes a new way out with the PIN.
fn network(body: &Value) -> (&'static str, Value) {
    let refusal = |refusal, error| json!({"refusal": refusal, "error": error});
    let stands = |change: Option<NetworkChange>| {
        ("200 OK", json!({"change": change, "left_s": 119, "way_out": {}}))
    };
    let Some(way) = body["verb"].get("way-out") else { return stands(None) };
    let whole = way["address"].as_str().is_none_or(|address| address.contains('/'));
    match (whole, body["dry_run"].as_bool(), body.get("pin")) {
        (false, ..) => ("400 Bad Request", refusal("bad-request", "expected an address")),
        (true, Some(true), _) => {
            ("200 OK", json!({"change": null, "way_out": {}, "lines": ["All this being so."]}))
        }
        (true, _, None) => ("401 Unauthorized", refusal("pin-needed", "this needs the PIN")),
        (true, _, Some(pin)) if *pin == json!(base64(PIN)) => stands(Some(NetworkChange::Trying)),
        _ => ("403 Forbidden", refusal("pin-wrong", "that is not the PIN")),
    }
}

/// As a secret travels.
fn base64(text: &str) -> String {
    let secret = serde_json::to_value(ashlar_api::Secret::new(text.as_bytes().to_vec())).unwrap();
    secret.as_str().unwrap().to_owned()
}

fn once(socket: &Path, more: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(cargo_bin!("ashlar-console"))
        .args(["--once", "--width", "60", "--height", "12", "--socket"])
        .arg(socket)
        .args(more)
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn one_screen_is_plain_text() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("agent.sock");
    let _asked = agent(&socket);
    let (code, text) = once(&socket, &[]);
    assert_eq!(code, Some(3));
    assert_eq!(text.lines().count(), 12);
    assert!(text.contains("site shop-42") && text.contains("just started"), "{text}");
    assert!(!text.contains('\x1b'), "{text}");
    let (_, about) = once(&socket, &["--page", "about"]);
    assert!(about.contains("profile minimal"), "{about}");
}

#[test]
fn an_absent_agent_is_waited_for_on_the_screen() {
    let dir = tempfile::tempdir().unwrap();
    let (code, text) = once(&dir.path().join("agent.sock"), &[]);
    assert_eq!(code, Some(1));
    assert!(text.contains("Waiting for the agent"), "{text}");
}

/// The program on a terminal, and whoever sits before it.
struct Terminal {
    program: Child,
    keys: File,
    shown: Receiver<Vec<u8>>,
    grid: Grid,
}

impl Terminal {
    /// On the smallest common one.
    fn open(socket: PathBuf) -> Self {
        Self::sized(socket, 80, 25, None)
    }

    /// On one of this size, whose commands are looked for here.
    fn sized(socket: PathBuf, width: u16, height: u16, commands: Option<&Path>) -> Self {
        let size = Winsize { ws_row: height, ws_col: width, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(&size, None).unwrap();
        let end = || Stdio::from(slave.try_clone().unwrap());
        let mut command = Command::new(cargo_bin!("ashlar-console"));
        if let Some(commands) = commands {
            command.env("PATH", commands);
        }
        let program = command
            .args(["--os-release", "/dev/null", "--socket"])
            .arg(socket)
            .env("TERM", "linux")
            .env("TZ", "UTC")
            // As a unit: no key ends it.
            .env("INVOCATION_ID", "1")
            .stdin(end())
            .stdout(end())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let keys = File::from(master);
        let mut screen = keys.try_clone().unwrap();
        let (tell, shown) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                if tell.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { program, keys, shown, grid: Grid::sized(width.into(), height.into()) }
    }

    /// Waits until that is on the screen.
    fn sees(&mut self, wanted: &str) {
        self.waits_for(wanted, |screen| screen.contains(wanted));
    }

    /// Waits until the screen is so.
    fn waits_for(&mut self, what: &str, so: impl Fn(&str) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !so(&self.grid.text()) {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(bytes) = self.shown.recv_timeout(left) else {
                panic!("no `{what}` on the screen:\n{}", self.grid.text())
            };
            self.grid.take(&bytes);
            // As a terminal answers who asks where the cursor is.
            for _ in 0..std::mem::take(&mut self.grid.asked) {
                self.types("\x1b[1;1R");
            }
        }
    }

    fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// What a terminal shows: as much of one as this program needs.
struct Grid {
    cells: Vec<Vec<char>>,
    row: usize,
    column: usize,
    /// The beginning of a letter or a command whose end is still to come.
    rest: Vec<u8>,
    /// How often it was asked where the cursor is.
    asked: usize,
}

impl Grid {
    fn sized(width: usize, height: usize) -> Self {
        let cells = vec![vec![' '; width]; height];
        Self { cells, row: 0, column: 0, rest: Vec::new(), asked: 0 }
    }

    fn text(&self) -> String {
        self.cells.iter().map(|row| row.iter().collect::<String>() + "\n").collect()
    }

    fn take(&mut self, bytes: &[u8]) {
        self.rest.extend(bytes);
        let whole = match std::str::from_utf8(&self.rest) {
            Ok(text) => text.len(),
            Err(error) => error.valid_up_to(),
        };
        let text = String::from_utf8(self.rest[..whole].to_vec()).unwrap();
        let mut left = text.as_str();
        while let Some(c) = left.chars().next() {
            let after = &left[c.len_utf8()..];
            if c != '\x1b' {
                self.put(c);
                left = after;
            } else if let Some(end) = after.find(|c: char| c.is_ascii_alphabetic()) {
                self.obey(&after[..=end]);
                left = &after[end + 1..];
            } else {
                break;
            }
        }
        let taken = text.len() - left.len();
        self.rest.drain(..taken);
    }

    fn put(&mut self, c: char) {
        if let Some(cell) = self.cells.get_mut(self.row).and_then(|r| r.get_mut(self.column)) {
            *cell = c;
        }
        self.column += 1;
    }

    /// Moves of the cursor and wiping all; colours are not looked at.
    fn obey(&mut self, command: &str) {
        if let Some(place) = command.strip_prefix('[').and_then(|c| c.strip_suffix('H')) {
            let mut numbers = place.split(';').map(|n| n.parse().unwrap_or(1_usize) - 1);
            self.row = numbers.next().unwrap_or(0);
            self.column = numbers.next().unwrap_or(0);
        } else if command == "[6n" {
            self.asked += 1;
        } else if command == "[2J" {
            self.cells.iter_mut().for_each(|row| row.fill(' '));
        }
    }
}

/// A screen that shows what can be done, and what its agent is asked; with their directory.
fn at_the_actions() -> (TempDir, Receiver<Value>, Terminal) {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("agent.sock");
    let asked = agent(&socket);
    let mut screen = Terminal::open(socket);
    screen.sees("site shop-42");
    screen.types("a");
    (dir, asked, screen)
}

#[test]
fn a_person_at_the_screen_switches_the_box_off_with_the_pin_and_not_without() {
    let (_dir, asked, mut screen) = at_the_actions();
    screen.sees("factory reset");
    screen.types("\x1b[B\r");
    screen.sees("y do it");
    screen.types("y");
    screen.sees("PIN of this site");
    screen.types("0000\r");
    screen.sees("not the PIN");
    screen.types(&format!("{PIN}\r"));
    screen.sees("switches itself off now");
    // Neither of these ends it, nor leads to a shell.
    screen.types("q\x03");
    assert!(screen.program.try_wait().unwrap().is_none());
    let bodies: Vec<Value> = asked.try_iter().collect();
    let pins: Vec<_> = bodies.iter().map(|body| body.get("pin").cloned()).collect();
    let typed = |pin| Some(json!(base64(pin)));
    assert_eq!(pins, [None, None, typed("0000"), typed(PIN)], "{bodies:?}");
    assert!(bodies.iter().all(|body| body["power"] == "off"), "{bodies:?}");
}

#[test]
fn a_person_at_the_screen_mistypes_an_address_mends_it_and_has_it_tried_with_the_pin() {
    let (_dir, asked, mut screen) = at_the_actions();
    screen.sees("change the network");
    screen.types("\x1b[B\x1b[B\x1b[B\r");
    screen.sees("an address of its own");
    screen.types("\x1b[B\r");
    screen.sees("Address: _");
    screen.types("192.168.7.21\r");
    screen.sees("Expected an address");
    screen.types("/24\r");
    screen.sees("Router: _");
    screen.types("192.168.7.1\r");
    screen.sees("Name servers: _");
    screen.types("9.9.9.9 1.1.1.1\r");
    screen.sees("All this being so.");
    screen.types("y");
    screen.sees("PIN of this site");
    screen.types("0000\r");
    screen.sees("not the PIN");
    screen.types(&format!("{PIN}\r"));
    screen.sees("undone in 119 s");
    let done = asked.try_iter().filter(|body| body["pin"] == json!(base64(PIN)));
    let [tried] = &done.collect::<Vec<_>>()[..] else { panic!("once, with the PIN") };
    let way = json!({"address": "192.168.7.21/24", "gateway": "192.168.7.1",
                     "names": ["9.9.9.9", "1.1.1.1"]});
    assert_eq!(tried["verb"]["way-out"], way);
}

#[test]
fn every_action_is_refused_without_the_pin_and_done_with_it() {
    let own = "ashlar-1a2b3c4d";
    // As they stand in the menu: what is answered before the PIN, and what is said after it.
    let actions = [
        ("restart this box", "y do it", "y", "The box restarts now"),
        ("power off", "y do it", "y", "switches itself off now"),
        ("write what a helper needs", "HELP", "\r", "was read back"),
        ("go on alone", "it loses its place", "ashlar-00000002\r", "This box goes on alone"),
        ("join again as a new box", "all that it is", &format!("{own}\r"), "The box restarts now"),
        ("forget the site", "all that it is", &format!("{own}\r"), "The box restarts now"),
    ];
    let mut status = json!(samples::ready());
    status["could_go_on_without"] = gone();
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("agent.sock");
    let asked = agent_of(&socket, status);
    let mut screen = Terminal::open(socket);
    screen.sees("All is well");
    for (action, before, answer, after) in actions {
        screen.types("a");
        screen.sees(action);
        // The network has questions of its own, and a test of its own.
        let menu = screen.grid.text();
        let entries = menu.lines().skip_while(|line| !line.contains("what is to be done"));
        let down = entries.skip(1).position(|line| line.contains(action)).unwrap();
        screen.types(&"\x1b[B".repeat(down));
        screen.types("\r");
        screen.sees(before);
        screen.types(answer);
        screen.sees("PIN of this site");
        screen.types("0000\r");
        screen.sees("not the PIN");
        let pins = asked.try_iter().map(|body| body.get("pin").cloned());
        let pins: Vec<_> = pins.collect();
        assert_eq!(pins, [None, None, Some(json!(base64("0000")))], "{action}");
        screen.types(&format!("{PIN}\r"));
        screen.sees(after);
        let done: Vec<Value> = asked.try_iter().collect();
        assert!(matches!(&done[..], [one] if one["pin"] == json!(base64(PIN))), "{action}");
        screen.types("\x1b");
        screen.waits_for("the page again", |text| !text.contains(after));
    }
}
