//! Every version of the format that was ever on a node: it stays readable, and
//! means what it meant.

use ashlar_site::{DiskBus, Site, Take};
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
    let address = site.address_for("any", &["52:54:00:AA:BB:CC"]);
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
fn the_site_that_the_guide_shows_is_one() {
    let guide = include_str!("../../../docs/guide.md");
    let (_, rest) = guide.split_once("```toml\nversion = 1").unwrap();
    let (shown, _) = rest.split_once("```").unwrap();
    let text = format!("version = 1{shown}")
        .replace("\"…\"", "\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"")
        .replace(
            "ssh-ed25519 …",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f",
        );
    Site::parse(&text, Path::new("docs/guide.md")).unwrap();
}
