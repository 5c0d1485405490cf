//! Where secrets must not be.

use crate::fleet::Fleet;
use anyhow::{Result, ensure};
use ashlar_site::Site;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use std::fmt::Write;
use std::io::Read;

/// Site, keyring, keys and the password of the ring's RPC: mode 0600, root's,
/// in directories that nobody else enters.
///
/// # Errors
/// With the modes when they are otherwise.
pub fn secrets_are_for_root_only(fleet: &Fleet) -> Result<()> {
    for node in fleet.nodes() {
        let modes = node.sh("stat -c '%a %U %n' /var/lib/ashlar /var/lib/ashlar/site.toml \
             /var/lib/ashlar/ring/keyring.json /var/lib/ashlar/pki/node.key /run/ashlar/serf-rpc-auth \
             $(ls /var/lib/ashlar/pki/ca.key.sealed 2>/dev/null)")?;
        for line in modes.lines() {
            let private = line.starts_with("600 root ") || line.starts_with("700 root ");
            ensure!(private, "{}: others may read something:\n{modes}", node.name());
        }
    }
    Ok(())
}

/// The ring key and the Swarm's join tokens are in no journal and no process's
/// arguments.
///
/// # Errors
/// When one is, without showing it.
pub fn secrets_are_not_in_journal_or_arguments(fleet: &Fleet, site: &Site) -> Result<()> {
    let mut secrets = BASE64_STANDARD.encode(site.ring_key.as_bytes());
    // Every token begins so; a longer beginning is not needed to notice one.
    secrets.push_str("\nSWMTKN-1-");
    for node in fleet.nodes() {
        for (place, print) in [
            ("its journal", "journalctl --no-pager -o cat"),
            ("an argument list", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"),
        ] {
            // The patterns come on standard input, or we would find ourselves.
            let script =
                format!("f=$(mktemp -p /run) && cat >$f && {print} | grep -c -F -f $f; rm -f $f");
            let found = node.sh_with(&script, secrets.as_bytes())?;
            ensure!(found == "0", "{}: a secret is in {place}, {found} times", node.name());
        }
    }
    Ok(())
}

/// A support bundle has a journal in it, and no secret of this site in any form in which a
/// program writes one.
///
/// # Errors
/// With the name of what is in it, without showing it; or when it is no bundle.
pub fn a_bundle_holds_no_secret(bundle: impl Read, site: &Site) -> Result<()> {
    let mut archive = Vec::new();
    ruzstd::decoding::StreamingDecoder::new(bundle)?.read_to_end(&mut archive)?;
    let archive = String::from_utf8_lossy(&archive);
    ensure!(archive.contains("ashlar-agent"), "no journal of the agent is in the bundle");
    for (name, secret) in secrets_of(site) {
        let quoted = forms(secret.as_bytes()).into_iter().find(|form| archive.contains(form));
        ensure!(quoted.is_none(), "{name} is in the bundle");
    }
    // The key is bytes, of which the site's file has one form.
    let key = forms(site.ring_key.as_bytes());
    ensure!(!key.iter().any(|form| archive.contains(form)), "the ring key is in the bundle");
    Ok(())
}

/// What only this site's people may know, in words.
fn secrets_of(site: &Site) -> Vec<(&'static str, String)> {
    let mut secrets = Vec::new();
    let wifi = site.network.wifi.as_ref().and_then(|wifi| wifi.passphrase.as_ref());
    secrets.extend(wifi.map(|text| ("the Wi-Fi passphrase", text.expose().to_owned())));
    let proxies = site.network.proxy.iter().flat_map(|proxy| [&proxy.http, &proxy.https]);
    for url in proxies.flatten() {
        let login = url.expose().split_once("://").and_then(|(_, rest)| rest.rsplit_once('@'));
        let password = login.and_then(|(login, _)| login.split_once(':'));
        secrets.extend(password.map(|(_, text)| ("the proxy's password", text.to_owned())));
    }
    // How the hash is made is no secret; salt and hash are.
    let pin = site.console.pin_hash.as_ref().map(ToString::to_string).unwrap_or_default();
    secrets.extend(pin.split('$').skip(4).map(|part| ("the hash of the PIN", part.to_owned())));
    secrets
}

/// As it is, if it is a text, and as base64, hex, JSON and a URL have it.
fn forms(secret: &[u8]) -> Vec<String> {
    let mut forms = vec![
        BASE64_STANDARD.encode(secret),
        BASE64_STANDARD_NO_PAD.encode(secret),
        BASE64_URL_SAFE_NO_PAD.encode(secret),
        hex::encode(secret),
        hex::encode_upper(secret),
    ];
    if let Ok(text) = std::str::from_utf8(secret) {
        let json = serde_json::Value::from(text).to_string();
        let json = json.trim_matches('"');
        let twice = serde_json::Value::from(json).to_string();
        let url = text.bytes().fold(String::new(), |mut url, byte| {
            let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            // Writing to a String cannot fail.
            let _ = if plain {
                write!(url, "{}", char::from(byte))
            } else {
                write!(url, "%{byte:02X}")
            };
            url
        });
        forms.extend([text.to_owned(), json.to_owned(), twice.trim_matches('"').to_owned(), url]);
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;
    use ashlar_site::SecretText;

    /// Nothing is packed that has to be: these blocks are raw.
    fn bundle(text: &str) -> Vec<u8> {
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x20 | 0x80];
        let length = u32::try_from(text.len()).unwrap();
        frame.extend(length.to_le_bytes());
        frame.extend(((length << 3) | 1).to_le_bytes()[..3].iter());
        frame.extend(text.as_bytes());
        frame
    }

    #[test]
    fn a_secret_is_found_in_a_bundle_however_it_is_written() {
        let mut site = crate::site::fresh("shop").unwrap();
        site.network.wifi = Some(ashlar_site::Wifi {
            ssid: "shop".into(),
            passphrase: Some(SecretText::new("b\"ck slash & 9".into())),
        });
        let looks = |text: &str| {
            let bundle = bundle(&format!("ashlar-agent said: {text}."));
            a_bundle_holds_no_secret(&bundle[..], &site)
        };
        looks("all is well").unwrap();
        assert!(a_bundle_holds_no_secret(&bundle("nothing")[..], &site).is_err(), "no journal");
        for text in [
            BASE64_STANDARD.encode(site.ring_key.as_bytes()),
            hex::encode(site.ring_key.as_bytes()),
            "b\"ck slash & 9".to_owned(),
            "b\\\"ck slash & 9".to_owned(),
            "b%22ck%20slash%20%26%209".to_owned(),
            BASE64_STANDARD.encode("b\"ck slash & 9"),
        ] {
            assert!(looks(&text).is_err(), "{text}");
        }
    }
}
