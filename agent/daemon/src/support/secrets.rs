//! Takes out of a text whatever secret of the site it quotes.
//!
//! What this node knows is looked for in every form in which a program writes it. What
//! it does not know, the Swarm's tokens and the keys of others, is known by its looks.

use crate::paths::Paths;
use crate::site_store;
use anyhow::{Context, Result};
use ashlar_site::Site;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use std::io::ErrorKind;
use zeroize::Zeroizing;

/// What stands where a secret stood.
const REMOVED: &str = "[removed]";

/// Shorter ones go where they stand alone; elsewhere they would cut words out of every
/// sentence.
const SHORT: usize = 6;

/// Another form that is shorter than this says too little.
const SHORTEST_FORM: usize = 8;

/// A word of base64's letters that is so long, and has small and capital letters and
/// digits, reads like a key: 30 bytes. A digest in hex does not.
const LIKE_A_KEY: usize = 40;

/// Nothing else is as long as this: the longest digest has 128 letters.
const LONGEST_DIGEST: usize = 128;

/// How tokens of the Swarm begin.
const TOKENS: [&str; 2] = ["SWMTKN-", "SWMKEY-"];

/// Everything secret that this node knows, as it may be written, the longest first.
pub(super) struct Secrets(Vec<Zeroizing<String>>);

impl Secrets {
    /// Those of this node. An error if one of its sites cannot be read: then nobody can
    /// tell what is secret.
    pub(super) fn of(paths: &Paths) -> Result<Self> {
        let mut all = Self(Vec::new());
        for site in sites(paths)? {
            all.add_site(paths, &site);
        }
        if let Ok(password) = std::fs::read_to_string(paths.serf_rpc_auth()).map(Zeroizing::new) {
            all.add_text(password.trim());
        }
        if let Ok(pem) = std::fs::read_to_string(paths.pki().join("node.key")).map(Zeroizing::new) {
            let lines = || pem.lines().filter(|line| !line.starts_with('-'));
            let body = Zeroizing::new(lines().collect::<String>());
            let der = BASE64_STANDARD.decode(body.as_bytes()).map(Zeroizing::new);
            all.add_bytes(&der.unwrap_or_default());
            lines().for_each(|line| all.add_text(line));
        }
        all.0.sort_by(|one, other| {
            other.len().cmp(&one.len()).then_with(|| one.as_str().cmp(other))
        });
        all.0.dedup();
        Ok(all)
    }

    fn add_site(&mut self, paths: &Paths, site: &Site) {
        for key in site_store::all_keys(paths, site.ring_key.as_bytes()) {
            self.add_bytes(key.as_slice());
        }
        if let Some(passphrase) = site.network.wifi.iter().find_map(|w| w.passphrase.as_ref()) {
            self.add_text(passphrase.expose());
        }
        let proxies = site.network.proxy.iter().flat_map(|proxy| [&proxy.http, &proxy.https]);
        for url in proxies.flatten() {
            let (_, rest) = url.expose().split_once("://").unwrap_or_default();
            let Some((login, _)) = rest.rsplit_once('@') else { continue };
            self.add_text(login);
            if let Some((_, password)) = login.split_once(':') {
                self.add_text(password);
            }
        }
        if let Some(pin) = &site.console.pin_hash {
            let hash = Zeroizing::new(pin.to_string());
            self.add_text(&hash);
            // Salt and hash; what comes before them is how it was made.
            hash.split('$').skip(4).for_each(|part| self.add_text(part));
        }
    }

