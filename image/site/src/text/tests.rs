use crate::{NetworkPlan, RingKey, Site, SiteError, SiteNode, SiteOptions};
use proptest::prelude::*;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn shop(rest: &str) -> String {
    format!("version = 1\nname = 'shop'\nring-key = '{KEY}'\n{rest}")
}

/// Message and help of a refusal, which must not show the key.
fn refusal(text: &str) -> (String, String) {
    let error = Site::parse(text, Path::new("keys/shop/site.toml")).unwrap_err();
    let help = miette::Diagnostic::help(&error).map(|help| help.to_string()).unwrap_or_default();
    let report = format!("{:?}", miette::Report::new(error));
    for part in [KEY, &KEY[..12], &KEY[30..]] {
        assert!(!report.contains(part), "a refusal shows the key: {report}");
    }
    let words = report.lines().map(|line| line.trim_start_matches([' ', '×', '│', '╰', '─', '▶']));
    (words.collect::<Vec<_>>().join(" "), help)
}

#[test]
fn a_new_site_is_saved_for_its_owner_alone_and_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys/shop/site.toml");
    let node = vec![SiteNode::by_mac("52:54:00:12:34:56").at("10.83.0.9".parse().unwrap())];
    let network = NetworkPlan { node, join: vec!["10.0.0.1:7945".into()], ..Default::default() };
    let options = SiteOptions { expect: Some(3), network, ..SiteOptions::default() };
    let site = Site::generate("shop", options).unwrap();
    site.save(&path).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    let again = Site::load(&path).unwrap();
    assert_eq!(again.ring_key, site.ring_key);
    assert_eq!(again.to_toml().unwrap(), site.to_toml().unwrap());
}

#[test]
fn two_new_sites_have_different_keys_and_neither_shows_it() {
    let [one, two] = [(); 2].map(|()| Site::generate("shop", SiteOptions::default()).unwrap());
    assert_ne!(one.ring_key, two.ring_key);
    assert_ne!(one.ring_key.fingerprint(), two.ring_key.fingerprint());
    assert!(format!("{one:?}").contains("RingKey(…)"));
    assert_eq!(RingKey::new([1; 32]).fingerprint().len(), 16);
}

#[test]
fn a_file_that_others_may_read_is_refused_with_the_command_that_closes_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("site.toml");
    std::fs::write(&path, shop("")).unwrap();
    for mode in [0o644, 0o640, 0o604] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let error = Site::load(&path).unwrap_err();
        assert!(matches!(error, SiteError::TooOpen { .. }), "{error}");
        let help = miette::Diagnostic::help(&error).unwrap().to_string();
        assert_eq!(help, format!("Close it: chmod 600 {}", path.display()));
    }
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
    Site::load(&path).unwrap();
}

#[test]
fn a_missing_site_is_told_with_the_command_that_makes_it() {
    let error = Site::load(Path::new("/nonexistent/keys/shop/site.toml")).unwrap_err();
    let help = miette::Diagnostic::help(&error).unwrap().to_string();
    assert_eq!(help, "Make it with: ashlar site new shop");
}

#[test]
fn a_broken_key_is_told_by_line_and_never_shown() {
    for text in [
        "version = 1\nname = 'shop'\nring-key = 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8'\n",
        "version = 1\nname = 'shop'\nring-key = 'AAECAwQFBgcICQoL'\n",
        "version = 1\nname = 'shop'\nring-key = '?AECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8='\n",
        "version = 1\nname = 'shop'\nring-key = 12\n",
        "version = 1\nname = 'shop'\nring-key = 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='\n",
    ] {
        let (words, help) = refusal(text);
        assert!(words.contains("keys/shop/site.toml:3: `ring-key`: "), "{words}");
        let mend = "mv keys/shop keys/shop.broken && ashlar site new shop";
        assert!(help.ends_with(mend), "{help}");
    }
    let (words, _) = refusal("version = 1\nname = 'shop'\nring-key = 'AAECAwQFBgcICQoL'\n");
    assert!(words.contains("32 bytes in base64; this one has 12 bytes"), "{words}");
}

#[test]
fn no_refusal_shows_a_key_that_stands_in_the_wrong_place() {
    refusal(&shop(&format!("expect = '{KEY}'")));
    refusal(&format!("version = '{KEY}'"));
    refusal(&format!("version = 1\nname = '{KEY}'\nring-key = '{KEY}'"));
    refusal(&format!("version = 1\nname = 'shop'\nring-key = '{KEY}"));
    refusal(&shop(&format!("ssh-keys = ['{KEY}']")));
    refusal(&shop(&format!("[network]\ncluster = '{KEY}'")));
    refusal(&shop(&format!("[network]\njoin = ['{KEY}']")));
    refusal(&shop(&format!("[[network.node]]\nmac = '{KEY}'\naddress = '10.83.0.9'")));
    refusal(&shop(&format!("[[network.node]]\nmac = '52:54:00:12:34:56'\naddress = '{KEY}'")));
}

