//! Every version of the format that was ever on a node: it stays readable, and
//! means what it meant.

use ashlar_site::{Bond, DiskBus, Site, Take};
use std::path::Path;

#[test]
fn version_1_is_read_and_written_as_it_was() {
    let text = include_str!("golden/site-v1.toml");
    let site = Site::parse(text, Path::new("site-v1.toml")).unwrap();
    assert_eq!((site.version, site.name.as_str(), site.expect), (1, "shop", Some(3)));
    assert_eq!(site.ring_key.as_bytes().first_chunk(), Some(&[0, 1, 2, 3]));
    assert_eq!(site.ssh_keys.len(), 1);
    assert_eq!(site.network.cluster.to_string(), "10.20.0.0/24");
    assert!(!site.network.dhcp);
    assert_eq!(site.network.join, ["10.9.0.1:7946"]);
    let address = site.address_for("any", &["52:54:00:AA:BB:CC"], None);
    assert_eq!(address.to_string(), "10.20.0.11");
    assert_eq!(*site.to_toml().unwrap(), text);
}

#[test]
fn the_rules_of_an_installer_are_read_and_written_as_they_were() {
    let text = include_str!("golden/site-v1-install.toml");
    let site = Site::parse(text, Path::new("site-v1-install.toml")).unwrap();
    let rules = site.install.clone().unwrap();
    assert!(rules.unattended && !rules.allow_foreign);
    assert_eq!(rules.bus, [DiskBus::Nvme, DiskBus::Sata]);
    assert_eq!((rules.at_least_gb, rules.at_most_gb), (Some(60), Some(2000)));
    assert_eq!((rules.serial.as_deref(), rules.take), (Some("S64FNX0"), Some(Take::Smallest)));
    assert_eq!(*site.to_toml().unwrap(), text);
}

#[test]
fn what_a_shop_s_network_asks_for_is_read_and_written_as_it_was() {
    let text = include_str!("golden/site-v1-network.toml");
    let site = Site::parse(text, Path::new("site-v1-network.toml")).unwrap();
    let network = &site.network;
    assert_eq!((network.vlan, network.bond), (Some(20), Some(Bond::ActiveBackup)));
    assert_eq!(network.pools().overlay.to_string(), "172.21.0.0/16");
    let passphrase = network.wifi.as_ref().unwrap().passphrase.as_ref().unwrap();
    assert_eq!(passphrase.expose(), "not the real one");
    let witness = network.node_of(&["00:00:00:00:00:01"], Some("CZC1234XYZ")).unwrap();
    assert!(witness.witness && witness.address.is_none());
    assert_eq!(site.time.zone.as_deref(), Some("Europe/Berlin"));
    assert!(site.console.pin_hash.as_ref().unwrap().is("830142"));
    assert_eq!(*site.to_toml().unwrap(), text);
}

#[test]
fn a_later_version_is_refused_by_its_number_and_not_by_its_keys() {
    let text =
        include_str!("golden/site-v1.toml").replace("version = 1", "version = 2\nwitness = true");
    let error = Site::parse(&text, Path::new("site.toml")).unwrap_err().to_string();
    assert!(
        error.contains("site.toml:3: `version`: this file has 2") && !error.contains("witness"),
        "{error}"
    );
}

#[test]
fn the_sites_that_the_guide_shows_are_ones() {
    let guide = include_str!("../../../docs/guide.md");
    let shown: Vec<_> = guide.split("```toml\nversion = 1").skip(1).collect();
    assert_eq!(shown.len(), 2);
    for rest in shown {
        let (site, _) = rest.split_once("```").unwrap();
        let error = Site::parse(&pasted(site), Path::new("docs/guide.md")).err();
        assert!(error.is_none(), "{error:?}");
    }
}

/// What a person has after filling in the secrets.
fn pasted(site: &str) -> String {
    let hash = "$argon2id$v=19$m=19456,t=2,p=1$adU+qK8uWge0xtk4GKdwdQ$rKbjH/DjcD8JR+suYYgevsxYiFSqAo+WdK23jNA+XMw";
    format!("version = 1{site}")
        .replace("pin-hash = \"…\"", &format!("pin-hash = \"{hash}\""))
        .replace("\"…\"", "\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"")
        .replace(
            "ssh-ed25519 …",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f",
        )
}