    /// A text in its own letters, as JSON quotes it, once and within JSON, as a URL does,
    /// and as bytes.
    fn add_text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        self.0.push(Zeroizing::new(text.to_owned()));
        let once = quoted(text);
        let twice = quoted(&once);
        self.0.extend([once, twice]);
        let plain = unquoted(text);
        if *plain != text {
            self.add_text(&plain);
        }
        self.add_bytes(text.as_bytes());
    }

    /// Bytes in base64, alone or amid others, in hex, and as a list of numbers.
    fn add_bytes(&mut self, bytes: &[u8]) {
        let mut add = |form: String| {
            let form = Zeroizing::new(form);
            if form.len() >= SHORTEST_FORM {
                self.0.push(form);
            }
        };
        add(BASE64_STANDARD.encode(bytes));
        for engine in [&BASE64_STANDARD_NO_PAD, &BASE64_URL_SAFE_NO_PAD] {
            add(engine.encode(bytes));
            // Letters that stand for nothing but these bytes, wherever they begin.
            for (before, mixed) in [(0, 0), (1, 2), (2, 3)] {
                let amid = Zeroizing::new([&[0; 2][..before], bytes].concat());
                let letters = Zeroizing::new(engine.encode(&*amid));
                let whole = amid.len() * 8 / 6;
                add(letters.get(mixed..whole).unwrap_or_default().to_owned());
            }
        }
        add(hex::encode(bytes));
        add(hex::encode_upper(bytes));
        let numbers: Vec<_> = bytes.iter().map(u8::to_string).collect();
        if bytes.len() >= SHORT {
            add(numbers.join(", "));
            add(numbers.join(","));
        }
    }

    /// The text without any of them.
    pub(super) fn remove(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.0 {
            if secret.len() < SHORT {
                text = cut(&text, secret, 0, |before, found| {
                    let after = found.get(secret.len()..).unwrap_or_default();
                    let alone = !before.ends_with(char::is_alphanumeric)
                        && !after.starts_with(char::is_alphanumeric);
                    if alone { secret.len() } else { 0 }
                });
            } else if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), REMOVED);
            }
        }
        for begins in TOKENS {
            let ends = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
            text = cut(&text, begins, 0, |_, found| found.find(ends).unwrap_or(found.len()));
        }
        text = cut(&text, "-----BEGIN ", 0, |_, found| {
            let label = found.split("-----").nth(1).unwrap_or_default();
            let end = found.find("-----END ").unwrap_or(found.len());
            if label.ends_with("PRIVATE KEY") { end } else { 0 }
        });
        text = cut(&text, "://", 3, |_, found| {
            let host = found.get(3..).unwrap_or_default();
            let ends = |c: char| c.is_whitespace() || "/\"'<>".contains(c);
            let host = host.get(..host.find(ends).unwrap_or(host.len())).unwrap_or_default();
            host.rfind('@').map_or(0, |at| 3 + at)
        });
        without_keys(&text)
    }
}

/// Every site on this node: its own, one whose network is tried, one that it is to
/// come back with.
fn sites(paths: &Paths) -> Result<Vec<Site>> {
    let entries = match std::fs::read_dir(paths.state()) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("cannot list {}", paths.state().display()))?,
    };
    let files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let files = files.iter().filter(|path| path.extension().is_some_and(|end| end == "toml"));
    files.map(|path| Ok(Site::load(path)?)).collect()
}

/// Between the quotation marks of JSON.
fn quoted(text: &str) -> Zeroizing<String> {
    let json = Zeroizing::new(serde_json::Value::from(text).to_string());
    Zeroizing::new(json.get(1..json.len() - 1).unwrap_or_default().to_owned())
}

/// `%40` as the sign that it stands for.
fn unquoted(text: &str) -> Zeroizing<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let sign = after.get(..2).filter(|_| *first == b'%').and_then(|two| hex::decode(two).ok());
        out.push(sign.as_ref().and_then(|sign| sign.first()).copied().unwrap_or(*first));
        rest = if sign.is_some() { &after[2..] } else { after };
    }
    Zeroizing::new(String::from_utf8_lossy(&Zeroizing::new(out)).into_owned())
}

/// Without words that read like keys.
fn without_keys(text: &str) -> String {
    let of_a_word = |c: char| c.is_ascii_alphanumeric() || "+/_=".contains(c);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.find(of_a_word) {
        let (before, found) = rest.split_at(begin);
        let (word, after) =
            found.split_at(found.find(|c: char| !of_a_word(c)).unwrap_or(found.len()));
        let has = |kind: fn(&u8) -> bool| word.as_bytes().iter().any(kind);
        let mixed =
            has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_digit);
        let key = word.len() > LONGEST_DIGEST || (word.len() >= LIKE_A_KEY && mixed);
        out.push_str(before);
        out.push_str(if key { REMOVED } else { word });
        rest = after;
    }
    out + rest
}

/// Takes out what begins so, but for the first `kept` bytes, for as long as `length`
/// says of what is before it and of what is found; nothing if that is 0.
fn cut(text: &str, begins: &str, kept: usize, length: impl Fn(&str, &str) -> usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(begins) {
        let (before, found) = rest.split_at(at);
        out.push_str(before);
        let length = length(&out, found);
        let stays = if length == 0 { begins.len() } else { kept };
        out.push_str(found.get(..stays).unwrap_or_default());
        if length > 0 {
            out.push_str(REMOVED);
        }
        rest = found.get(length.max(begins.len())..).unwrap_or_default();
    }
    out + rest
}
