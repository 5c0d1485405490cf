use super::*;
use crate::presence::tests::{PIN, node};
use crate::{site_store, state};
use ashlar_pki::{NodeKey, NodeSubject, Store};
use ashlar_site::Site;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;

const TOKEN: &str =
    "SWMTKN-1-3pu6hszjas19xyp7ghgosyx9k8atbfcr8p2is99znpy26u2lkl-1awxwuwd3z9j1z3puu7rcgdbx";
const UNLOCK: &str = "SWMKEY-1-7c37Cc8654o6p38HnroywCi19pllOnGtbdZEgtKxZu8";

/// A box with every secret that a site and a cluster have.
fn box_with_secrets() -> (tempfile::TempDir, Paths) {
    let (root, paths) = node(Some(PIN));
    let text = std::fs::read_to_string(paths.site()).unwrap();
    let network = "\n[network.wifi]\nssid = \"shop\"\npassphrase = 'open \"sesame\" \\ now'\n\
         [network.proxy]\nhttp = \"http://till:s3cret%40proxy@10.0.0.1:3128\"\n\
         https = \"http://till:pw7@10.0.0.1:3128\"\n";
    state::write(&paths.site(), (text.clone() + network).as_bytes(), 0o600).unwrap();
    let tried = text + "\n[network.wifi]\nssid = \"shop\"\npassphrase = 'another passphrase'\n";
    state::write(&paths.network_trial(), tried.as_bytes(), 0o600).unwrap();
    let site = Site::load(&paths.site()).unwrap();
    site_store::make_keyring(&paths, &[9; 32]).unwrap();
    std::fs::create_dir_all(paths.run()).unwrap();
    std::fs::write(paths.serf_rpc_auth(), "rpc-password\n").unwrap();
    let store = Store::open(paths.pki()).unwrap();
    let subject = NodeSubject::new("ab12", "ashlar-ab12", [10, 83, 0, 1].into()).unwrap();
    let (now, key) = (Timestamp::now(), site.ring_key.as_bytes());
    store.found("c0ffee", &subject, key, now, now).unwrap();
    (root, paths)
}

/// Its secrets that are texts, and those that are bytes.
fn secrets(paths: &Paths) -> (Vec<String>, Vec<Vec<u8>>) {
    let site = Site::load(&paths.site()).unwrap();
    let store = Store::open(paths.pki()).unwrap();
    let ca = store.authority(site.ring_key.as_bytes()).unwrap().unwrap();
    let pem = std::fs::read_to_string(paths.pki().join("node.key")).unwrap();
    let lines = pem.lines().filter(|line| !line.starts_with('-'));
    let key = BASE64_STANDARD.decode(lines.collect::<String>()).unwrap();
    let texts = vec![
        "open \"sesame\" \\ now".into(),
        "another passphrase".into(),
        "s3cret%40proxy".into(),
        "s3cret@proxy".into(),
        site.console.pin_hash.unwrap().to_string(),
        "rpc-password".into(),
    ];
    (texts, vec![site.ring_key.as_bytes().to_vec(), vec![9; 32], key, ca.key().to_vec()])
}

/// How programs write bytes: the text, and the part of it that says what they are.
fn forms(bytes: &[u8]) -> Vec<(String, String)> {
    let same = |text: String| (text.clone(), text);
    let mut all = vec![same(hex::encode(bytes)), same(hex::encode_upper(bytes))];
    for engine in [BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD] {
        for before in ["", "u", "me", "him"] {
            let text = engine.encode([before.as_bytes(), bytes, b"and more"].concat());
            let inner = text[before.len() + 3..text.len() - 14].to_owned();
            all.push((text, inner));
        }
    }
    all
}

/// All of it as a careless program would write it; and what of that must not be seen.
fn careless(paths: &Paths) -> (String, Vec<String>) {
    let (texts, bytes) = secrets(paths);
    let mut all = vec![(TOKEN.to_owned(), TOKEN[9..].to_owned())];
    all.push((UNLOCK.into(), UNLOCK[9..].into()));
    all.push(("proxy answers 407 to till:pw7, pw7 is refused".into(), "pw7".into()));
    all.push(("psql postgres://app:hunter2@db:5432/till".into(), "hunter2".into()));
    for text in &texts {
        all.push((text.clone(), text.clone()));
        let mut quoted = text.clone();
        for _ in 0..2 {
            quoted = serde_json::to_string(&quoted).unwrap();
            all.push((quoted.clone(), quoted.trim_matches(['"', '\\']).into()));
        }
        all.extend(forms(text.as_bytes()));
    }
    for bytes in &bytes {
        all.push((BASE64_STANDARD.encode(bytes), BASE64_STANDARD_NO_PAD.encode(bytes)));
        all.extend(forms(bytes));
    }
    // The CA's key lies sealed: nobody but the agent has its bytes.
    let numbers = bytes.iter().take(3).map(|bytes| format!("{bytes:?}"));
    all.extend(numbers.map(|list| (format!("key: {list}"), list.replace(['[', ']'], ""))));
    // The key of somebody else, as a message of many lines and as many messages.
    let pem = NodeKey::generate().unwrap().to_pem().to_string();
    let lines: Vec<_> = pem.lines().map(|line| format!("ashlar-a app[7]: {line}\n")).collect();
    let (mut text, mut hidden) = (pem.clone() + "\n" + &lines.concat(), Vec::new());
    hidden.extend(pem.lines().filter(|line| !line.starts_with('-')).map(str::to_owned));
    for (written, secret) in all {
        text.push_str(&(written + "\n"));
        hidden.push(secret);
    }
    (text, hidden)
}

