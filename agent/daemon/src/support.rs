//! What somebody needs who is asked what is wrong with this box: no secret of the site
//! is in it. What holds one is not taken; what might quote one, a journal, goes through
//! [`Secrets`].

use crate::paths::Paths;
use crate::{inventory, site_store};
use anyhow::{Context, Result};
use ashlar_api::{DAEMONS, OUR_UNITS, Status, Support, SupportPart};
use ashlar_site::Site;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Serialize;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// How much of one journal is taken, the newest lines,
const MOST: u64 = 1024 * 1024;
const LINES: &str = "--lines=8000";

/// and how long asking for it may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Shorter ones would cut words out of every sentence.
const SHORTEST: usize = 6;

/// What stands where a secret stood.
const REMOVED: &str = "[removed]";

/// Collects it.
pub(crate) async fn collect(paths: &Paths, status: &Status) -> Result<Support> {
    // Without the site there is no telling what is secret: better nothing.
    let secrets = Secrets::of(paths)?;
    let root = paths.root().to_owned();
    let facts = tokio::task::spawn_blocking(move || {
        (inventory::network(), json(&inventory::hardware(&root)))
    });
    let (network, hardware) = facts.await.context("the machine cannot be looked at")?;
    let file = |path| std::fs::read_to_string(path).map_err(anyhow::Error::from);
    let mut all = vec![
        ("status.json", json(status)),
        ("network.json", network.and_then(|network| json(&network))),
        ("hardware.json", hardware),
        ("release.json", file(paths.release())),
        ("history.jsonl", file(paths.history())),
    ];
    all.push(("units.txt", said("systemctl", &UNITS).await));
    let units: Vec<_> =
        OUR_UNITS.iter().chain(DAEMONS).map(|unit| format!("--unit={unit}")).collect();
    let ours: Vec<_> = JOURNAL.into_iter().chain(units.iter().map(String::as_str)).collect();
    all.push(("journal.txt", said("journalctl", &ours).await));
    let kernel: Vec<_> = JOURNAL.into_iter().chain(["--dmesg", "--boot"]).collect();
    all.push(("kernel.txt", said("journalctl", &kernel).await));
    let warnings: Vec<_> = JOURNAL.into_iter().chain(["--priority=warning"]).collect();
    all.push(("warnings.txt", said("journalctl", &warnings).await));
    let part = |(name, text): (&str, Result<String>)| SupportPart {
        name: name.into(),
        text: secrets.remove(text.unwrap_or_else(|error| format!("not to be had: {error:#}\n"))),
    };
    Ok(Support { parts: all.into_iter().map(part).collect() })
}

const UNITS: [&str; 5] = ["--no-pager", "--plain", "--full", "--all", "list-units"];

/// The newest line first, so that what is cut is the oldest.
const JOURNAL: [&str; 5] =
    ["--no-pager", "--reverse", "--utc", "--output=short-iso-precise", LINES];

fn json(value: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

/// What a command prints, up to a limit.
async fn said(program: &str, args: &[&str]) -> Result<String> {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot run {program}"))?;
    let out = child.stdout.take().context("no output")?;
    let mut bytes = Vec::new();
    let read = out.take(MOST);
    tokio::pin!(read);
    timeout(PATIENCE, read.read_to_end(&mut bytes)).await.context("it takes too long")??;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Everything secret that this node knows, as it would be written.
struct Secrets(Vec<Zeroizing<String>>);

impl Secrets {
    fn of(paths: &Paths) -> Result<Self> {
        let mut all = Vec::new();
        let mut add = |secret: &str| {
            if secret.len() >= SHORTEST {
                all.push(Zeroizing::new(secret.to_owned()));
            }
        };
        if paths.site().exists() {
            let site = Site::load(&paths.site())?;
            for key in site_store::known_keys(paths, site.ring_key.as_bytes()) {
                add(&Zeroizing::new(BASE64_STANDARD.encode(*key)));
                add(&Zeroizing::new(hex::encode(*key)));
            }
            if let Some(passphrase) = site.network.wifi.iter().find_map(|w| w.passphrase.as_ref()) {
                add(passphrase.expose());
            }
            let proxies = site.network.proxy.iter().flat_map(|proxy| [&proxy.http, &proxy.https]);
            for url in proxies.flatten() {
                let login = url.expose().split_once("://").map_or(url.expose(), |(_, rest)| rest);
                if let Some((login, _)) = login.rsplit_once('@') {
                    add(login);
                    add(login.split_once(':').map_or("", |(_, password)| password));
                }
            }
            if let Some(pin) = &site.console.pin_hash {
                add(&pin.to_string());
            }
        }
        if let Ok(password) = std::fs::read_to_string(paths.serf_rpc_auth()).map(Zeroizing::new) {
            add(password.trim());
        }
        let keys = std::fs::read_to_string(paths.pki().join("node.key")).map(Zeroizing::new);
        for line in keys.iter().flat_map(|pem| pem.lines()).filter(|line| !line.starts_with('-')) {
            add(line);
        }
        Ok(Self(all))
    }

    /// The text without any of them, without private keys of others, and without the
    /// Swarm's join tokens, which this node does not keep.
    fn remove(&self, text: String) -> String {
        let mut text = text;
        for secret in &self.0 {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), REMOVED);
            }
        }
        let ends_token = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
        text = cut(&text, "SWMTKN-", |rest| rest.find(ends_token).unwrap_or(rest.len()));
        cut(&text, "-----BEGIN ", |rest| {
            let private = rest.lines().next().is_some_and(|line| line.contains("PRIVATE KEY"));
            let end = rest.find("-----END ").unwrap_or(rest.len());
            if private { end } else { 0 }
        })
    }
}