#[test]
fn values_that_no_cluster_can_have_are_told_by_line() {
    let node = |mac: &str, ip: &str| format!("[[network.node]]\nmac = '{mac}'\naddress = '{ip}'\n");
    let good = node("52:54:00:12:34:56", "10.83.0.9");
    for (rest, place) in [
        ("expect = 0".into(), ":4: `expect`"),
        ("ssh-keys = [\n 'ssh-rsa x',\n]".into(), ":5: `ssh-keys[0]`"),
        ("[network]\ncluster = '10.83.0.1/16'".into(), ":5: `network.cluster`"),
        ("[network]\ncluster = '10.83.0.0/30'".into(), ":5: `network.cluster`"),
        ("[network]\ncluster = '127.0.0.0/8'".into(), ":5: `network.cluster`"),
        ("[network]\njoin = ['node.example']".into(), ":5: `network.join[0]`"),
        ("[network]\njoin = ['10.0.0.1:0']".into(), ":5: `network.join[0]`"),
        (node("52:54:00:12:34", "10.83.0.9"), ":5: `network.node[0].mac`"),
        (node("01:54:00:12:34:56", "10.83.0.9"), ":5: `network.node[0].mac`"),
        (node("52:54:00:12:34:56", "10.84.0.9"), ":6: `network.node[0].address`"),
        (node("52:54:00:12:34:56", "10.83.0.1"), ":6: `network.node[0].address`"),
        (node("52:54:00:12:34:56", "fe80::1"), ":6: `network.node[0].address`"),
        (good.clone() + &node("52:54:00:12:34:56", "10.83.0.8"), ":8: `network.node[1].mac`"),
        (good + &node("52:54:00:12:34:57", "10.83.0.9"), ":9: `network.node[1].address`"),
    ] {
        let (words, _) = refusal(&shop(&rest));
        assert!(words.contains(place), "{rest}: {words}");
    }
}

#[test]
fn an_unknown_key_or_version_is_refused() {
    let (words, _) = refusal(&shop("expct = 3"));
    assert!(words.contains(":4: unknown field `expct`"), "{words}");
    let (words, _) = refusal(&shop("").replace("version = 1", "version = 2"));
    assert!(words.contains(":1: `version`: this file has 2"), "{words}");
    let (words, _) = refusal(&shop("").replace("'shop'", "'Shop'"));
    assert!(words.contains(":2: `name`: expected a DNS label"), "{words}");
    let (words, _) = refusal("version = 1\nname = 'shop'\n");
    assert!(words.contains("missing field `ring-key`"), "{words}");
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text: String) {
        let _ = Site::parse(&text, Path::new("site.toml"));
        let _ = Site::parse(&shop(&text), Path::new("keys/shop/site.toml"));
    }
}

#[test]
fn a_name_that_mdns_would_not_announce_is_refused() {
    let named = |name: &str| shop("").replace("'shop'", &format!("'{name}'"));
    Site::parse(&named("filiale-hamburg-altona-no"), Path::new("x")).unwrap();
    let (words, _) = refusal(&named("filiale-hamburg-altona-nor"));
    assert!(words.contains("site.toml:2") && words.contains("at most 25"), "{words}");
}

#[test]
fn an_address_to_join_is_one_that_another_node_can_have_and_stands_there_once() {
    for (address, reason) in [
        ("'127.0.0.1'", "no other node"),
        ("'0.0.0.0:7946'", "no other node"),
        ("'10.0.0.1', '10.0.0.1'", "already"),
        ("'host.example'", "not resolved"),
    ] {
        let (words, _) = refusal(&shop(&format!("[network]\njoin = [{address}]\n")));
        assert!(words.contains("site.toml:5") && words.contains(reason), "{address}: {words}");
    }
}

#[test]
fn rules_of_an_installer_that_make_no_sense_are_refused_at_their_line() {
    for (rules, line, words) in [
        ("bus = ['nvme', 'nvme']", 5, "`install.bus[1]`: it is in the list already"),
        ("at-least-gb = 0", 5, "`install.at-least-gb`: expected 1 or more"),
        ("at-least-gb = 64\nat-most-gb = 32", 6, "`install.at-most-gb`: expected 64"),
        ("at-most-gb = 0", 5, "`install.at-most-gb`: expected 1 or more"),
        ("unattended = true\nserial = ' '", 6, "`install.serial`: expected a serial number"),
        ("take = 'first'", 5, "`smallest` or `largest`"),
        ("bus = ['floppy']", 5, "unknown variant `floppy`"),
        ("allow-foriegn = true", 5, "unknown field `allow-foriegn`"),
        ("unattended = 'yes'", 5, "`install.unattended`"),
    ] {
        let (message, _) = refusal(&shop(&format!("[install]\n{rules}\n")));
        let place = format!("site.toml:{line}: ");
        assert!(message.contains(&place) && message.contains(words), "{rules}: {message}");
    }
}

#[test]
fn what_an_editor_of_windows_makes_of_a_site_is_read_all_the_same() {
    let text = shop("expect = 3\n").replace('\n', "\r\n");
    for text in [text.clone(), format!("\u{feff}{text}")] {
        let site = Site::parse(&text, Path::new("site.toml")).unwrap();
        assert_eq!((site.name.as_str(), site.expect), ("shop", Some(3)));
    }
}