fn blank() -> Status {
    let release =
        crate::release::Release { profile: "test".into(), version: "1".into(), book: None };
    let boot = ashlar_api::BootTimes::default();
    crate::status::Facts { release, site: None, boot }.blank()
}

fn says(name: &'static str, path: &Path) -> Question {
    Question { name, program: "cat", args: vec![path.display().to_string()] }
}

#[tokio::test]
async fn no_secret_of_the_site_is_in_a_bundle_whoever_wrote_it_where_and_how() {
    let (_root, paths) = box_with_secrets();
    let (text, hidden) = careless(&paths);
    for secret in &hidden {
        assert!(text.contains(secret), "the test looks for what was not written: {secret}");
    }
    let journal = paths.root().join("journal");
    std::fs::write(&journal, format!("before\n{text}after\n")).unwrap();
    state::write(&paths.history(), text.as_bytes(), 0o600).unwrap();
    let status = Status { trouble: Some(text), ..blank() };
    let bundle = ask(&paths, &status, vec![says("journal.txt", &journal)]).await.unwrap();
    for part in &bundle.parts {
        for secret in &hidden {
            assert!(!part.text.contains(secret), "{secret} is in {}:\n{}", part.name, part.text);
        }
        let quoted = ["status.json", "history.jsonl", "journal.txt"].contains(&part.name.as_str());
        assert!(!quoted || part.text.contains("[removed]"), "{}", part.name);
    }
    let journal = &bundle.parts.iter().find(|part| part.name == "journal.txt").unwrap().text;
    assert!(journal.starts_with("before\n") && journal.ends_with("after\n"), "{journal}");
    assert!(journal.contains("psql postgres://[removed]@db:5432/till"), "{journal}");
}

#[test]
fn what_helps_and_is_no_secret_stays() {
    let (_root, paths) = box_with_secrets();
    let known = Secrets::of(&paths).unwrap();
    let text = "pulled app@sha256:f9d8e2a19c1d2bd5a3f8a5c3f0aa5bb0c2f2f38be8ac0a3ef2d4c1e0f6a7b8c9\n\
         GET http://192.168.1.1:8080/a@b failed: opened, pw70\n\
         mount /dev/disk/by-partuuid/3C5E2B6A-77AB-4D0F-9D5E-0A1B2C3D4E5F\n\
         -----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(known.remove(text), text);
}

#[tokio::test]
async fn a_box_whose_site_cannot_be_read_tells_facts_and_nothing_that_may_quote_it() {
    let (_root, paths) = box_with_secrets();
    state::write(&paths.site(), b"passphrase = 'half a l", 0o600).unwrap();
    let bundle = ask(&paths, &blank(), vec![says("journal.txt", &paths.site())]).await.unwrap();
    let part = |name: &str| &bundle.parts.iter().find(|part| part.name == name).unwrap().text;
    assert!(part("hardware.json").contains("processors"));
    for name in ["status.json", "history.jsonl", "journal.txt"] {
        let text = part(name);
        assert!(text.contains("site.toml:") && !text.contains("half a l"), "{text}");
    }
}

#[tokio::test]
async fn what_cannot_be_had_says_why_and_the_rest_is_there() {
    let root = tempfile::tempdir().unwrap();
    let paths = Paths::under(root.path());
    let missing = Question { name: "a.txt", program: "no-such-program", args: Vec::new() };
    let fails = says("b.txt", Path::new("/nonexistent"));
    let bundle = ask(&paths, &blank(), vec![missing, fails]).await.unwrap();
    let text = |name: &str| &bundle.parts.iter().find(|part| part.name == name).unwrap().text;
    assert!(text("a.txt").contains("cannot run no-such-program"), "{}", text("a.txt"));
    assert!(text("b.txt").contains("/nonexistent"), "{}", text("b.txt"));
    assert!(text("status.json").contains("\"profile\": \"test\""));
    let asked = questions();
    let names: Vec<_> = asked.iter().map(|question| question.name).collect();
    assert_eq!(names, ["units.txt", "journal.txt", "kernel.txt", "warnings.txt"]);
}

#[tokio::test]
async fn of_what_is_long_the_newest_whole_lines_are_kept() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("journal");
    let lines: Vec<_> = (0..300_000).map(|number| format!("line {number}\n")).collect();
    std::fs::write(&path, lines.concat()).unwrap();
    let text = said(&says("journal.txt", &path)).await.unwrap();
    assert!(text.len() <= MOST && text.len() > MOST - 20, "{}", text.len());
    assert!(text.starts_with("line ") && text.ends_with("line 299999\n"));
    std::fs::write(&path, "x".repeat(3 * MOST)).unwrap();
    assert_eq!(said(&says("journal.txt", &path)).await.unwrap(), "");
}