/// Takes out whatever begins so, for as long as `length` says of it.
fn cut(text: &str, begins: &str, length: impl Fn(&str) -> usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(begins) {
        let (before, found) = rest.split_at(at);
        out.push_str(before);
        let length = length(found);
        let kept = if length == 0 { begins } else { REMOVED };
        out.push_str(kept);
        rest = found.get(length.max(begins.len())..).unwrap_or_default();
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presence::tests::{PIN, node};
    use crate::{site_store, state};
    use ashlar_pki::{NodeSubject, Store};
    use jiff::Timestamp;

    /// Every secret of a node's site, as it would stand in a text.
    fn everything(paths: &Paths) -> Vec<String> {
        let site = Site::load(&paths.site()).unwrap();
        let pem = std::fs::read_to_string(paths.pki().join("node.key")).unwrap();
        let mut all = vec![
            BASE64_STANDARD.encode(site.ring_key.as_bytes()),
            hex::encode(site.ring_key.as_bytes()),
            BASE64_STANDARD.encode([9; 32]),
            "open sesame".into(),
            "s3cret-of-the-proxy".into(),
            site.console.pin_hash.unwrap().to_string(),
            "rpc-password".into(),
            "SWMTKN-1-3pu6hszjas19xyp7ghgosyx9k8atbfcr8p2is99znpy26u2lkl-1awxwuwd3z9j1z3puu7rcgdbx"
                .into(),
        ];
        all.extend(pem.lines().filter(|line| !line.starts_with('-')).map(str::to_owned));
        all
    }

    fn box_with_secrets() -> (tempfile::TempDir, Paths) {
        let (root, paths) = node(Some(PIN));
        let text = std::fs::read_to_string(paths.site()).unwrap();
        let network = "[network.wifi]\nssid = \"shop\"\npassphrase = \"open sesame\"\n\
             [network.proxy]\nhttp = \"http://till:s3cret-of-the-proxy@10.0.0.1:3128\"\n";
        std::fs::write(paths.site(), text + "\n" + network).unwrap();
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

    #[test]
    fn what_quotes_a_secret_of_the_site_is_told_without_it() {
        let (_root, paths) = box_with_secrets();
        let secrets = Secrets::of(&paths).unwrap();
        let pem = "-----BEGIN EC PRIVATE KEY-----\nAAAA\nBBBB\n-----END EC PRIVATE KEY-----\n";
        let public = "-----BEGIN CERTIFICATE-----\nCCCC\n-----END CERTIFICATE-----\n";
        let text = everything(&paths).join(" and\n") + "\nbefore\n" + pem + public + "after";
        let told = secrets.remove(text);
        for secret in everything(&paths).iter().map(String::as_str).chain(["AAAA", "BBBB"]) {
            assert!(!told.contains(secret), "{secret} is in {told}");
        }
        assert!(told.contains("before\n") && told.contains(public) && told.ends_with("after"));
    }

    #[tokio::test]
    async fn a_bundle_has_every_part_and_no_secret_of_the_site() {
        let (_root, paths) = box_with_secrets();
        let (words, events) = (everything(&paths), paths.history());
        // The agent says what it did; a daemon of others may say anything.
        state::write(&events, words.join("\n").as_bytes(), 0o600).unwrap();
        let release = crate::release::Release { profile: "test".into(), version: "1".into() };
        let boot = ashlar_api::BootTimes::default();
        let mut status = crate::status::Facts { release, site: None, boot }.blank();
        status.trouble = Some(format!("{} is wrong", words[0]));
        let bundle = collect(&paths, &status).await.unwrap();
        let names: Vec<_> = bundle.parts.iter().map(|part| part.name.as_str()).collect();
        for name in ["status.json", "history.jsonl", "hardware.json", "journal.txt", "units.txt"] {
            assert!(names.contains(&name), "{name} is not in {names:?}");
        }
        let all = serde_json::to_string(&bundle).unwrap();
        for secret in &words {
            assert!(!all.contains(secret.as_str()), "{secret}");
        }
        assert!(all.contains("[removed] is wrong"));
    }
}
