use super::*;
use clap::Parser;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me@here";

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

pub(crate) fn project() -> (tempfile::TempDir, Project) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("recipes")).unwrap();
    let project = Project::find(Some(dir.path())).unwrap();
    (dir, project)
}

pub(crate) fn new(project: &Project, words: &[&str]) -> miette::Result<Site> {
    let line = Line::try_parse_from(["site", "new"].iter().chain(words))
        .map_err(|error| miette::miette!("{error}"))?;
    let Verb::New(new) = line.args.verb else { unreachable!("`new` was typed") };
    create(&new, false, project, &Output::new(true, true))?;
    Ok(Site::load(&place(project, &new.name)).unwrap())
}

#[test]
fn a_site_is_made_with_all_that_was_asked_for() {
    let (dir, project) = project();
    let keys = dir.path().join("keys.pub");
    std::fs::write(&keys, format!("# mine\n{KEY}\n\n{KEY}\n")).unwrap();
    let keys = keys.to_str().unwrap();
    let words = [
        "shop",
        "--expect",
        "3",
        "--ssh-key",
        keys,
        "--network",
        "10.20.0.0/24",
        "--node",
        "52:54:00:AA:BB:CC=10.20.0.11",
        "--join",
        "10.9.0.1",
        "--no-dhcp",
    ];
    let site = new(&project, &words).unwrap();
    assert_eq!(site.expect, Some(3));
    assert_eq!(site.ssh_keys, [KEY]);
    assert_eq!(site.network.cluster.to_string(), "10.20.0.0/24");
    assert!(!site.network.dhcp);
    assert_eq!(site.network.join, ["10.9.0.1"]);
    let address = site.address_for("id", &["52:54:00:aa:bb:cc"], None);
    assert_eq!(address.to_string(), "10.20.0.11");
}

#[test]
fn a_site_that_exists_is_never_overwritten() {
    let (_dir, project) = project();
    let before = new(&project, &["shop"]).unwrap();
    let error = new(&project, &["shop"]).unwrap_err();
    assert!(error.to_string().contains("exists"), "{error}");
    assert!(error.help().unwrap().to_string().contains("mv "), "with what to do");
    let after = Site::load(&place(&project, "shop")).unwrap();
    assert_eq!(before.ring_key, after.ring_key);
}

#[test]
fn a_bad_value_leaves_nothing_behind() {
    let (dir, project) = project();
    let private = dir.path().join("id");
    std::fs::write(&private, "-----BEGIN OPENSSH PRIVATE KEY-----\n").unwrap();
    for words in [
        vec!["Shop"],
        vec!["../shop"],
        vec!["shop", "--expect", "0"],
        vec!["shop", "--node", "52:54:00:aa:bb:cc"],
        vec!["shop", "--node", "52:54:00:aa:bb:cc=10.99.0.1"],
        vec!["shop", "--network", "10.83.0.1/16"],
        vec!["shop", "--join", "host.example"],
        vec!["shop", "--ssh-key", "/nonexistent"],
        vec!["shop", "--ssh-key", private.to_str().unwrap()],
    ] {
        assert!(new(&project, &words).is_err(), "{words:?}");
        assert!(!project.keys().exists(), "{words:?}");
    }
}

#[test]
fn a_key_is_shown_short() {
    assert_eq!(short(KEY), "ssh-ed25519 …FxgZGhscHR4f me@here");
}
